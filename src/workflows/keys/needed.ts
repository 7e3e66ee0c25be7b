/**
 * What hangs on versions of a key as far as the ledger of this home knows, so that none is ended that an envelope needs which
 * is not in the folder at hand, or which another process is about to write.
 */
import type { Entry } from '../../ledger/index.ts';

/** A use that was begun and has no outcome after this long belongs to a process that is dead. */
const PENDING_MS = 60 * 60 * 1000;

export interface NeededOptions {
  readonly entries: Iterable<Entry>;
  /** Names that the log gives the key. */
  readonly keyRefs: ReadonlySet<string>;
  /** Versions that are to be ended. */
  readonly versions: ReadonlySet<string>;
  /** Seals whose envelopes were looked at. */
  readonly seen: ReadonlySet<string>;
  readonly nowMs: number;
}

/**
 * Seals that were wrapped under one of the versions and not moved since, or are being wrapped now, and whose envelopes were
 * not looked at.
 */
export function listNeeded(options: NeededOptions): string[] {
  const held = new Map<string, Set<string>>();
  const begun = new Map<string, Entry>();
  const hold = (sealId: string, version: string): void => {
    held.set(sealId, (held.get(sealId) ?? new Set()).add(version));
  };
  for (const entry of options.entries) {
    const { operation, outcome, keyVersion, from, to } = entry.detail;
    const useId = toText(entry.detail.useId);
    if (entry.type === 'key-use-intent' && operation === 'wrap') begun.set(useId, entry);
    if (entry.type === 'key-use-outcome' && begun.has(useId)) {
      const { subject, detail } = begun.get(useId)!;
      begun.delete(useId);
      const isOurs = options.keyRefs.has(toText(entry.detail.keyRef ?? detail.keyRef));
      if (outcome === 'done' && typeof keyVersion === 'string' && isOurs) hold(subject, keyVersion);
    }
    if (entry.type === 'rewrap') {
      held.get(entry.subject)?.delete(findVersion(from, options.keyRefs) ?? '');
    }
    if (entry.type === 'rewrap' || entry.type === 'recipient-added') {
      const version = findVersion(to, options.keyRefs);
      if (version !== undefined) hold(entry.subject, version);
    }
  }
  const pending = [...begun.values()].filter(
    ({ ts, detail }) => options.keyRefs.has(toText(detail.keyRef)) && options.nowMs - Date.parse(ts) < PENDING_MS,
  );
  const needed = [...held].filter(([, versions]) => [...versions].some((version) => options.versions.has(version)));
  const sealIds = new Set([...needed.map(([sealId]) => sealId), ...pending.map(({ subject }) => subject)]);
  return [...sealIds].filter((sealId) => !options.seen.has(sealId));
}

const toText = (value: unknown): string => (typeof value === 'string' ? value : '');

/** The version in `type:keyRef@version` where the key is one of `keyRefs`. */
function findVersion(recipient: unknown, keyRefs: ReadonlySet<string>): string | undefined {
  if (typeof recipient !== 'string') return undefined;
  const at = recipient.lastIndexOf('@');
  const keyRef = recipient.slice(recipient.indexOf(':') + 1, at);
  return at > 0 && keyRefs.has(keyRef) ? recipient.slice(at + 1) : undefined;
}
