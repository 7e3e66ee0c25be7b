/** Inputs for a model that nobody gave data for: the same every time, spread evenly, and valid as indices. */
import { SURGERY_LIMITS } from '../../core/limits/surgery.ts';
import { type DType, findElementCount, findPackedByteLength } from '../../model/dtype.ts';
import { encodeFloats, isFloatDType } from '../../model/floats.ts';
import type { RuntimeTensor } from '../../model/runtime.ts';
import type { ValueInfo } from '../../model/types.ts';

export interface SampleOptions {
  /** Length of dimensions that are symbolic or unknown, by name; 1 for others. */
  readonly dims?: ReadonlyMap<string, number>;
  /** Which sample: each is different. */
  readonly index?: number;
}

/** Fractional part of the golden ratio: multiples of it spread over the unit interval without clusters. */
const STEP = 0.618_033_988_749_895;

/**
 * One set of inputs: floats in -1 to 1, integers and booleans 0.
 * @returns undefined when an input has no known rank or type, or would be too large
 */
export function findSampleFeeds(
  inputs: readonly ValueInfo[],
  options: SampleOptions = {},
): ReadonlyMap<string, RuntimeTensor> | undefined {
  const feeds = new Map<string, RuntimeTensor>();
  for (const [at, { name, dtype, shape }] of inputs.entries()) {
    if (dtype === null || dtype === 'string' || shape === null) return undefined;
    const dims = shape.map((dim) =>
      typeof dim === 'number' && dim >= 0 ? dim : (options.dims?.get(dim as string) ?? 1),
    );
    const tensor = findSample(dtype, dims, (options.index ?? 0) * inputs.length + at);
    if (tensor === undefined) return undefined;
    feeds.set(name, tensor);
  }
  return feeds;
}

function findSample(dtype: DType, shape: readonly number[], seed: number): RuntimeTensor | undefined {
  const count = findElementCount(shape);
  const byteLength = count === undefined ? undefined : findPackedByteLength(dtype, count);
  if (count === undefined || byteLength === undefined || byteLength > SURGERY_LIMITS.foldTotalBytesMax)
    return undefined;
  const data = new Uint8Array(byteLength);
  if (isFloatDType(dtype)) {
    const values = Float32Array.from({ length: count }, (_, i) => 2 * (((i + 1) * STEP + seed * 0.377) % 1) - 1);
    encodeFloats(dtype, values, data);
  }
  return { dtype, shape, data };
}
