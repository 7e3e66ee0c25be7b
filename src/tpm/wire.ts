/** Structures of TPM 2.0 on the wire (Part 2): big-endian integers, and buffers with a 16-bit size (TPM2B). */
import { concatBytes, u32be, zeroize } from '../core/bytes.ts';
import { TpmError } from '../core/errors.ts';

export function u8(value: number): Uint8Array {
  return Uint8Array.of(value);
}

export function u16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 0xff);
}

export const u32 = u32be;

/** A TPM2B: the length in two bytes, then the bytes. */
export function sized(...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return concatBytes(u16(length), ...parts);
}

/** As {@link sized} for a secret: the parts are wiped. */
export function sizedSecret(...parts: readonly Uint8Array[]): Uint8Array {
  try {
    return sized(...parts);
  } finally {
    zeroize(...parts);
  }
}

/** Reads a response; every read is checked against its end. */
export interface WireReader {
  readonly u8: () => number;
  readonly u16: () => number;
  readonly u32: () => number;
  readonly u64: () => bigint;
  /** A view, not a copy. */
  readonly bytes: (length: number) => Uint8Array;
  /** The content of a TPM2B, a view. */
  readonly sized: () => Uint8Array;
  readonly rest: () => Uint8Array;
  /** @throws TpmError TPM_RESPONSE_INVALID when something is left */
  readonly end: () => void;
}

/** @throws TpmError TPM_RESPONSE_INVALID from every read behind the end */
export function readWire(data: Uint8Array): WireReader {
  let at = 0;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const take = (length: number): number => {
    if (length > data.length - at) throw new TpmError('TPM_RESPONSE_INVALID', { fields: { offset: at } });
    at += length;
    return at - length;
  };
  const bytes = (length: number): Uint8Array => {
    const start = take(length);
    return data.subarray(start, start + length);
  };
  const readU16 = (): number => view.getUint16(take(2));
  return {
    u8: () => view.getUint8(take(1)),
    u16: readU16,
    u32: () => view.getUint32(take(4)),
    u64: () => view.getBigUint64(take(8)),
    bytes,
    sized: () => bytes(readU16()),
    rest: () => bytes(data.length - at),
    end: () => {
      if (at !== data.length) throw new TpmError('TPM_RESPONSE_INVALID', { fields: { offset: at } });
    },
  };
}
