/** The one decorator around key providers: no use of a key without an entry before it and an entry after it. */
import { toHex, zeroize } from '../core/bytes.ts';
import { ModelwardError, WorkflowError } from '../core/errors.ts';
import type { Random } from '../core/ports.ts';
import type { EntryInput, LedgerWriter } from '../ledger/ports.ts';
import type { KeyProvider } from '../seal/ports.ts';

export interface KeyLogOptions {
  readonly provider: KeyProvider;
  /** Which key the provider wraps with; unwraps name the key that the envelope asks for. */
  readonly keyRef: string;
  readonly ledger: LedgerWriter;
  readonly actor: string;
  readonly random: Random;
}

type IntentDetail = Extract<EntryInput, { type: 'key-use-intent' }>['detail'];
type OutcomeDetail = Extract<EntryInput, { type: 'key-use-outcome' }>['detail'];
type Outcome = Omit<OutcomeDetail, 'useId'>;

interface Use<T> {
  /** What it is done to: a seal, or the key itself. */
  readonly subject: string;
  readonly intent: Omit<IntentDetail, 'useId'>;
  readonly call: () => Promise<T>;
  /** Key and version that the result names, if any. */
  readonly toNamed: (result: T) => { readonly keyRef?: string; readonly keyVersion?: string };
}

/**
 * Wraps `provider` so that an intent is durable before each use of the key and an outcome after it; to describe a key is
 * no use. When the outcome cannot be recorded, an unwrapped key is wiped and not handed out. The result has the optional
 * methods that `provider` has.
 * @throws WorkflowError RECORD_FAILED when the ledger refuses the entry, besides whatever the provider throws
 */
export function withKeyLog(options: KeyLogOptions): KeyProvider {
  const { provider, keyRef } = options;
  const rotate = provider.rotate?.bind(provider);
  const rewrapKey = provider.rewrapKey?.bind(provider);
  const disableVersion = provider.disableVersion?.bind(provider);
  const close = provider.close?.bind(provider);
  return {
    describe: () => provider.describe(),
    wrapKey: (request) =>
      runLogged(options, {
        subject: request.context.sealId,
        intent: { operation: 'wrap', keyRef, purpose: request.context.purpose },
        call: () => provider.wrapKey(request),
        toNamed: toNames,
      }),
    unwrapKey: (request) =>
      runLogged(options, {
        subject: request.context.sealId,
        intent: { operation: 'unwrap', ...toNames(request.wrapped), purpose: request.context.purpose },
        call: () => provider.unwrapKey(request),
        toNamed: () => ({}),
      }),
    ...(rewrapKey && {
      rewrapKey: (request) =>
        runLogged(options, {
          subject: request.context.sealId,
          intent: { operation: 'rewrap', ...toNames(request.wrapped), purpose: request.context.purpose },
          call: () => rewrapKey(request),
          toNamed: toNames,
        }),
    }),
    ...(rotate && {
      rotate: () =>
        runLogged(options, {
          subject: keyRef,
          intent: { operation: 'rotate', keyRef },
          call: () => rotate(),
          toNamed: (keyVersion) => ({ keyVersion }),
        }),
    }),
    ...(disableVersion && {
      disableVersion: (version) =>
        runLogged(options, {
          subject: keyRef,
          intent: { operation: 'disable', ...toNames({ keyRef, keyVersion: version }) },
          call: () => disableVersion(version),
          toNamed: () => ({}),
        }),
    }),
    ...(close && { close }),
  };
}

/** Longest name that an entry takes. */
const NAME_CHARS_MAX = 512;

/** Key and version as an entry takes them: an envelope may name anything, and what it asks for is recorded all the same. */
function toNames(key: {
  readonly keyRef: string;
  readonly keyVersion: string;
}): Pick<IntentDetail, 'keyRef' | 'keyVersion'> {
  const keyVersion = key.keyVersion.slice(0, NAME_CHARS_MAX);
  return { keyRef: key.keyRef.slice(0, NAME_CHARS_MAX) || '?', ...(keyVersion === '' ? {} : { keyVersion }) };
}

async function runLogged<T>(options: KeyLogOptions, use: Use<T>): Promise<T> {
  const { subject, intent } = use;
  const useIdBytes = new Uint8Array(16);
  options.random.fill(useIdBytes);
  const useId = toHex(useIdBytes);
  const record = async (entry: UseEntry): Promise<void> => {
    try {
      await options.ledger.append([{ actor: options.actor, subject, digests: {}, ...entry }]);
    } catch (cause) {
      throw new WorkflowError('RECORD_FAILED', { cause, fields: { operation: intent.operation } });
    }
  };
  await record({ type: 'key-use-intent', detail: { useId, ...intent } });
  let result: T;
  try {
    result = await use.call();
  } catch (error) {
    await record({ type: 'key-use-outcome', detail: { useId, ...toFailure(error) } });
    throw error;
  }
  try {
    await record({ type: 'key-use-outcome', detail: { useId, ...toOutcome(result, use) } });
  } catch (error) {
    if (result instanceof Uint8Array) zeroize(result);
    throw error;
  }
  return result;
}

/** A service may call the key otherwise than the intent did, which has it as the user wrote it: what hangs on it is found by that. */
function toOutcome<T>(result: T, { intent, toNamed }: Use<T>): Outcome {
  if (result === null) return { outcome: 'failed', code: 'NOT_MINE' };
  const { keyRef, keyVersion } = toNamed(result);
  return {
    outcome: 'done',
    ...(keyRef === undefined || keyRef === intent.keyRef ? {} : { keyRef }),
    ...(keyVersion === undefined ? {} : { keyVersion }),
  };
}

function toFailure(error: unknown): Outcome {
  const code = error instanceof ModelwardError ? error.code : 'UNKNOWN';
  return { outcome: code === 'KEY_REFUSED' ? 'refused' : 'failed', code };
}

type UseEntry =
  | { readonly type: 'key-use-intent'; readonly detail: IntentDetail }
  | { readonly type: 'key-use-outcome'; readonly detail: OutcomeDetail };
