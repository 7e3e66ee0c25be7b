/** The one decorator around key providers: no use of a key without an entry before it and an entry after it. */
import { toHex, zeroize } from '../core/bytes.ts';
import { ModelwardError, WorkflowError } from '../core/errors.ts';
import type { Random } from '../core/ports.ts';
import type { LedgerWriter } from '../ledger/ports.ts';
import type { KeyContext, KeyUnwrapper, KeyWrapper } from '../seal/ports.ts';

export type KeyProvider = KeyWrapper & KeyUnwrapper;

export interface KeyLogOptions {
  readonly provider: KeyProvider;
  /** Which key the provider wraps with; unwraps name the key that the envelope asks for. */
  readonly keyRef: string;
  readonly ledger: LedgerWriter;
  readonly actor: string;
  readonly random: Random;
}

type Outcome = { readonly outcome: 'done' } | { readonly outcome: 'failed' | 'refused'; readonly code: string };

interface Use {
  readonly operation: 'wrap' | 'unwrap';
  readonly keyRef: string;
  readonly context: KeyContext;
}

/**
 * Wraps `provider` so that an intent is durable before each call and an outcome after it. When the outcome cannot be
 * recorded, an unwrapped key is wiped and not handed out.
 * @throws WorkflowError RECORD_FAILED when the ledger refuses the entry, besides whatever the provider throws
 */
export function withKeyLog(options: KeyLogOptions): KeyProvider {
  return {
    wrapKey: (request) =>
      runLogged(options, { operation: 'wrap', keyRef: options.keyRef, context: request.context }, () =>
        options.provider.wrapKey(request),
      ),
    unwrapKey: (request) =>
      runLogged(options, { operation: 'unwrap', keyRef: request.wrapped.keyRef, context: request.context }, () =>
        options.provider.unwrapKey(request),
      ),
  };
}

async function runLogged<T>(options: KeyLogOptions, use: Use, call: () => Promise<T>): Promise<T> {
  const useId = new Uint8Array(16);
  options.random.fill(useId);
  const useIdHex = toHex(useId);
  await record(options, use, {
    type: 'key-use-intent',
    detail: { useId: useIdHex, operation: use.operation, keyRef: use.keyRef, purpose: use.context.purpose },
  });
  let result: T;
  try {
    result = await call();
  } catch (error) {
    await record(options, use, { type: 'key-use-outcome', detail: { useId: useIdHex, ...toOutcome(error) } });
    throw error;
  }
  const outcome: Outcome = result === null ? { outcome: 'failed', code: 'NOT_MINE' } : { outcome: 'done' };
  try {
    await record(options, use, { type: 'key-use-outcome', detail: { useId: useIdHex, ...outcome } });
  } catch (error) {
    if (result instanceof Uint8Array) zeroize(result);
    throw error;
  }
  return result;
}

function toOutcome(error: unknown): Outcome {
  const code = error instanceof ModelwardError ? error.code : 'UNKNOWN';
  return { outcome: code === 'KEY_REFUSED' ? 'refused' : 'failed', code };
}

type UseEntry =
  | { type: 'key-use-intent'; detail: { useId: string; operation: string; keyRef: string; purpose: string } }
  | { type: 'key-use-outcome'; detail: { useId: string } & Outcome };

async function record(options: KeyLogOptions, use: Use, entry: UseEntry): Promise<void> {
  try {
    await options.ledger.append([{ actor: options.actor, subject: use.context.sealId, digests: {}, ...entry }]);
  } catch (cause) {
    throw new WorkflowError('RECORD_FAILED', { cause, fields: { operation: use.operation } });
  }
}
