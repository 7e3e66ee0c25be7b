/** The few protobuf encodings that an ONNX file needs. @see https://protobuf.dev/programming-guides/encoding/ */
import { concatBytes, utf8 } from '../../core/bytes.ts';

const VARINT = 0;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  return Uint8Array.from([...bytes, rest]);
}

function tag(field: number, wire: number): Uint8Array {
  return varint(field * 8 + wire);
}

/** A non-negative safe integer. */
export function integerField(field: number, value: number): Uint8Array {
  return concatBytes(tag(field, VARINT), varint(value));
}

/** A signed 64-bit integer; negative ones take ten bytes. */
export function signedField(field: number, value: number): Uint8Array {
  if (value >= 0) return integerField(field, value);
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return concatBytes(tag(field, VARINT), Uint8Array.from([...bytes, Number(rest)]));
}

export function floatField(field: number, value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value, true);
  return concatBytes(tag(field, FIXED32), bytes);
}

/** A nested message or byte string. */
export function bytesField(field: number, ...content: readonly Uint8Array[]): Uint8Array {
  const length = content.reduce((sum, part) => sum + part.length, 0);
  return concatBytes(tag(field, LENGTH_DELIMITED), varint(length), ...content);
}

export function textField(field: number, text: string): Uint8Array {
  return bytesField(field, utf8(text));
}
