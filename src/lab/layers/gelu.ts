/** GELU in its exact form, x · Φ(x). */
import { nothing, reuse, type Tensor } from '../tensor.ts';
import type { Layer } from './layer.ts';

/**
 * The error function within 1.5e-7; `bell` is exp(-x²), for callers that have it already.
 * @see Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26
 */
export function erf(x: number, bell = Math.exp(-x * x)): number {
  const size = Math.abs(x);
  const t = 1 / (1 + 0.3275911 * size);
  const series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return Math.sign(x) * (1 - series * bell);
}

export class Gelu implements Layer {
  readonly parameters = [];
  readonly statistics = [];
  #slope = nothing;
  #output = nothing;
  #inputGradient = nothing;

  /** Keeps the slope, Φ(x) + x · φ(x), because both need the same costly exponential. */
  forward(input: Tensor): Tensor {
    const { data, shape } = input;
    const out = reuse(this.#output, data.length);
    const slope = reuse(this.#slope, data.length);
    const density = 1 / Math.sqrt(2 * Math.PI);
    for (let at = 0; at < data.length; at += 1) {
      const x = data[at];
      const bell = Math.exp(-0.5 * x * x);
      const share = 0.5 * (1 + erf(x * Math.SQRT1_2, bell));
      out[at] = x * share;
      slope[at] = share + x * density * bell;
    }
    this.#slope = slope;
    this.#output = out;
    return { data: out, shape };
  }

  backward(gradient: Tensor): Tensor {
    const { data, shape } = gradient;
    const slope = this.#slope;
    const result = reuse(this.#inputGradient, data.length);
    for (let at = 0; at < data.length; at += 1) result[at] = data[at] * slope[at];
    this.#inputGradient = result;
    return { data: result, shape };
  }
}
