/** Sorting nodes so that producers come first. */

/**
 * Indices in an order in which what each stands on comes first; what is in a loop follows at the end, as it was.
 * @param sources for each index, the distinct indices that it stands on
 */
export function toSourceOrder(sources: readonly ReadonlySet<number>[]): number[] {
  const consumers = sources.map((): number[] => []);
  const waiting = sources.map((own, index) => {
    for (const source of own) consumers[source].push(index);
    return own.size;
  });
  const order = waiting.flatMap((count, index) => (count === 0 ? [index] : []));
  // The list grows while it is walked; a loop's back edge keeps its nodes out of it.
  for (const index of order) {
    for (const consumer of consumers[index]) {
      waiting[consumer] -= 1;
      if (waiting[consumer] === 0) order.push(consumer);
    }
  }
  const placed = new Set(order);
  return [...order, ...[...sources.keys()].filter((index) => !placed.has(index))];
}
