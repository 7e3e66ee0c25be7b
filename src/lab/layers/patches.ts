/** Cuts square single-channel images into square patches, row by row: the token view of an image. */
import type { PatchesSpec } from '../spec.ts';
import { nothing, reuse, type Tensor } from '../tensor.ts';
import type { Layer } from './layer.ts';

export class Patches implements Layer {
  readonly parameters = [];
  readonly statistics = [];
  readonly #spec: PatchesSpec;
  #inputShape: readonly number[] = [];
  #output = nothing;
  #inputGradient = nothing;

  constructor(spec: PatchesSpec) {
    this.#spec = spec;
  }

  forward(input: Tensor): Tensor {
    const { side, size } = this.#spec;
    this.#inputShape = input.shape;
    const out = reuse(this.#output, input.data.length);
    this.#eachPixel(input.data.length, (tokenAt, imageAt) => (out[tokenAt] = input.data[imageAt]!));
    this.#output = out;
    return { data: out, shape: [input.shape[0], (side / size) ** 2, size * size] };
  }

  backward(gradient: Tensor): Tensor {
    const result = reuse(this.#inputGradient, gradient.data.length);
    this.#eachPixel(result.length, (tokenAt, imageAt) => (result[imageAt] = gradient.data[tokenAt]!));
    this.#inputGradient = result;
    return { data: result, shape: this.#inputShape };
  }

  #eachPixel(length: number, visit: (tokenAt: number, imageAt: number) => void): void {
    const { side, size } = this.#spec;
    const perSide = side / size;
    for (let imageAt = 0; imageAt < length; imageAt += 1) {
      const x = imageAt % side;
      const row = Math.floor(imageAt / side);
      const y = row % side;
      const image = Math.floor(row / side);
      const token = Math.floor(y / size) * perSide + Math.floor(x / size);
      visit(((image * perSide * perSide + token) * size + (y % size)) * size + (x % size), imageAt);
    }
  }
}
