/** A look at each value of packed bytes: what no model is asked with, and what the hash has to spell otherwise. */
import type { TensorDType } from './datatypes.ts';

export interface Seen {
  /** Index of the first value that is NaN, infinite, or neither true nor false; -1 when there is none. */
  readonly badIndex: number;
  readonly hasNegativeZero: boolean;
}

const CLEAN: Seen = { badIndex: -1, hasNegativeZero: false };
const CLEAN_WITH_NEGATIVE_ZERO: Seen = { badIndex: -1, hasNegativeZero: true };

/** @param bytes packed little-endian values of `dtype`, whole ones */
export function lookAtValues(dtype: TensorDType, bytes: Uint8Array): Seen {
  switch (dtype) {
    case 'f32':
      return lookAtSingles(bytes);
    case 'f64':
      return lookAtDoubles(bytes);
    case 'f16':
      return lookAtHalves(bytes, 0x7c00);
    case 'bf16':
      return lookAtHalves(bytes, 0x7f80);
    case 'bool':
      for (let at = 0; at < bytes.length; at++) if (bytes[at] > 1) return { badIndex: at, hasNegativeZero: false };
      return CLEAN;
    default:
      return CLEAN;
  }
}

function lookAtSingles(bytes: Uint8Array): Seen {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let hasNegativeZero = false;
  for (let at = 0; at < bytes.length; at += 4) {
    const word = view.getInt32(at, true);
    if ((word & 0x7f800000) === 0x7f800000) return { badIndex: at / 4, hasNegativeZero };
    if (word === -0x80000000) hasNegativeZero = true;
  }
  return hasNegativeZero ? CLEAN_WITH_NEGATIVE_ZERO : CLEAN;
}

function lookAtDoubles(bytes: Uint8Array): Seen {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let hasNegativeZero = false;
  for (let at = 0; at < bytes.length; at += 8) {
    const high = view.getInt32(at + 4, true);
    if ((high & 0x7ff00000) === 0x7ff00000) return { badIndex: at / 8, hasNegativeZero };
    if (high === -0x80000000 && view.getInt32(at, true) === 0) hasNegativeZero = true;
  }
  return hasNegativeZero ? CLEAN_WITH_NEGATIVE_ZERO : CLEAN;
}

/** @param exponentMask all bits of the exponent: of f16 or bf16 */
function lookAtHalves(bytes: Uint8Array, exponentMask: number): Seen {
  let hasNegativeZero = false;
  for (let at = 0; at < bytes.length; at += 2) {
    const code = bytes[at] | (bytes[at + 1] << 8);
    if ((code & exponentMask) === exponentMask) return { badIndex: at / 2, hasNegativeZero };
    if (code === 0x8000) hasNegativeZero = true;
  }
  return hasNegativeZero ? CLEAN_WITH_NEGATIVE_ZERO : CLEAN;
}

const SIGN_BYTES = { f16: 2, bf16: 2, f32: 4, f64: 8 } as const;

/** A copy in which each negative zero is a positive one. @param bytes packed little-endian values */
export function withoutNegativeZeros(dtype: TensorDType, bytes: Uint8Array): Uint8Array {
  const size = SIGN_BYTES[dtype as keyof typeof SIGN_BYTES] as number | undefined;
  const out = new Uint8Array(bytes);
  if (size === undefined) return out;
  for (let at = 0; at < out.length; at += size) {
    if (out[at + size - 1] !== 0x80) continue;
    let rest = 0;
    for (let i = 0; i < size - 1; i++) rest |= out[at + i];
    if (rest === 0) out[at + size - 1] = 0;
  }
  return out;
}
