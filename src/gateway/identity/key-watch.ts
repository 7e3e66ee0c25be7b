/** Keeps the keys in memory as the table has them: looks at its counter twice a second, reads what changed. */
import { type ErrorCode, ModelwardError } from '../../core/errors.ts';
import { API_KEY_LIMITS as CAPS } from '../../core/limits/api-keys.ts';
import type { Clock, Pause } from '../../core/ports.ts';
import type { KeyIndex } from './key-index.ts';
import type { ApiKeyStore } from './ports.ts';

export interface KeyWatchOptions {
  readonly store: Pick<ApiKeyStore, 'readChange' | 'readChanges' | 'noteUsed'>;
  /** The same table on a line of its own, so that a write that waits for its turn does not hold up the looks. */
  readonly uses?: Pick<ApiKeyStore, 'noteUsed'>;
  readonly index: KeyIndex;
  readonly clock: Clock;
  readonly pause: Pause;
  readonly signal: AbortSignal;
  /** Told of rows that cannot be read (by their ids), and of a table that cannot be reached: once each time it begins. */
  readonly onTrouble: (code: ErrorCode | 'UNKNOWN', ids: readonly string[]) => void;
}

/** Reads the whole table, so that the gateway may begin. Resolves when it was read; `run` then never rejects until aborted. */
export async function openKeyWatch(options: KeyWatchOptions): Promise<{ readonly run: () => Promise<void> }> {
  const { store, index, clock, pause, signal } = options;
  let change = await readAll(options, 0);
  let isTroubled = false;
  let [seenMs, trustedMs] = [clock.nowMs(), 0];
  // A revocation that cannot be learned of is not outlived for long: the index stops by itself, also while a look hangs.
  const trust = (untilMs: number): void => {
    trustedMs = untilMs;
    index.trustUntil(untilMs);
  };
  /** A clock that is set back takes the end along, or keys were believed for as long as it goes once more. */
  const followClock = (): void => {
    const nowMs = clock.nowMs();
    if (nowMs < seenMs) trust(trustedMs - (seenMs - nowMs));
    seenMs = nowMs;
  };
  trust(seenMs + CAPS.staleMs);
  const look = async (): Promise<void> => {
    const askedMs = clock.nowMs();
    const found = await store.readChange();
    if (found < change) change = await readAnew(options);
    else if (found > change) change = await readAll(options, change);
    trust(askedMs + CAPS.staleMs);
    isTroubled = false;
  };
  const noteUses = keepUses(options);
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      await pause(CAPS.pollMs, signal);
      followClock();
      void noteUses(CAPS.usedEveryMs);
      try {
        await look();
      } catch (error) {
        if (!isTroubled) tell(options, error);
        isTroubled = true;
      }
    }
    await noteUses(0);
  };
  return { run };
}

/** Writes the times of use once `everyMs` have passed; one write at a time, for which no look waits. */
function keepUses(options: KeyWatchOptions): (everyMs: number) => Promise<void> | undefined {
  const { store, uses = store, index, clock } = options;
  let notedMs = clock.nowMs();
  let noting: Promise<void> | undefined;
  const note = async (): Promise<void> => {
    try {
      await uses.noteUsed(index.takeUses());
    } catch (error) {
      tell(options, error);
    }
    noting = undefined;
  };
  return (everyMs) => {
    const nowMs = clock.nowMs();
    if (noting === undefined && Math.abs(nowMs - notedMs) >= everyMs) {
      notedMs = nowMs;
      noting = note();
    }
    return noting;
  };
}

function tell({ onTrouble }: KeyWatchOptions, error: unknown): void {
  onTrouble(error instanceof ModelwardError ? error.code : 'UNKNOWN', []);
}

/** The table is an older one, put back from a copy: what is only known here does not count any more. */
async function readAnew(options: KeyWatchOptions): Promise<number> {
  options.index.trustUntil(-Infinity);
  options.index.clear();
  return readAll(options, 0);
}

/** From the change after `since` on; the number of the last one. */
async function readAll({ store, index, onTrouble }: KeyWatchOptions, since: number): Promise<number> {
  for (let change = since; ; ) {
    const page = await store.readChanges({ since: change, count: CAPS.pageMax });
    for (const record of page.records) index.put(record);
    for (const id of page.damaged) index.remove(id);
    if (page.damaged.length > 0) onTrouble('APIKEY_RECORD_DAMAGED', page.damaged);
    change = page.change;
    if (!page.isMore) return change;
  }
}
