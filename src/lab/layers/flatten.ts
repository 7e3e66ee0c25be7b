/** [batch, height, width, channels] to [batch, channels · height · width]: the order in which ONNX flattens. */
import { nothing, reuse, type Tensor } from '../tensor.ts';
import type { Layer } from './layer.ts';

export class Flatten implements Layer {
  readonly parameters = [];
  readonly statistics = [];
  #shape: readonly number[] = [];
  #output = nothing;
  #inputGradient = nothing;

  forward(input: Tensor): Tensor {
    this.#shape = input.shape;
    const [batch = 0, height = 0, width = 0, channels = 0] = input.shape;
    const pixels = height * width;
    const shape = [batch, pixels * channels];
    if (channels === 1) return { data: input.data, shape };
    const out = reuse(this.#output, input.data.length);
    this.#output = out;
    moveChannels(input.data, out, { batch, rows: pixels, columns: channels });
    return { data: out, shape };
  }

  backward(gradient: Tensor): Tensor {
    const [batch = 0, height = 0, width = 0, channels = 0] = this.#shape;
    if (channels === 1) return { data: gradient.data, shape: this.#shape };
    const out = reuse(this.#inputGradient, gradient.data.length);
    this.#inputGradient = out;
    moveChannels(gradient.data, out, { batch, rows: channels, columns: height * width });
    return { data: out, shape: this.#shape };
  }
}

/** Transposes each [rows, columns] block. */
function moveChannels(
  from: Float32Array,
  to: Float32Array,
  size: { batch: number; rows: number; columns: number },
): void {
  const { batch, rows, columns } = size;
  for (let block = 0; block < batch; block += 1) {
    const base = block * rows * columns;
    for (let i = 0; i < rows; i += 1) {
      for (let j = 0; j < columns; j += 1) to[base + j * rows + i] = from[base + i * columns + j]!;
    }
  }
}
