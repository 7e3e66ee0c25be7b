/** A sealed model loaded inside attested hardware, by a key that the broker releases to it. */
import { resolve } from 'node:path';
import { loadReleased } from '../workflows/broker/index.ts';
import type { GuestTee } from '../workflows/broker/index.ts';
import type { SealedSession } from '../seal/ports.ts';
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
}

/**
 * Proves this machine to the broker, and loads the model for running, in memory alone: in a child process, in an SGX enclave in
 * this one. The caller releases the session.
 * @throws BrokerError | AttestError as `fetchSealKey`; WorkflowError NOT_SEALED; SealError; RuntimeError RUNTIME_LOAD_FAILED
 * @example
 * const session = await loadInGuest({ path: '/srv/m.seal', broker: 'https://keys.example:8443', resource: 'models/key/m', tee: 'snp' });
 */
export async function loadInGuest(options: GuestOptions): Promise<SealedSession> {
  const { broker, caPem, resource, tee, onExposed } = options;
  // The child has an empty working folder of its own.
  const path = resolve(options.path);
  const ways = onExposed === undefined ? [] : listExposures();
  if (ways.length > 0) onExposed?.(ways);
  const link = await openBrokerLink({ url: broker, caPem: caPem === undefined ? undefined : Buffer.from(caPem) });
  // A child would be a second enclave, which Gramine's events do not survive.
  const runner = await openRunner(tee === 'sgx' ? 'here' : 'child');
  return loadReleased(runner, { path, link, source: await openReportSource(), tee, resource });
}
