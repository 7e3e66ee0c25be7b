/** A matrix [out, in] without bias on the last axis. */
import { multiply } from '../../kernel/multiply.ts';
import { createWeight, type Parameter } from '../../layers/layer.ts';
import type { Rng } from '../../rng.ts';
import { nothing, reuse } from '../../tensor.ts';

export class Linear {
  readonly parameters: readonly Parameter[];
  readonly #weight: Parameter;
  readonly #inputs: number;
  readonly #outputs: number;
  #input = nothing;
  #output = nothing;
  #inputGradient = nothing;

  constructor(name: string, [outputs, inputs]: readonly [number, number], rng: Rng) {
    [this.#outputs, this.#inputs] = [outputs, inputs];
    this.#weight = createWeight(`${name}.weight`, [outputs, inputs], { fanIn: inputs, gain: 1, rng });
    this.parameters = [this.#weight];
  }

  /** [rows, in] to [rows, out]; the result is overwritten by the next call. */
  forward(input: Float32Array): Float32Array {
    const [n, k] = [this.#outputs, this.#inputs];
    const m = input.length / k;
    this.#input = input;
    this.#output = reuse(this.#output, m * n);
    multiply({ a: input, b: this.#weight.values, bTransposed: true, out: this.#output, m, n, k });
    return this.#output;
  }

  backward(gradient: Float32Array): Float32Array {
    const [n, k] = [this.#outputs, this.#inputs];
    const m = gradient.length / n;
    multiply({ a: gradient, aTransposed: true, b: this.#input, out: this.#weight.gradient, m: n, n: k, k: m });
    this.#inputGradient = reuse(this.#inputGradient, m * k);
    multiply({ a: gradient, b: this.#weight.values, out: this.#inputGradient, m, n: k, k: n });
    return this.#inputGradient;
  }
}
