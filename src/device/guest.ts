/** A sealed model loaded inside attested hardware, by a key that the broker releases to it. */
import { basename, resolve } from 'node:path';
import { type ErrorCode, ModelwardError, WorkflowError } from '../core/errors.ts';
import { loadReleased } from '../workflows/broker/index.ts';
import type { GuestTee } from '../workflows/broker/index.ts';
import type { SealedRunner, SealedSession } from '../seal/ports.ts';
import { listExposures, openBrokerLink, openReportSource, openRunner } from './compose.ts';

export interface GuestOptions {
  /** The sealed file. */
  readonly path: string;
  /** Address of the broker, https. */
  readonly broker: string;
  /** PEM of the authority that the broker's certificate must be under; the system's authorities without it. */
  readonly caPem?: string;
  /** As the broker's policy names it, such as "models/key/classifier". */
  readonly resource: string;
  /** What this machine is: a confidential VM of AMD or Intel, or an SGX enclave under Gramine. */
  readonly tee: GuestTee;
  /** Told, before the key comes into memory, by which ways it could reach a disk. */
  readonly onExposed?: (ways: readonly string[]) => void;
  /**
   * Awaited for each release before the model gets its key, and for each refusal: what rejects gives no model. An enclave keeps no
   * ledger of its own, since it has no place that outlives it; that of the broker has every release before its key leaves.
   */
  readonly record?: (use: GuestUse) => Promise<void>;
}

/** What a guest did with a key, for a log of the caller's. */
export interface GuestUse {
  /** RELEASED, or the code of the refusal. */
  readonly outcome: 'RELEASED' | ErrorCode | 'UNKNOWN';
  readonly resource: string;
  readonly tee: GuestTee;
  /** Name of the sealed file. */
  readonly file: string;
}

/**
 * Proves this machine to the broker, and loads the model for running, in memory alone: in a child process, in an SGX enclave in
 * this one. The caller releases the session.
 * @throws BrokerError | AttestError as `fetchSealKey`; WorkflowError NOT_SEALED | RECORD_FAILED; SealError; RuntimeError
 *   RUNTIME_LOAD_FAILED
 * @example
 * const session = await loadInGuest({ path: '/srv/m.seal', broker: 'https://keys.example:8443', resource: 'models/key/m', tee: 'snp' });
 */
export async function loadInGuest(options: GuestOptions): Promise<SealedSession> {
  const { broker, caPem, resource, tee, onExposed, record } = options;
  // The child has an empty working folder of its own.
  const path = resolve(options.path);
  const ways = onExposed === undefined ? [] : listExposures();
  if (ways.length > 0) onExposed?.(ways);
  // A child would be a second enclave, which Gramine's events do not survive.
  const runner = await openRunner(tee === 'sgx' ? 'here' : 'child');
  const load = async (by: SealedRunner): Promise<SealedSession> => {
    const link = await openBrokerLink({ url: broker, caPem: caPem === undefined ? undefined : Buffer.from(caPem) });
    return loadReleased(by, { path, link, source: await openReportSource(), tee, resource });
  };
  if (record === undefined) return load(runner);
  return withRecord(runner, (outcome) => record({ outcome, resource, tee, file: basename(path) }), load);
}

/** Tells `record` before the key goes to the runner, or of what was refused. */
export async function withRecord(
  runner: SealedRunner,
  record: (outcome: GuestUse['outcome']) => Promise<void>,
  load: (by: SealedRunner) => Promise<SealedSession>,
): Promise<SealedSession> {
  const note = async (outcome: GuestUse['outcome']): Promise<void> => {
    try {
      await record(outcome);
    } catch (cause) {
      throw new WorkflowError('RECORD_FAILED', { cause, fields: { outcome } });
    }
  };
  const noted: SealedRunner = {
    load: async (asked) => {
      await note('RELEASED');
      return runner.load(asked);
    },
  };
  try {
    return await load(noted);
  } catch (error) {
    const code = error instanceof ModelwardError ? error.code : 'UNKNOWN';
    if (code !== 'RECORD_FAILED') await note(code);
    throw error;
  }
}
