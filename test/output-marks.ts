/** Tests of output marks: models to mark, marks put in and taken out, and what a model answers. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findRuntime } from '../src/adapters/runtime/index.ts';
import type { Model } from '../src/model/types.ts';
import type { RuntimeTensor } from '../src/model/runtime.ts';
import type { GraphEdit } from '../src/surgery/index.ts';
import { editOutputMark, editOutputMarkRemoval, type OutputMark, toTextPayload } from '../src/watermark/index.ts';
import { openBytes, runPlan } from './formats/models.ts';

export const payload = toTextPayload('licence', '© 2026 Acme, licence 7');
export const key = new Uint8Array(32).fill(7);
export const otherKey = new Uint8Array(32).fill(8);

export const open = (bytes: Uint8Array): Model => openBytes(bytes, 'm.onnx');
export const write = (edit: GraphEdit): Uint8Array => runPlan(edit.toRewrite());
export const add = (bytes: Uint8Array, mark: OutputMark): Uint8Array => write(editOutputMark(open(bytes), mark));
export const remove = (bytes: Uint8Array, mark: OutputMark): Uint8Array =>
  write(editOutputMarkRemoval(open(bytes), mark));

export type Answers = ReadonlyMap<string, RuntimeTensor>;

/** What a model answers to one feed for its first input. */
export async function run(bytes: Uint8Array, feed: RuntimeTensor): Promise<Answers> {
  const runtime = await findRuntime();
  const session = await runtime.load({ main: bytes, external: [] });
  try {
    return await session.run(new Map([[session.inputs[0].name, feed]]));
  } finally {
    await session.release();
  }
}

export function toTensor(shape: readonly number[], at: (index: number) => number): RuntimeTensor {
  const values = new Float32Array(shape.reduce((product, dim) => product * dim, 1)).map((_, i) => at(i));
  return { dtype: 'f32', shape, data: new Uint8Array(values.buffer) };
}

/** Deterministic noise in [0, 1). */
export const noise = (i: number): number => {
  const value = Math.sin(i * 12.9898 + 4.1) * 43758.5453;
  return value - Math.floor(value);
};

/** The sample classifier, and inputs for it. */
export const mlp = readFileSync(join(import.meta.dirname, '../samples/mlp.onnx'));
export const digits = toTensor([200, 1, 12, 12], noise);
