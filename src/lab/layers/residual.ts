/** A body of layers plus a shortcut around it. */
import { nothing, reuse, type Tensor } from '../tensor.ts';
import type { Layer, Mode, Parameter, Statistic } from './layer.ts';

export class Residual implements Layer {
  readonly parameters: readonly Parameter[];
  readonly statistics: readonly Statistic[];
  readonly #body: readonly Layer[];
  readonly #shortcut: readonly Layer[];
  #output = nothing;
  #inputGradient = nothing;

  constructor(body: readonly Layer[], shortcut: readonly Layer[]) {
    this.#body = body;
    this.#shortcut = shortcut;
    const layers = [...body, ...shortcut];
    this.parameters = layers.flatMap((layer) => layer.parameters);
    this.statistics = layers.flatMap((layer) => layer.statistics);
  }

  forward(input: Tensor, mode: Mode): Tensor {
    const main = this.#body.reduce((value, layer) => layer.forward(value, mode), input);
    const side = this.#shortcut.reduce((value, layer) => layer.forward(value, mode), input);
    this.#output = reuse(this.#output, main.data.length);
    addInto(main.data, side.data, this.#output);
    return { data: this.#output, shape: main.shape };
  }

  backward(gradient: Tensor): Tensor {
    const main = this.#body.reduceRight((value, layer) => layer.backward(value), gradient);
    const side = this.#shortcut.reduceRight((value, layer) => layer.backward(value), gradient);
    this.#inputGradient = reuse(this.#inputGradient, main.data.length);
    addInto(main.data, side.data, this.#inputGradient);
    return { data: this.#inputGradient, shape: main.shape };
  }
}

function addInto(a: Float32Array, b: Float32Array, out: Float32Array): void {
  for (let at = 0; at < out.length; at += 1) out[at] = a[at] + b[at];
}
