/** Max and average pooling over square windows without padding. */
import type { PoolSpec } from '../spec.ts';
import { countElements, nothing, reuse, type Tensor } from '../tensor.ts';
import type { Layer } from './layer.ts';

export class Pool implements Layer {
  readonly parameters = [];
  readonly statistics = [];
  readonly #spec: PoolSpec;
  #inputShape: readonly number[] = [];
  /** For max: where each output came from. */
  #origin = new Int32Array(0);
  #output = nothing;
  #inputGradient = nothing;

  constructor(spec: PoolSpec) {
    this.#spec = spec;
  }

  forward(input: Tensor): Tensor {
    this.#inputShape = input.shape;
    const shape = this.#outputShape();
    const out = reuse(this.#output, countElements(shape));
    if (this.#origin.length !== out.length) this.#origin = new Int32Array(out.length);
    const { mode, size } = this.#spec;
    out.fill(mode === 'max' ? -Infinity : 0);
    this.#eachPair((outAt, inAt) => {
      const value = input.data[inAt];
      if (mode === 'average') out[outAt] += value / (size * size);
      else if (value > out[outAt]) {
        out[outAt] = value;
        this.#origin[outAt] = inAt;
      }
    });
    this.#output = out;
    return { data: out, shape };
  }

  backward(gradient: Tensor): Tensor {
    const { mode, size } = this.#spec;
    const result = reuse(this.#inputGradient, countElements(this.#inputShape));
    result.fill(0);
    if (mode === 'max') {
      for (let at = 0; at < gradient.data.length; at += 1) result[this.#origin[at]] += gradient.data[at];
    } else {
      this.#eachPair((outAt, inAt) => (result[inAt] += gradient.data[outAt] / (size * size)));
    }
    this.#inputGradient = result;
    return { data: result, shape: this.#inputShape };
  }

  #outputShape(): number[] {
    const [batch = 0, height = 0, width = 0, channels = 0] = this.#inputShape;
    const { size, stride } = this.#spec;
    return [batch, Math.floor((height - size) / stride) + 1, Math.floor((width - size) / stride) + 1, channels];
  }

  /** Every pair of an output element and an input element in its window. */
  #eachPair(visit: (outAt: number, inAt: number) => void): void {
    const [batch = 0, height = 0, width = 0, channels = 0] = this.#inputShape;
    const [, outHeight = 0, outWidth = 0] = this.#outputShape();
    const { size, stride } = this.#spec;
    let outAt = 0;
    for (let image = 0; image < batch; image += 1) {
      for (let place = 0; place < outHeight * outWidth; place += 1, outAt += channels) {
        const top = Math.floor(place / outWidth) * stride;
        const left = (place % outWidth) * stride;
        for (let window = 0; window < size * size; window += 1) {
          const y = top + Math.floor(window / size);
          const inAt = ((image * height + y) * width + left + (window % size)) * channels;
          for (let c = 0; c < channels; c += 1) visit(outAt + c, inAt + c);
        }
      }
    }
  }
}
