/** Binary search in ascending offsets. */

/** The last index in [0, length) with `at(index) <= value`; 0 when there is none. */
export function toFloorIndex(length: number, at: (index: number) => number, value: number): number {
  let low = 0;
  let high = length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (at(middle) <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}
