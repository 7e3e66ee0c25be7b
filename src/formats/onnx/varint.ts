/** Numbers of the wire: what two 32-bit halves stand for, and the bytes of varints. */

/** Signed 64-bit value of two halves. */
export function toInt64(low: number, high: number): bigint {
  if (high === 0) return BigInt(low);
  return (BigInt(high | 0) << 32n) | BigInt(low);
}

/** The signed 64-bit value as a number, or undefined outside ±2^53. */
export function findSafeInt(low: number, high: number): number | undefined {
  if (high === 0) return low;
  const value = (high | 0) * 2 ** 32 + low;
  return Number.isSafeInteger(value) ? value : undefined;
}

/** The two halves of a signed 64-bit value. */
export function toInt64Halves(value: bigint): { readonly low: number; readonly high: number } {
  const bits = BigInt.asUintN(64, value);
  return { low: Number(bits & 0xffff_ffffn), high: Number(bits >> 32n) };
}

/** Bytes of a varint of two unsigned halves, in the shortest form, or padded to `lengthMin`. */
export function toVarint(low: number, high: number, lengthMin = 1): Uint8Array {
  const out: number[] = [];
  for (let l = low >>> 0, h = high >>> 0; ; ) {
    const bits = l & 0x7f;
    l = ((l >>> 7) | (h << 25)) >>> 0;
    h >>>= 7;
    const isLast = l === 0 && h === 0 && out.length + 1 >= lengthMin;
    out.push(isLast ? bits : bits | 0x80);
    if (isLast) return Uint8Array.from(out);
  }
}

/** {@link toVarint} of a length, a safe integer. */
export function toLengthVarint(length: number, lengthMin = 1): Uint8Array {
  return toVarint(length % 2 ** 32, Math.floor(length / 2 ** 32), lengthMin);
}

export function toTag(number: number, wire: number): Uint8Array {
  return toVarint((number << 3) | wire, 0);
}
