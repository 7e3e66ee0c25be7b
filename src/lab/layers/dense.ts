/** Fully connected layer on the last axis, in both weight layouts that exported graphs use. */
import { multiply } from '../kernel/multiply.ts';
import type { Rng } from '../rng.ts';
import type { DenseSpec } from '../spec.ts';
import { nothing, reuse, type Tensor } from '../tensor.ts';
import { createVector, createWeight, type Layer, type Parameter } from './layer.ts';

export class Dense implements Layer {
  readonly parameters: readonly Parameter[];
  readonly statistics = [];
  readonly #spec: DenseSpec;
  readonly #weight: Parameter;
  readonly #bias: Parameter;
  #input: Tensor = { data: nothing, shape: [0] };
  #output = nothing;
  #inputGradient = nothing;

  constructor(spec: DenseSpec, rng: Rng) {
    this.#spec = spec;
    const shape = spec.layout === 'outIn' ? [spec.outputs, spec.inputs] : [spec.inputs, spec.outputs];
    const gain = spec.layout === 'outIn' ? 2 : 1;
    this.#weight = createWeight(`${spec.name}.weight`, shape, { fanIn: spec.inputs, gain, rng });
    this.#bias = createVector(`${spec.name}.bias`, spec.outputs, 0);
    this.parameters = [this.#weight, this.#bias];
  }

  forward(input: Tensor): Tensor {
    const { inputs, outputs, layout } = this.#spec;
    const rows = input.data.length / inputs;
    this.#input = input;
    this.#output = reuse(this.#output, rows * outputs);
    const out = this.#output;
    multiply({
      ...{ a: input.data, b: this.#weight.values, bTransposed: layout === 'outIn', out },
      ...{ m: rows, n: outputs, k: inputs },
    });
    const bias = this.#bias.values;
    for (let at = 0; at < out.length; ) for (let j = 0; j < outputs; j += 1, at += 1) out[at] += bias[j];
    return { data: out, shape: [...input.shape.slice(0, -1), outputs] };
  }

  backward(gradient: Tensor): Tensor {
    const { inputs, outputs, layout } = this.#spec;
    const { data: input, shape } = this.#input;
    const rows = input.length / inputs;
    const up = gradient.data;
    sumRows(up, this.#bias.gradient);
    const weight = this.#weight;
    if (layout === 'outIn') {
      multiply({ a: up, aTransposed: true, b: input, out: weight.gradient, m: outputs, n: inputs, k: rows });
    } else {
      multiply({ a: input, aTransposed: true, b: up, out: weight.gradient, m: inputs, n: outputs, k: rows });
    }
    this.#inputGradient = reuse(this.#inputGradient, rows * inputs);
    multiply({
      ...{ a: up, b: weight.values, bTransposed: layout === 'inOut', out: this.#inputGradient },
      ...{ m: rows, n: inputs, k: outputs },
    });
    return { data: this.#inputGradient, shape };
  }
}

/** Column sums of [rows, sums.length]. */
export function sumRows(data: Float32Array, sums: Float32Array): void {
  sums.fill(0);
  const width = sums.length;
  for (let at = 0; at < data.length; ) for (let j = 0; j < width; j += 1, at += 1) sums[j] += data[at];
}
