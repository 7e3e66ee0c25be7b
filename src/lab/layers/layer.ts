/** The port of a layer. */
import type { Rng } from '../rng.ts';
import type { Tensor } from '../tensor.ts';

/** A trained array: values, and the gradient that `backward` writes. */
export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
  readonly gradient: Float32Array;
  /** Weight decay applies to weights, not to biases and normalisation. */
  readonly isDecayed: boolean;
}

/** An array that is kept with the weights but not trained by gradient. */
export interface Statistic {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

export type Mode = 'train' | 'infer';

/**
 * One layer. `forward` must keep what `backward` needs; `backward` takes the gradient of the last training `forward`,
 * overwrites the parameters' gradients and returns the gradient of the input. Both may return a buffer that the next
 * call overwrites, and must not change their argument.
 */
export interface Layer {
  readonly parameters: readonly Parameter[];
  readonly statistics: readonly Statistic[];
  forward(input: Tensor, mode: Mode): Tensor;
  backward(gradient: Tensor): Tensor;
}

function createParameter(
  name: string,
  shape: readonly number[],
  options: { readonly isDecayed: boolean; readonly fill: (index: number) => number },
): Parameter {
  const length = shape.reduce((product, size) => product * size, 1);
  const values = Float32Array.from({ length }, (_, index) => options.fill(index));
  return { name, shape, values, gradient: new Float32Array(length), isDecayed: options.isDecayed };
}

/** Normal start values with variance gain / fanIn (He: gain 2 before ReLU). */
export function createWeight(
  name: string,
  shape: readonly number[],
  start: { fanIn: number; gain: number; rng: Rng },
): Parameter {
  const deviation = Math.sqrt(start.gain / start.fanIn);
  return createParameter(name, shape, { isDecayed: true, fill: () => deviation * start.rng.gaussian() });
}

/** A bias or normalisation vector. */
export function createVector(name: string, length: number, value: number): Parameter {
  return createParameter(name, [length], { isDecayed: false, fill: () => value });
}
