/** The smallest ONNX model: versions, imports, and a graph that is still empty. */
import { utf8 } from '../../core/bytes.ts';
import { toInt64Halves, toLengthVarint, toTag, toVarint } from './varint.ts';
import { WIRE } from './wire.ts';

export interface EmptyOnnx {
  readonly irVersion: number;
  readonly graphName: string;
  /** Version by domain; "" is the default domain. */
  readonly opsets: Readonly<Record<string, number>>;
}

/** Bytes of a ModelProto. @see https://github.com/onnx/onnx/blob/v1.21.0/docs/IR.md#models */
export function toEmptyOnnx({ irVersion, graphName, opsets }: EmptyOnnx): Uint8Array {
  const imports = Object.entries(opsets).map(([domain, version]) =>
    toBytesField(8, [toBytesField(1, [utf8(domain)]), toIntField(2, version)]),
  );
  return new Uint8Array(
    Buffer.concat([toIntField(1, irVersion), toBytesField(7, [toBytesField(2, [utf8(graphName)])]), ...imports]),
  );
}

function toIntField(number: number, value: number): Uint8Array {
  const { low, high } = toInt64Halves(BigInt(value));
  return Buffer.concat([toTag(number, WIRE.varint), toVarint(low, high)]);
}

function toBytesField(number: number, parts: readonly Uint8Array[]): Uint8Array {
  const content = Buffer.concat(parts);
  return Buffer.concat([toTag(number, WIRE.bytes), toLengthVarint(content.length), content]);
}
