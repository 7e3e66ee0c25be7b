/** Dropout: in training, zeroes a share of the values and scales the rest up; nothing at inference. */
import type { Rng } from '../rng.ts';
import type { DropoutSpec } from '../spec.ts';
import { nothing, reuse, type Tensor } from '../tensor.ts';
import type { Layer, Mode } from './layer.ts';

export class Dropout implements Layer {
  readonly parameters = [];
  readonly statistics = [];
  readonly #share: number;
  readonly #rng: Rng;
  /** Factor of each value in the last training batch. */
  #factors = nothing;
  #output = nothing;
  #inputGradient = nothing;

  constructor({ share }: DropoutSpec, rng: Rng) {
    this.#share = share;
    this.#rng = rng;
  }

  forward(input: Tensor, mode: Mode): Tensor {
    if (mode === 'infer') return input;
    const { data, shape } = input;
    const factors = reuse(this.#factors, data.length);
    const out = reuse(this.#output, data.length);
    const [limit, kept] = [this.#share * 0x100000000, 1 / (1 - this.#share)];
    for (let at = 0; at < data.length; at += 1) {
      factors[at] = kept * Number(this.#rng.next() >= limit);
      out[at] = data[at] * factors[at];
    }
    this.#factors = factors;
    this.#output = out;
    return { data: out, shape };
  }

  backward(gradient: Tensor): Tensor {
    const { data, shape } = gradient;
    const result = reuse(this.#inputGradient, data.length);
    for (let at = 0; at < data.length; at += 1) result[at] = data[at] * this.#factors[at];
    this.#inputGradient = result;
    return { data: result, shape };
  }
}
