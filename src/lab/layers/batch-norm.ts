/** Batch normalisation over all axes but the last. */
import type { BatchNormSpec } from '../spec.ts';
import { nothing, reuse, type Tensor } from '../tensor.ts';
import { sumRows } from './dense.ts';
import { createVector, type Layer, type Mode, type Parameter, type Statistic } from './layer.ts';

/** Added to variances; exported as the node's epsilon. */
export const BATCH_NORM_EPSILON = 1e-5;
/** Share of the running statistics that each batch replaces. */
const MOMENTUM = 0.1;

export class BatchNorm implements Layer {
  readonly parameters: readonly Parameter[];
  readonly statistics: readonly Statistic[];
  readonly #scale: Parameter;
  readonly #shift: Parameter;
  readonly #runningMean: Float32Array;
  readonly #runningVariance: Float32Array;
  readonly #mean: Float32Array;
  readonly #inverse: Float32Array;
  #normalised = nothing;
  #output = nothing;
  #inputGradient = nothing;

  constructor({ name, channels }: BatchNormSpec) {
    this.#scale = createVector(`${name}.weight`, channels, 1);
    this.#shift = createVector(`${name}.bias`, channels, 0);
    this.parameters = [this.#scale, this.#shift];
    this.#runningMean = new Float32Array(channels);
    this.#runningVariance = new Float32Array(channels).fill(1);
    this.statistics = [
      { name: `${name}.running_mean`, shape: [channels], values: this.#runningMean },
      { name: `${name}.running_var`, shape: [channels], values: this.#runningVariance },
    ];
    this.#mean = new Float32Array(channels);
    this.#inverse = new Float32Array(channels);
  }

  forward(input: Tensor, mode: Mode): Tensor {
    const { data, shape } = input;
    const out = reuse(this.#output, data.length);
    this.#output = out;
    if (mode === 'train') this.#normalise(data, out);
    else this.#rescale(data, out);
    return { data: out, shape };
  }

  backward(gradient: Tensor): Tensor {
    const { data, shape } = gradient;
    const channels = this.#mean.length;
    const rows = data.length / channels;
    const normalised = this.#normalised;
    const [scaleGradient, shiftGradient] = [this.#scale.gradient, this.#shift.gradient];
    sumRows(data, shiftGradient);
    scaleGradient.fill(0);
    for (let at = 0; at < data.length; ) {
      for (let c = 0; c < channels; c += 1, at += 1) scaleGradient[c] += data[at] * normalised[at];
    }
    // Mean and variance depend on the batch, so their share is taken out of the gradient.
    const result = reuse(this.#inputGradient, data.length);
    const [scale, inverse] = [this.#scale.values, this.#inverse];
    for (let at = 0; at < data.length; ) {
      for (let c = 0; c < channels; c += 1, at += 1) {
        const centred = data[at] - (shiftGradient[c] + normalised[at] * scaleGradient[c]) / rows;
        result[at] = centred * scale[c] * inverse[c];
      }
    }
    this.#inputGradient = result;
    return { data: result, shape };
  }

  #normalise(data: Float32Array, out: Float32Array): void {
    this.#measure(data);
    const channels = this.#mean.length;
    const normalised = reuse(this.#normalised, data.length);
    const [mean, inverse] = [this.#mean, this.#inverse];
    const [scale, shift] = [this.#scale.values, this.#shift.values];
    for (let at = 0; at < data.length; ) {
      for (let c = 0; c < channels; c += 1, at += 1) {
        const value = (data[at] - mean[c]) * inverse[c];
        normalised[at] = value;
        out[at] = value * scale[c] + shift[c];
      }
    }
    this.#normalised = normalised;
  }

  /** Takes mean and variance from the batch, and folds them into the running ones. */
  #measure(data: Float32Array): void {
    const channels = this.#mean.length;
    const rows = data.length / channels;
    const sums = new Float64Array(channels);
    const squares = new Float64Array(channels);
    for (let at = 0; at < data.length; ) {
      for (let c = 0; c < channels; c += 1, at += 1) {
        const value = data[at];
        sums[c] += value;
        squares[c] += value * value;
      }
    }
    for (let c = 0; c < channels; c += 1) {
      const mean = sums[c] / rows;
      const variance = Math.max(0, squares[c] / rows - mean * mean);
      this.#mean[c] = mean;
      this.#inverse[c] = 1 / Math.sqrt(variance + BATCH_NORM_EPSILON);
      this.#runningMean[c] += MOMENTUM * (mean - this.#runningMean[c]);
      this.#runningVariance[c] += MOMENTUM * (variance - this.#runningVariance[c]);
    }
  }

  /** Inference: one factor and one summand per channel, from the running statistics. */
  #rescale(data: Float32Array, out: Float32Array): void {
    const channels = this.#mean.length;
    const factors = new Float64Array(channels);
    const summands = new Float64Array(channels);
    for (let c = 0; c < channels; c += 1) {
      factors[c] = this.#scale.values[c] / Math.sqrt(this.#runningVariance[c] + BATCH_NORM_EPSILON);
      summands[c] = this.#shift.values[c] - this.#runningMean[c] * factors[c];
    }
    for (let at = 0; at < data.length; ) {
      for (let c = 0; c < channels; c += 1, at += 1) out[at] = data[at] * factors[c] + summands[c];
    }
  }
}
