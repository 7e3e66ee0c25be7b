/** Layer normalisation over the last axis. */
import type { LayerNormSpec } from '../spec.ts';
import { nothing, reuse, type Tensor } from '../tensor.ts';
import { sumRows } from './dense.ts';
import { createVector, type Layer, type Parameter } from './layer.ts';

/** Added to variances; exported as the node's epsilon. */
export const LAYER_NORM_EPSILON = 1e-5;

export class LayerNorm implements Layer {
  readonly parameters: readonly Parameter[];
  readonly statistics = [];
  readonly #scale: Parameter;
  readonly #shift: Parameter;
  #normalised = nothing;
  #inverse = nothing;
  #output = nothing;
  #inputGradient = nothing;

  constructor({ name, width }: LayerNormSpec) {
    this.#scale = createVector(`${name}.weight`, width, 1);
    this.#shift = createVector(`${name}.bias`, width, 0);
    this.parameters = [this.#scale, this.#shift];
  }

  forward(input: Tensor): Tensor {
    const { data, shape } = input;
    const width = this.#scale.values.length;
    const [scale, shift] = [this.#scale.values, this.#shift.values];
    const normalised = reuse(this.#normalised, data.length);
    const inverse = reuse(this.#inverse, data.length / width);
    const out = reuse(this.#output, data.length);
    for (let row = 0; row < inverse.length; row += 1) {
      const base = row * width;
      let mean = 0;
      for (let j = 0; j < width; j += 1) mean += data[base + j];
      mean /= width;
      let variance = 0;
      for (let j = 0; j < width; j += 1) variance += (data[base + j] - mean) ** 2;
      const factor = 1 / Math.sqrt(variance / width + LAYER_NORM_EPSILON);
      inverse[row] = factor;
      for (let j = 0; j < width; j += 1) {
        const value = (data[base + j] - mean) * factor;
        normalised[base + j] = value;
        out[base + j] = value * scale[j] + shift[j];
      }
    }
    this.#normalised = normalised;
    this.#inverse = inverse;
    this.#output = out;
    return { data: out, shape };
  }

  backward(gradient: Tensor): Tensor {
    const { data, shape } = gradient;
    const scale = this.#scale.values;
    const width = scale.length;
    const [normalised, inverse] = [this.#normalised, this.#inverse];
    this.#sumParameters(data);
    const result = reuse(this.#inputGradient, data.length);
    for (let row = 0; row < inverse.length; row += 1) {
      const base = row * width;
      let sum = 0;
      let weighted = 0;
      for (let j = 0; j < width; j += 1) {
        const up = data[base + j] * scale[j];
        sum += up;
        weighted += up * normalised[base + j];
      }
      for (let j = 0; j < width; j += 1) {
        const up = data[base + j] * scale[j];
        result[base + j] = inverse[row] * (up - (sum + normalised[base + j] * weighted) / width);
      }
    }
    this.#inputGradient = result;
    return { data: result, shape };
  }

  #sumParameters(data: Float32Array): void {
    sumRows(data, this.#shift.gradient);
    const sums = this.#scale.gradient;
    sums.fill(0);
    for (let at = 0; at < data.length; ) {
      for (let j = 0; j < sums.length; j += 1, at += 1) sums[j] += data[at] * this.#normalised[at];
    }
  }
}
