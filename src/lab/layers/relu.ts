/** max(x, 0). */
import { nothing, reuse, type Tensor } from '../tensor.ts';
import type { Layer } from './layer.ts';

export class Relu implements Layer {
  readonly parameters = [];
  readonly statistics = [];
  #output = nothing;
  #inputGradient = nothing;

  forward(input: Tensor): Tensor {
    const { data, shape } = input;
    const out = reuse(this.#output, data.length);
    // Signs are random, so a branch would be mispredicted half of the time: the sign bit, spread over the word, masks.
    const [inBits, outBits] = [toBits(data), toBits(out)];
    for (let at = 0; at < outBits.length; at += 1) outBits[at] = inBits[at] & ~(inBits[at] >> 31);
    this.#output = out;
    return { data: out, shape };
  }

  backward(gradient: Tensor): Tensor {
    const { data, shape } = gradient;
    const result = reuse(this.#inputGradient, data.length);
    // Outputs are zero or have positive bits, so the negated bits carry the mask.
    const [outBits, upBits, resultBits] = [toBits(this.#output), toBits(data), toBits(result)];
    for (let at = 0; at < resultBits.length; at += 1) resultBits[at] = upBits[at] & (-outBits[at] >> 31);
    this.#inputGradient = result;
    return { data: result, shape };
  }
}

function toBits(floats: Float32Array): Int32Array {
  return new Int32Array(floats.buffer, floats.byteOffset, floats.length);
}
