/**
 * Equal typed arrays of one kind are told equal by their bytes: the comparison of expect() lists the keys of both, which takes
 * seconds for the weights of a model. Any other pair is left to expect(), which shows where two arrays differ.
 */
import { expect } from 'vitest';

function toBytes(value: unknown): Buffer | undefined {
  if (!ArrayBuffer.isView(value)) return undefined;
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

expect.addEqualityTesters([
  (a: unknown, b: unknown): true | undefined => {
    const [left, right] = [toBytes(a), toBytes(b)];
    if (left === undefined || right === undefined || Object.getPrototypeOf(a) !== Object.getPrototypeOf(b))
      return undefined;
    return left.equals(right) ? true : undefined;
  },
]);
