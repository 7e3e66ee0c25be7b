/** Symmetric integer quantisation of weights, decoded back to float: what a quantised copy computes with. */
import type { NetworkSpec, Weights } from '../spec.ts';
import { changeMatrices, type Matrix } from './matrices.ts';

export interface QuantizeOptions {
  readonly bits: 8 | 4;
  /** One scale per tensor, or one per output channel (the first axis; the last for [in, out] matrices). */
  readonly granularity: 'tensor' | 'channel';
}

/** Rounds every weight to scale · q with |q| <= 2^(bits - 1) - 1 and scale = max |w| / that. */
export function quantize(spec: NetworkSpec, weights: Weights, options: QuantizeOptions): Map<string, Float32Array> {
  const transposed = new Set(listInOut(spec.layers));
  return changeMatrices(spec, weights, (matrix) => {
    const channelOf = toChannelOf(matrix, options, transposed.has(matrix.name));
    const top = 2 ** (options.bits - 1) - 1;
    const largest: number[] = [];
    for (const [index, value] of matrix.values.entries()) {
      const channel = channelOf(index);
      largest[channel] = Math.max(largest[channel] ?? 0, Math.abs(value));
    }
    return matrix.values.map((value, index) => {
      const scale = largest[channelOf(index)] / top;
      return scale === 0 ? 0 : scale * Math.round(value / scale);
    });
  });
}

function toChannelOf({ shape, values }: Matrix, options: QuantizeOptions, isInOut: boolean): (index: number) => number {
  if (options.granularity === 'tensor') return () => 0;
  const perChannel = values.length / shape[0];
  return isInOut ? (index) => index % shape[1] : (index) => Math.floor(index / perChannel);
}

/** Names of the matrices stored [in, out]. */
function listInOut(layers: NetworkSpec['layers']): string[] {
  return layers.flatMap((layer) => {
    if (layer.kind === 'residual') return listInOut([...layer.body, ...layer.shortcut]);
    if (layer.kind === 'dense' && layer.layout === 'inOut') return [`${layer.name}.weight`];
    if (layer.kind !== 'attention') return [];
    return ['query', 'key', 'value', 'out'].map((part) => `${layer.name}.${part}.weight`);
  });
}
