/** Running a model in memory on numbers, for tests of what an edit computes. */
import type { Runtime, RuntimeTensor } from '../../src/model/runtime.ts';
import { decodeFloats, encodeFloats, isFloatDType } from '../../src/model/floats.ts';
import { findPackedByteLength } from '../../src/model/dtype.ts';
import { decodeInts, encodeInts, isIntDType } from '../../src/model/ints.ts';
import { type GraphEdit, type TensorJson, toModelBytes } from '../../src/surgery/index.ts';

export interface Numbers {
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

/** A tensor whose elements are all the same. */
export function fill(shape: readonly number[], value: number, dtype: TensorJson['dtype'] = 'f32'): TensorJson {
  const count = shape.reduce((product, dim) => product * dim, 1);
  return { dtype, shape, values: new Array<number>(count).fill(value) };
}

/** Outputs of the model by name, on inputs by name. */
export async function runBytes(
  runtime: Runtime,
  main: Uint8Array,
  feeds: Readonly<Record<string, TensorJson>>,
): Promise<Readonly<Record<string, Numbers>>> {
  const session = await runtime.load({ main, external: [] });
  try {
    const fed = Object.entries(feeds).map(([name, tensor]) => [name, toRuntimeTensor(tensor)] as const);
    const outputs = await session.run(new Map(fed));
    return Object.fromEntries(Array.from(outputs, ([name, tensor]) => [name, toNumbers(tensor)]));
  } finally {
    await session.release();
  }
}

export function runEdit(
  runtime: Runtime,
  edit: GraphEdit,
  feeds: Readonly<Record<string, TensorJson>>,
): ReturnType<typeof runBytes> {
  return runBytes(runtime, toModelBytes(edit), feeds);
}

function toRuntimeTensor({ dtype, shape, values = [] }: TensorJson): RuntimeTensor {
  const data = new Uint8Array(findPackedByteLength(dtype, values.length)!);
  if (isFloatDType(dtype)) encodeFloats(dtype, values.map(Number), data);
  else if (isIntDType(dtype)) encodeInts(dtype, values.map(Number), data);
  return { dtype, shape, data };
}

function toNumbers({ dtype, shape, data }: RuntimeTensor): Numbers {
  const values = new Float64Array(shape.reduce((product, dim) => product * dim, 1));
  if (isFloatDType(dtype)) decodeFloats(dtype, data, values);
  else if (isIntDType(dtype)) decodeInts(dtype, data, values);
  return { shape, values: [...values] };
}
