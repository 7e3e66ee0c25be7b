/** Two-dimensional convolution with stride, padding and groups, as one matrix product per group. */
import { multiply } from '../kernel/multiply.ts';
import type { Rng } from '../rng.ts';
import type { ConvSpec } from '../spec.ts';
import { nothing, reuse, type Tensor } from '../tensor.ts';
import { sumRows } from './dense.ts';
import { addRowsToImage, imageToRows, planRuns, type Windows } from './im2col.ts';
import { createVector, createWeight, type Layer, type Parameter } from './layer.ts';

/** Buffers of one group: image rows, the kernel as [kernel² · in, out], and this group's slice of the output. */
interface GroupBuffers {
  rows: Float32Array;
  matrix: Float32Array;
  slice: Float32Array;
}

export class Conv implements Layer {
  readonly parameters: readonly Parameter[];
  readonly statistics = [];
  readonly #spec: ConvSpec;
  readonly #weight: Parameter;
  readonly #bias: Parameter | undefined;
  readonly #groups: readonly GroupBuffers[];
  #inputShape: readonly number[] = [];
  #output = nothing;
  #inputGradient = nothing;
  #rowGradient = nothing;
  #matrixGradient = nothing;

  constructor(spec: ConvSpec, rng: Rng) {
    this.#spec = spec;
    const perGroup = spec.inputs / spec.groups;
    const shape = [spec.outputs, perGroup, spec.kernel, spec.kernel];
    const fanIn = perGroup * spec.kernel * spec.kernel;
    this.#weight = createWeight(`${spec.name}.weight`, shape, { fanIn, gain: 2, rng });
    this.#bias = spec.hasBias ? createVector(`${spec.name}.bias`, spec.outputs, 0) : undefined;
    this.parameters = this.#bias === undefined ? [this.#weight] : [this.#weight, this.#bias];
    const buffers = (): GroupBuffers => ({ rows: nothing, matrix: nothing, slice: nothing });
    this.#groups = Array.from({ length: spec.groups }, buffers);
  }

  forward(input: Tensor): Tensor {
    this.#inputShape = input.shape;
    const { outputs, groups } = this.#spec;
    const first = this.#windows(0);
    const pixels = first.batch * first.outHeight * first.outWidth;
    this.#output = reuse(this.#output, pixels * outputs);
    const perGroup = outputs / groups;
    for (const [index, group] of this.#groups.entries()) {
      const windows = this.#windows(index);
      const depth = windows.kernel * windows.kernel * windows.channels;
      group.rows = reuse(group.rows, pixels * depth);
      group.matrix = reuse(group.matrix, depth * perGroup);
      group.slice = reuse(group.slice, pixels * perGroup);
      imageToRows(input.data, windows, planRuns(windows), group.rows);
      this.#eachWeight(index, (weightAt, matrixAt) => (group.matrix[matrixAt] = this.#weight.values[weightAt]!));
      multiply({ a: group.rows, b: group.matrix, out: group.slice, m: pixels, n: perGroup, k: depth });
      copyColumns(group.slice, perGroup, this.#output, { width: outputs, from: index * perGroup });
    }
    this.#addBias();
    return { data: this.#output, shape: [first.batch, first.outHeight, first.outWidth, outputs] };
  }

  backward(gradient: Tensor): Tensor {
    const { outputs, groups } = this.#spec;
    const perGroup = outputs / groups;
    if (this.#bias !== undefined) sumRows(gradient.data, this.#bias.gradient);
    this.#inputGradient = reuse(
      this.#inputGradient,
      this.#inputShape.reduce((product, size) => product * size, 1),
    );
    this.#inputGradient.fill(0);
    for (const [index, group] of this.#groups.entries()) {
      const windows = this.#windows(index);
      const depth = windows.kernel * windows.kernel * windows.channels;
      const pixels = gradient.data.length / outputs;
      takeColumns(gradient.data, { width: outputs, from: index * perGroup }, group.slice, perGroup);
      this.#matrixGradient = reuse(this.#matrixGradient, depth * perGroup);
      const matrixGradient = this.#matrixGradient;
      multiply({
        ...{ a: group.rows, aTransposed: true, b: group.slice, out: matrixGradient },
        ...{ m: depth, n: perGroup, k: pixels },
      });
      this.#eachWeight(index, (weightAt, matrixAt) => (this.#weight.gradient[weightAt] = matrixGradient[matrixAt]!));
      this.#rowGradient = reuse(this.#rowGradient, pixels * depth);
      const out = this.#rowGradient;
      multiply({ a: group.slice, b: group.matrix, bTransposed: true, out, m: pixels, n: depth, k: perGroup });
      addRowsToImage(out, windows, planRuns(windows), this.#inputGradient);
    }
    return { data: this.#inputGradient, shape: this.#inputShape };
  }

  #windows(group: number): Windows {
    const [batch = 0, height = 0, width = 0, channelsTotal = 0] = this.#inputShape;
    const { inputs, groups, kernel, stride, padding } = this.#spec;
    const channels = inputs / groups;
    return {
      ...{ batch, height, width, channelsTotal, channelFrom: group * channels, channels, kernel, stride, padding },
      outHeight: Math.floor((height + 2 * padding - kernel) / stride) + 1,
      outWidth: Math.floor((width + 2 * padding - kernel) / stride) + 1,
    };
  }

  /** Pairs offsets in weight[out, in, ky, kx] with those in the group's matrix [(ky, kx, in), out]. */
  #eachWeight(group: number, visit: (weightAt: number, matrixAt: number) => void): void {
    const { inputs, outputs, groups, kernel } = this.#spec;
    const channels = inputs / groups;
    const perGroup = outputs / groups;
    const places = kernel * kernel;
    let weightAt = group * perGroup * channels * places;
    for (let out = 0; out < perGroup; out += 1) {
      for (let channel = 0; channel < channels; channel += 1) {
        for (let place = 0; place < places; place += 1, weightAt += 1) {
          visit(weightAt, (place * channels + channel) * perGroup + out);
        }
      }
    }
  }

  #addBias(): void {
    const bias = this.#bias?.values;
    if (bias === undefined) return;
    const out = this.#output;
    for (let at = 0; at < out.length; ) for (let j = 0; j < bias.length; j += 1, at += 1) out[at] += bias[j];
  }
}

interface Columns {
  readonly width: number;
  readonly from: number;
}

function copyColumns(source: Float32Array, count: number, target: Float32Array, columns: Columns): void {
  if (count === columns.width) target.set(source);
  else {
    for (let at = 0, to = columns.from; at < source.length; at += count, to += columns.width) {
      for (let j = 0; j < count; j += 1) target[to + j] = source[at + j]!;
    }
  }
}

function takeColumns(source: Float32Array, columns: Columns, target: Float32Array, count: number): void {
  for (let at = 0, from = columns.from; at < target.length; at += count, from += columns.width) {
    for (let j = 0; j < count; j += 1) target[at + j] = source[from + j]!;
  }
}
