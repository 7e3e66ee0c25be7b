/** Multi-head self-attention without mask. */
import { multiply } from '../kernel/multiply.ts';
import type { Rng } from '../rng.ts';
import type { AttentionSpec, DenseSpec } from '../spec.ts';
import { nothing, reuse, type Tensor } from '../tensor.ts';
import { Dense } from './dense.ts';
import type { Layer, Parameter } from './layer.ts';

/** The four projections of an attention layer, in the order of its parameters. */
export function toProjections({ name, width }: AttentionSpec): readonly DenseSpec[] {
  const project = (part: string): DenseSpec => {
    return { kind: 'dense', name: `${name}.${part}`, inputs: width, outputs: width, layout: 'inOut' };
  };
  return ['query', 'key', 'value', 'out'].map(project);
}

/** One head of one item, cut out of the packed projections: [tokens, headWidth]. */
interface Head {
  readonly query: Float32Array;
  readonly key: Float32Array;
  readonly value: Float32Array;
  /** Softmax of the scores, [tokens, tokens]. */
  readonly weights: Float32Array;
}

export class Attention implements Layer {
  readonly parameters: readonly Parameter[];
  readonly statistics = [];
  readonly #spec: AttentionSpec;
  readonly #query: Dense;
  readonly #key: Dense;
  readonly #value: Dense;
  readonly #out: Dense;
  #heads: Head[] = [];
  #mixed = nothing;
  #inputGradient = nothing;

  constructor(spec: AttentionSpec, rng: Rng) {
    this.#spec = spec;
    const [query, key, value, out] = toProjections(spec).map((projection) => new Dense(projection, rng));
    this.#query = query!;
    this.#key = key!;
    this.#value = value!;
    this.#out = out!;
    this.parameters = [query, key, value, out].flatMap((dense) => dense.parameters);
  }

  forward(input: Tensor): Tensor {
    const query = this.#query.forward(input).data;
    const key = this.#key.forward(input).data;
    const value = this.#value.forward(input).data;
    this.#mixed = reuse(this.#mixed, input.data.length);
    const count = (input.data.length / (this.#spec.tokens * this.#spec.width)) * this.#spec.heads;
    if (this.#heads.length !== count) this.#heads = Array.from({ length: count }, () => this.#createHead());
    const { tokens: t } = this.#spec;
    const width = this.#spec.width / this.#spec.heads;
    const mixed = new Float32Array(t * width);
    for (const [index, head] of this.#heads.entries()) {
      this.#takeHead(query, index, head.query);
      this.#takeHead(key, index, head.key);
      this.#takeHead(value, index, head.value);
      multiply({ a: head.query, b: head.key, bTransposed: true, out: head.weights, m: t, n: t, k: width });
      softmaxRows(head.weights, t, 1 / Math.sqrt(width));
      multiply({ a: head.weights, b: head.value, out: mixed, m: t, n: width, k: t });
      this.#putHead(mixed, index, this.#mixed);
    }
    return this.#out.forward({ data: this.#mixed, shape: input.shape });
  }

  backward(gradient: Tensor): Tensor {
    const up = this.#out.backward(gradient).data;
    const { tokens: t } = this.#spec;
    const width = this.#spec.width / this.#spec.heads;
    const [dQuery, dKey, dValue] = [0, 1, 2].map(() => new Float32Array(up.length)) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const [mixed, part] = [new Float32Array(t * width), new Float32Array(t * width)];
    const dWeights = new Float32Array(t * t);
    for (const [index, head] of this.#heads.entries()) {
      this.#takeHead(up, index, mixed);
      multiply({ a: head.weights, aTransposed: true, b: mixed, out: part, m: t, n: width, k: t });
      this.#putHead(part, index, dValue);
      multiply({ a: mixed, b: head.value, bTransposed: true, out: dWeights, m: t, n: t, k: width });
      softmaxGradient(dWeights, head.weights, t, 1 / Math.sqrt(width));
      multiply({ a: dWeights, b: head.key, out: part, m: t, n: width, k: t });
      this.#putHead(part, index, dQuery);
      multiply({ a: dWeights, aTransposed: true, b: head.query, out: part, m: t, n: width, k: t });
      this.#putHead(part, index, dKey);
    }
    const { shape } = gradient;
    const paths = [this.#query.backward({ data: dQuery, shape }), this.#key.backward({ data: dKey, shape })];
    paths.push(this.#value.backward({ data: dValue, shape }));
    this.#inputGradient = reuse(this.#inputGradient, up.length);
    const [q, k, v] = paths.map((path) => path.data) as [Float32Array, Float32Array, Float32Array];
    for (let at = 0; at < up.length; at += 1) this.#inputGradient[at] = q[at] + k[at] + v[at];
    return { data: this.#inputGradient, shape };
  }

  #createHead(): Head {
    const { tokens, width, heads } = this.#spec;
    const part = (): Float32Array => new Float32Array((tokens * width) / heads);
    return { query: part(), key: part(), value: part(), weights: new Float32Array(tokens * tokens) };
  }

  #takeHead(packed: Float32Array, index: number, head: Float32Array): void {
    this.#eachElement(index, (headAt, packedAt) => (head[headAt] = packed[packedAt]!));
  }

  #putHead(head: Float32Array, index: number, packed: Float32Array): void {
    this.#eachElement(index, (headAt, packedAt) => (packed[packedAt] = head[headAt]!));
  }

  #eachElement(index: number, visit: (headAt: number, packedAt: number) => void): void {
    const { tokens, width, heads } = this.#spec;
    const headWidth = width / heads;
    const item = Math.floor(index / heads);
    const from = (index % heads) * headWidth;
    for (let token = 0; token < tokens; token += 1) {
      const packedAt = (item * tokens + token) * width + from;
      for (let j = 0; j < headWidth; j += 1) visit(token * headWidth + j, packedAt + j);
    }
  }
}

/** Softmax of scale · scores along each row, in place. */
export function softmaxRows(scores: Float32Array, columns: number, scale: number): void {
  for (let base = 0; base < scores.length; base += columns) {
    let top = -Infinity;
    for (let j = 0; j < columns; j += 1) top = Math.max(top, scores[base + j]);
    let sum = 0;
    for (let j = 0; j < columns; j += 1) {
      const value = Math.exp(scale * (scores[base + j] - top));
      scores[base + j] = value;
      sum += value;
    }
    for (let j = 0; j < columns; j += 1) scores[base + j] /= sum;
  }
}

/** Turns the gradient of softmax outputs into that of the unscaled scores, in place. */
function softmaxGradient(gradient: Float32Array, weights: Float32Array, columns: number, scale: number): void {
  for (let base = 0; base < gradient.length; base += columns) {
    let dot = 0;
    for (let j = 0; j < columns; j += 1) dot += gradient[base + j] * weights[base + j];
    for (let j = 0; j < columns; j += 1) gradient[base + j] = scale * weights[base + j] * (gradient[base + j] - dot);
  }
}
