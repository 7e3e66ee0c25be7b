/** Mean over all axes between the batch and the last: global average pooling of images, and of tokens. */
import { countElements, nothing, reuse, type Tensor } from '../tensor.ts';
import type { Layer } from './layer.ts';

export class Mean implements Layer {
  readonly parameters = [];
  readonly statistics = [];
  #inputShape: readonly number[] = [];
  #output = nothing;
  #inputGradient = nothing;

  forward(input: Tensor): Tensor {
    this.#inputShape = input.shape;
    const [batch, places, width] = this.#sizes();
    const out = reuse(this.#output, batch * width);
    out.fill(0);
    let at = 0;
    for (let item = 0; item < batch; item += 1) {
      for (let place = 0; place < places; place += 1) {
        for (let j = 0; j < width; j += 1, at += 1) out[item * width + j] += input.data[at] / places;
      }
    }
    this.#output = out;
    return { data: out, shape: [batch, width] };
  }

  backward(gradient: Tensor): Tensor {
    const [batch, places, width] = this.#sizes();
    const result = reuse(this.#inputGradient, countElements(this.#inputShape));
    let at = 0;
    for (let item = 0; item < batch; item += 1) {
      for (let place = 0; place < places; place += 1) {
        for (let j = 0; j < width; j += 1, at += 1) result[at] = gradient.data[item * width + j] / places;
      }
    }
    this.#inputGradient = result;
    return { data: result, shape: this.#inputShape };
  }

  #sizes(): [batch: number, places: number, width: number] {
    const shape = this.#inputShape;
    return [shape[0], countElements(shape.slice(1, -1)), shape.at(-1)!];
  }
}
