import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { builtPath, describeWithBuilt } from '../../../test/built.ts';
import { f32Bytes, tinyModel, tinyNode, tinyTensor, tinyValue } from '../../../test/tiny-onnx.ts';
import type { RuntimeSession } from '../../model/runtime.ts';
import { openWorkerSession } from './index.ts';

const ENTRY = 'cli/inference-worker/compose.js';
let folder: string;
let modelPath: string;
beforeAll(() => {
  // As the gateway does before any thread starts: a thread cannot do it for the process.
  process.env.ORT_DISABLE_TELEMETRY = '1';
  folder = mkdtempSync(join(tmpdir(), 'inference-worker-'));
  modelPath = join(folder, 'm.onnx');
  const w = tinyTensor('w', 'f32', [2, 2], f32Bytes([1, 2, 3, 4]));
  const model = tinyModel({
    inputs: [tinyValue('x', 'f32', ['n', 2])],
    outputs: [tinyValue('y', 'f32', ['n', 2])],
    nodes: [tinyNode('MatMul', ['x', 'w'], ['y'])],
    tensors: [w],
  });
  writeFileSync(modelPath, model);
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const opened: RuntimeSession[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((session) => session.release()));
});
const open = async (path: string): Promise<RuntimeSession> => {
  const session = await openWorkerSession({ scriptPath: builtPath(ENTRY), path, dataRoot: null, threads: 1 });
  opened.push(session);
  return session;
};
const toFeeds = (values: readonly number[]) =>
  new Map([['x', { dtype: 'f32', shape: [values.length / 2, 2], data: f32Bytes(values) } as const]]);

describeWithBuilt('a model in a thread', ENTRY, () => {
  test('says what it takes and gives, and answers many runs at once', async () => {
    const session = await open(modelPath);
    expect(session.inputs).toEqual([{ name: 'x', dtype: 'f32', shape: ['n', 2] }]);
    const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => session.run(toFeeds([n, 1]))));
    const numbers = answers.map((answer) => [...new Float32Array(answer.get('y')!.data.buffer)]);
    expect(numbers).toEqual(Array.from({ length: 50 }, (_, n) => [n + 3, 2 * n + 4]));
  });

  test('memory of its own is handed over, a view of other memory is copied', async () => {
    const session = await open(modelPath);
    const whole = f32Bytes([9, 9, 1, 0]);
    const part = whole.subarray(8);
    const answer = await session.run(new Map([['x', { dtype: 'f32', shape: [1, 2], data: part }]]));
    expect([...new Float32Array(answer.get('y')!.data.buffer)]).toEqual([1, 2]);
    expect(whole.length).toBe(16);
    const feeds = toFeeds([1, 0]);
    await session.run(feeds);
    expect(feeds.get('x')!.data.length).toBe(0);
  });

  test('what the engine refuses has a code, and the thread goes on', async () => {
    const session = await open(modelPath);
    const wrong = new Map([['x', { dtype: 'f32', shape: [1, 3], data: f32Bytes([1, 2, 3]) } as const]]);
    await expect(session.run(wrong)).rejects.toMatchObject({ code: 'RUNTIME_RUN_FAILED' });
    expect((await session.run(toFeeds([0, 0]))).size).toBe(1);
  });

  test('a file that is no model, or not there, has a code', async () => {
    const bad = join(folder, 'bad.onnx');
    writeFileSync(bad, 'no model');
    await expect(open(bad)).rejects.toMatchObject({ code: 'ONNX_WIRE' });
    await expect(open(join(folder, 'none.onnx'))).rejects.toMatchObject({ code: 'SOURCE_NOT_FOUND' });
  });

  test('where the system has no thread to give, that is told by its code', async () => {
    const nowhere = { scriptPath: 'neither absolute nor relative', path: '', dataRoot: null, threads: 1 };
    await expect(openWorkerSession(nowhere)).rejects.toMatchObject({ code: 'RUNTIME_ENDED' });
  });

  test('once it has ended, what waits and what comes is told so', async () => {
    const session = await open(modelPath);
    const waiting = session.run(toFeeds([1, 1]));
    waiting.catch(() => undefined);
    await session.release();
    await expect(waiting).rejects.toMatchObject({ code: 'RUNTIME_ENDED' });
    await expect(session.run(toFeeds([1, 1]))).rejects.toMatchObject({ code: 'RUNTIME_ENDED' });
  });
});
