/** Another configuration while the gateway works: all of it holds, or nothing. */
import { isDeepStrictEqual } from 'node:util';
import { GatewayError } from '../../../core/errors.ts';
import type { GatewayConfig } from '../../../gateway/index.ts';
import type { HostOperations } from './host-operations.ts';

/** What a part of the gateway made ready for another configuration. */
export interface Change {
  /** From now on it holds. Must not fail; what it replaces ends its work by itself, and is closed. */
  commit(): void;
  /** It is not to hold: closes what was made ready. */
  discard(): Promise<void>;
}

export interface ChangeTerms {
  /** Whether a version may take or give other tensors than before. */
  readonly isSignatureFree: boolean;
}

/** A part of the gateway that follows the configuration. */
export interface Follower<Members extends keyof GatewayConfig = keyof GatewayConfig> {
  /** Makes ready what the configuration needs, beside what is at work. @throws what makes it unusable */
  prepare(next: Pick<GatewayConfig, Members>, terms: ChangeTerms): Promise<Change>;
}

/** What one process asks another one to make ready. */
export type ChangeAsk =
  | { readonly kind: 'config'; readonly config: GatewayConfig; readonly terms: ChangeTerms }
  | { readonly kind: 'model'; readonly name: string; readonly version: string; readonly terms: ChangeTerms };

/** Nothing is to be done. */
export const UNCHANGED: Change = { commit: () => undefined, discard: () => Promise.resolve() };

/** Members that parts follow; a change of any other one needs a new process. */
const FOLLOWED: ReadonlySet<string> = new Set([
  ...['openHealth', 'protocols', 'models', 'upstreams', 'integrity.tensors', 'tenants', 'budgets'],
  'log.retentionDays',
  ...['identity.tokens', 'identity.certificates', 'identity.defaults', 'identity.trustedProxies'],
  ...['limits.batchMax', 'limits.answerBytesMax', 'limits.drainTimeoutMs', 'limits.drainDelayMs'],
]);

/** Members whose own members are looked at one by one. */
const OPENED: ReadonlySet<string> = new Set(['integrity', 'limits', 'log', 'identity']);

/** Names of members that differ, in the order of their names. */
export function listChanges(before: object, next: object, prefix = ''): readonly string[] {
  const [one, other] = [before, next] as readonly Record<string, unknown>[];
  const names = [...new Set([...Object.keys(one), ...Object.keys(other)])].sort();
  return names.flatMap((name) => {
    const at = `${prefix}${name}`;
    const [a, b] = [one[name], other[name]];
    if (isDeepStrictEqual(a, b)) return [];
    return OPENED.has(at) ? listChanges(a ?? {}, b ?? {}, `${at}.`) : [at];
  });
}

/** @throws GatewayError ADMIN_RESTART_NEEDED with the members that no part follows */
export function assertFollowed(changes: readonly string[]): void {
  const at = changes.filter((name) => !FOLLOWED.has(name));
  if (at.length > 0) throw new GatewayError('ADMIN_RESTART_NEEDED', { fields: { at } });
}

/** Every part makes its change ready before any of them holds. @throws what the first part throws that cannot; then nothing changed */
export async function prepareAll(
  followers: readonly Follower[],
  next: GatewayConfig,
  terms: ChangeTerms,
): Promise<Change> {
  const changes: Change[] = [];
  const discard = async (): Promise<void> => {
    await Promise.allSettled(changes.map((change) => change.discard()));
  };
  try {
    for (const follower of followers) changes.push(await follower.prepare(next, terms));
  } catch (error) {
    await discard();
    throw error;
  }
  return {
    commit: () => {
      for (const change of changes) change.commit();
    },
    discard,
  };
}

/** Tells what became of a configuration, once for all processes. */
export async function tellReload(
  { journal, onReload }: Pick<HostOperations, 'journal' | 'onReload'>,
  takeUp: () => Promise<readonly string[]>,
): Promise<readonly string[]> {
  try {
    const members = await takeUp();
    onReload(true);
    journal.tell('config-reloaded', { members });
    return members;
  } catch (error) {
    onReload(false);
    journal.refuse('config-refused', error);
    throw error;
  }
}

/** Tells what became of the file of a version, once for all processes. */
export async function tellModelReload(
  { journal }: Pick<HostOperations, 'journal'>,
  { name, version }: { readonly name: string; readonly version: string },
  takeUp: () => Promise<void>,
): Promise<void> {
  try {
    await takeUp();
    journal.tell('model-reloaded', { model: name, version });
  } catch (error) {
    journal.refuse('model-refused', error, { model: name, version });
    throw error;
  }
}

/** One after the other: two changes at once would each be prepared beside what the other replaces. */
export function createTurns(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const turn = last.then(work);
    last = turn.catch(() => undefined);
    return turn;
  };
}
