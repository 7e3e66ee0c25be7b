/**
 * Runs sample networks before and after their neurons moved, on every test input, and undoes the move; prints, as JSON and by
 * network, how many inputs got the same class. Usage: recipient-lossless.ts TESTS NAME…
 */
import { findRuntime } from '../../../src/adapters/runtime/index.ts';
import { createTestSet, type ModelName, range, toBatch, toOnnx } from '../../../src/lab/index.ts';
import type { RuntimeSession } from '../../../src/model/runtime.ts';
import { makeRecipientCopy } from '../recipient-copy.ts';

const NUMBER = 4711;
const BATCH = 250;
const [count, ...names] = process.argv.slice(2);
const tests = createTestSet(Number(count));
const runtime = await findRuntime();

async function answer(session: RuntimeSession, start: number): Promise<Float32Array> {
  const { data } = toBatch(tests, range(start, Math.min(tests.count, start + BATCH)));
  const [input] = session.inputs;
  const items = Math.min(BATCH, tests.count - start);
  const shape = [items, ...(input.shape ?? []).slice(1).map(Number)];
  const feed = { dtype: 'f32', shape, data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) } as const;
  const [output] = (await session.run(new Map([[input.name, feed]]))).values();
  return new Float32Array(output.data.slice().buffer);
}

/** Index of the largest of ten scores. */
function toClass(scores: Float32Array, item: number): number {
  const row = scores.subarray(10 * item, 10 * item + 10);
  return row.indexOf(Math.max(...row));
}

const results: Record<string, object> = {};
for (const name of names as ModelName[]) {
  const { spec, unmoved, copy, undone, plan } = makeRecipientCopy(name, NUMBER);
  const files = [unmoved, copy, undone].map((weights) => toOnnx(spec, weights));
  const [before, after] = await Promise.all(files.slice(0, 2).map((main) => runtime.load({ main, external: [] })));
  let same = 0;
  for (let start = 0; start < tests.count; start += BATCH) {
    const [a, b] = [await answer(before, start), await answer(after, start)];
    for (let item = 0; item < a.length / 10; item++) same += Number(toClass(a, item) === toClass(b, item));
  }
  const moved = plan.coded.reduce((sum, { channels }) => sum + channels, 0);
  const isOther = Buffer.compare(files[0], files[1]) !== 0;
  results[name] = { same, tests: tests.count, moved, isOther, isUndone: Buffer.compare(files[0], files[2]) === 0 };
  await before.release();
  await after.release();
}
console.log(JSON.stringify({ runtime: runtime.id, results }));
