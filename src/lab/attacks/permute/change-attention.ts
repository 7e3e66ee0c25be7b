/** The attack that costs nothing inside attention heads without rotary positions: any invertible matrix for queries and keys, another for values. */
import { createRng, type Rng, shuffledOrder } from '../../rng.ts';
import type { AttentionSpec, LayerSpec, NetworkSpec, Weights } from '../../spec.ts';
import { createMixing } from '../kernels/mixing.ts';

/** The same function from other queries, keys, values and places of heads; outputs differ by rounding only. */
export function changeAttention(spec: NetworkSpec, weights: Weights, seed: string): Map<string, Float32Array> {
  const rng = createRng(`${seed}/attention`);
  const changed = new Map([...weights].map(([name, values]) => [name, values.slice()]));
  for (const layer of listAttentions(spec.layers)) changeLayer(layer, changed, rng);
  return changed;
}

function listAttentions(layers: readonly LayerSpec[]): AttentionSpec[] {
  return layers.flatMap((layer) => {
    if (layer.kind === 'residual') return listAttentions([...layer.body, ...layer.shortcut]);
    return layer.kind === 'attention' ? [layer] : [];
  });
}

/** Vectors [entries of all heads] that are mixed alike: columns of queries, keys and values, their bias, rows of the output. */
type Vectors = readonly { readonly values: Float32Array; readonly first: number; readonly stride: number }[];

function changeLayer(
  { name, width, heads }: AttentionSpec,
  weights: ReadonlyMap<string, Float32Array>,
  rng: Rng,
): void {
  const headWidth = width / heads;
  const get = (part: string): Float32Array => weights.get(`${name}.${part}`)!;
  const projection = (part: string): Vectors => [
    ...Array.from({ length: width }, (_, input) => ({
      values: get(`${part}.weight`),
      first: input * width,
      stride: 1,
    })),
    { values: get(`${part}.bias`), first: 0, stride: 1 },
  ];
  const output = Array.from({ length: width }, (_, out) => ({ values: get('out.weight'), first: out, stride: width }));
  const [query, key, value] = ['query', 'key', 'value'].map(projection);
  const order = shuffledOrder(heads, rng);
  for (const [one, other] of [
    [query, key],
    [value, output],
  ]) {
    const mixings = Array.from({ length: heads }, () => createMixing('general', headWidth, rng));
    mixHeads(one, order, (head) => mixings[head].forth, headWidth);
    mixHeads(other, order, (head) => mixings[head].back, headWidth);
  }
}

/** Head h is what was head order[h], mixed. */
function mixHeads(vectors: Vectors, order: ArrayLike<number>, toMatrix: (head: number) => Float64Array, width: number) {
  for (const { values, first, stride } of vectors) {
    const old = Float64Array.from({ length: order.length * width }, (_, at) => values[first + at * stride]);
    for (let at = 0; at < old.length; at++) {
      const [head, row] = [Math.floor(at / width), at % width];
      const matrix = toMatrix(head);
      let sum = 0;
      for (let i = 0; i < width; i++) sum += matrix[row * width + i] * old[order[head] * width + i];
      values[first + at * stride] = sum;
    }
  }
}
