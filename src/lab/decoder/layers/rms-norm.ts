/** Root-mean-square normalisation over the last axis (Zhang and Sennrich 2019). */
import { createVector, type Parameter } from '../../layers/layer.ts';
import { nothing, reuse } from '../../tensor.ts';
import { RMS_EPSILON } from '../spec.ts';

export class RmsNorm {
  readonly parameters: readonly Parameter[];
  readonly #scale: Parameter;
  #normalised = nothing;
  #inverse = nothing;
  #output = nothing;
  #inputGradient = nothing;

  constructor(name: string, width: number) {
    this.#scale = createVector(`${name}.weight`, width, 1);
    this.parameters = [this.#scale];
  }

  forward(input: Float32Array): Float32Array {
    const scale = this.#scale.values;
    const width = scale.length;
    const normalised = reuse(this.#normalised, input.length);
    const inverse = reuse(this.#inverse, input.length / width);
    const out = reuse(this.#output, input.length);
    for (let row = 0; row < inverse.length; row += 1) {
      const base = row * width;
      let squares = 0;
      for (let j = 0; j < width; j += 1) squares += input[base + j] * input[base + j];
      const factor = 1 / Math.sqrt(squares / width + RMS_EPSILON);
      inverse[row] = factor;
      for (let j = 0; j < width; j += 1) {
        normalised[base + j] = input[base + j] * factor;
        out[base + j] = normalised[base + j] * scale[j];
      }
    }
    [this.#normalised, this.#inverse, this.#output] = [normalised, inverse, out];
    return out;
  }

  backward(gradient: Float32Array): Float32Array {
    const scale = this.#scale.values;
    const sums = this.#scale.gradient;
    const width = scale.length;
    const [normalised, inverse] = [this.#normalised, this.#inverse];
    const result = reuse(this.#inputGradient, gradient.length);
    sums.fill(0);
    for (let row = 0; row < inverse.length; row += 1) {
      const base = row * width;
      let weighted = 0;
      for (let j = 0; j < width; j += 1) {
        sums[j] += gradient[base + j] * normalised[base + j];
        weighted += gradient[base + j] * scale[j] * normalised[base + j];
      }
      for (let j = 0; j < width; j += 1) {
        const up = gradient[base + j] * scale[j];
        result[base + j] = inverse[row] * (up - (normalised[base + j] * weighted) / width);
      }
    }
    this.#inputGradient = result;
    return result;
  }
}
