/** Writes all tensors of a network's graph, constants included, as a safetensors file. */
import { concatBytes, utf8 } from '../../core/bytes.ts';
import type { NetworkSpec, Weights } from '../spec.ts';
import type { Initializer } from './graph.ts';
import { toExportGraph } from './layers.ts';
import { toBytes } from './onnx.ts';

/**
 * The bytes of a .safetensors file with the same tensors as the ONNX file.
 * @see https://github.com/huggingface/safetensors#format
 */
export function toSafetensors(spec: NetworkSpec, weights: Weights): Uint8Array {
  return encodeSafetensors(toExportGraph(spec, weights).initializers);
}

/** Tensors as the bytes of a .safetensors file. */
export function encodeSafetensors(initializers: readonly Initializer[]): Uint8Array {
  const tensors = [...initializers];
  // Eight-byte elements first keep every tensor aligned.
  tensors.sort((a, b) => b.values.BYTES_PER_ELEMENT - a.values.BYTES_PER_ELEMENT);
  const entries: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  let offset = 0;
  for (const { name, shape, values } of tensors) {
    const end = offset + values.byteLength;
    entries[name] = { dtype: values instanceof Float32Array ? 'F32' : 'I64', shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = JSON.stringify(entries);
  const header = utf8(json.padEnd(Math.ceil(json.length / 8) * 8));
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(header.length), true);
  return concatBytes(length, header, ...tensors.map(toBytes));
}
