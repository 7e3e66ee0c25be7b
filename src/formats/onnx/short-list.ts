/** Lists of a few items by the ten thousand: names of wires, dimensions, attributes. */

/** The empty one, shared. {@link append} makes another of it. */
export const NOTHING: never[] = [];

/** `list`, given up by the caller, with `item`; one of up to four items has room for these and no more. */
export function append<T>(list: T[], item: T): T[] {
  // A push, a spread and a concat leave room for 16 more: that was a third of the heap of a model of small nodes.
  if (list.length === 0) return [item];
  if (list.length === 1) return [list[0], item];
  if (list.length === 2) return [list[0], list[1], item];
  if (list.length === 3) return [list[0], list[1], list[2], item];
  list.push(item);
  return list;
}
