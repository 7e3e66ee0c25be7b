/** Work that is cheaper together: what comes while some is done waits for the next round. */
import { setImmediate as turn } from 'node:timers/promises';
import type { LedgerWriter, Refusal } from '../../ledger/ports.ts';

/**
 * @param work one result for each item, in their order; when it throws, all items of the round fail alike
 * @param countMax items of one round
 */
export function gather<Item, Result>(
  work: (items: readonly Item[]) => Promise<readonly Result[]>,
  countMax: number,
): (item: Item) => Promise<Result> {
  interface Waiting {
    readonly item: Item;
    readonly resolve: (result: Result) => void;
    readonly reject: (error: unknown) => void;
  }
  const waiting: Waiting[] = [];
  let isBusy = false;
  const run = async (): Promise<void> => {
    isBusy = true;
    while (waiting.length > 0) {
      // A ledger or a file of SQLite is worked with at a stretch: without a turn of the event loop each round would be of one.
      await turn();
      const round = waiting.splice(0, countMax);
      try {
        const results = await work(round.map(({ item }) => item));
        for (const [at, { resolve }] of round.entries()) resolve(results[at]);
      } catch (error) {
        for (const { reject } of round) reject(error);
      }
    }
    isBusy = false;
  };
  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      if (!isBusy) void run();
    });
}

/**
 * A writer that counts refusals of one moment together. Anybody on the network causes them, and each alone opens the ledger:
 * those who ask for nothing would keep those waiting whose answers have to be recorded.
 */
export function gatherRefusals(writer: LedgerWriter, countMax: number): LedgerWriter {
  const refuse = gather(async (refusals: readonly Refusal[]) => {
    await writer.refuse(...refusals);
    return refusals.map(() => undefined);
  }, countMax);
  return {
    append: (entries) => writer.append(entries),
    refuse: async (...refusals) => {
      await Promise.all(refusals.map(refuse));
    },
  };
}
