/** The classes of `diff` on changed copies of real tensors, as a table of what was done against what was said. */
import { basename } from 'node:path';
import { silentProgress } from '../../src/core/ports.ts';
import { openModelPath } from '../../src/formats/index.ts';
import { createRng, readWeights } from '../../src/lab/index.ts';
import { toMemoryTensor } from '../../src/model/index.ts';
import { compareTensor } from '../../src/tamper/diff/compare-tensor.ts';
import { TAMPERINGS } from './tamperings.ts';

export interface Confusion {
  readonly right: number;
  readonly total: number;
  /** By what was done, and then by what was said. */
  readonly table: ReadonlyMap<string, ReadonlyMap<string, number>>;
  readonly wrong: readonly string[];
}

/** Tensors with fewer elements or values carry too little to be judged alone; `diff` says so. */
const ELEMENTS_MIN = 16;
const VALUES_MIN = 4;

/** Every tampering on every f32 tensor of the models that it means something for. */
export function countConfusion(paths: readonly string[]): Confusion {
  const table = new Map<string, Map<string, number>>();
  const wrong: string[] = [];
  let [right, total] = [0, 0];
  for (const path of paths) {
    const model = openModelPath(path);
    const weights = readWeights(model);
    for (const { name, dtype, shape } of model.tensors) {
      const values = weights.get(name);
      if (values === undefined || dtype !== 'f32' || values.length < ELEMENTS_MIN) continue;
      if (new Set(values).size < VALUES_MIN) continue;
      const toTensor = (data: Float32Array) =>
        toMemoryTensor({ name, dtype: 'f32', shape, bytes: new Uint8Array(data.slice().buffer) });
      for (const tampering of TAMPERINGS) {
        const after = tampering.apply({ shape, values }, createRng(`${basename(path)}/${name}/${tampering.id}`));
        if (after === null || after.every((value, i) => Object.is(value, values[i]))) continue;
        const pair = { before: toTensor(values), after: toTensor(after), isTurned: false };
        const said = compareTensor({ ...pair, listMax: 4, progress: silentProgress }).class ?? 'none';
        const row = table.get(tampering.id) ?? new Map<string, number>();
        row.set(said, (row.get(said) ?? 0) + 1);
        table.set(tampering.id, row);
        total += 1;
        if (said === tampering.class) right += 1;
        else wrong.push(`${name} [${shape.join(', ')}], ${tampering.id}: ${said}`);
      }
    }
    model.close();
  }
  return { right, total, table, wrong };
}
