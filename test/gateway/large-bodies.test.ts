/** Large bodies are read by another thread: the same tensors, the same refusals, and nobody is held up. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openWorkerPool, type WorkerPool } from '../../src/adapters/worker-pool/index.ts';
import { GATEWAY_LIMITS } from '../../src/core/limits/gateway.ts';
import type { ModelSignature } from '../../src/gateway/ports.ts';
import { createOip, createOpenAi, type DecodeTask } from '../../src/gateway/protocols/index.ts';
import type { PlanTask } from '../../src/gateway/protocols/plan-task.ts';
import { type BodyReader, createBodyReader, runReadJob } from '../../src/gateway/targets/index.ts';
import { hashTensors } from '../../src/gateway/tensors/hash.ts';

let pool: WorkerPool;
let reader: BodyReader;
beforeAll(() => {
  pool = openWorkerPool({ scriptPath: join(import.meta.dirname, '../../dist/cli/decode-worker/compose.js'), count: 1 });
  reader = createBodyReader({ run: (job) => pool.run(job) });
});
afterAll(() => pool.close());

const ROWS = 2000;
const SIGNATURE: ModelSignature = {
  inputs: [{ name: 'x', dtype: 'f32', shape: [null, 100] }],
  outputs: [{ name: 'y', dtype: 'f32', shape: [null, 2] }],
};
const DATA = Array.from({ length: 100 * ROWS }, (_, at) => Math.fround(at / 7));
const toBody = (data: unknown): Buffer =>
  Buffer.from(JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [ROWS, 100], data }] }));
const headers = { 'content-type': 'application/json', authorization: 'Bearer secret' };

const toTask = (body: Buffer): DecodeTask => ({
  ...{ protocol: 'oip', parameters: [], signature: SIGNATURE, request: { headers, body } },
  caps: { batchMax: ROWS, answerBytesMax: 1 << 20 },
});

const toPlanTask = (body: Buffer): PlanTask => ({
  settings: {
    ...{ protocol: 'oip', parameters: [], openai: { members: [], stream: true, remoteMedia: false }, path: undefined },
    readiness: { intervalMs: 1, timeoutMs: 1, failures: 1 },
  },
  call: { protocol: 'oip', kind: 'infer', model: 'm', version: null, route: '' },
  model: { name: 'inner', version: null, signature: SIGNATURE },
  policy: { topK: null, decimals: null, isLabelOnly: false, hidden: [] },
  request: { headers, body },
  caps: { batchMax: ROWS, isHashed: true },
});

describe('a large body', () => {
  test('is read as here, while the loop goes on; its plan and its hash are the same for a server behind', async () => {
    const body = toBody(DATA);
    expect(createOip().embedded!.isSlow({ headers, body })).toBe(true);
    let turns = 0;
    let isRead = false;
    const turn = (): void => {
      turns++;
      if (!isRead) setImmediate(turn);
    };
    setImmediate(turn);
    const [decoded, plan] = await Promise.all([reader.decode(toTask(body)), reader.plan(toPlanTask(body))]);
    isRead = true;
    expect(turns).toBeGreaterThan(20);
    expect(Buffer.compare(decoded.inputs[0].data, Buffer.from(Float32Array.from(DATA).buffer))).toBe(0);
    expect([decoded.items, plan.items, plan.request.path]).toEqual([ROWS, ROWS, '/v2/models/inner/infer']);
    expect(plan.request.body).toBe(body);
    expect(hashTensors(plan.tensors!)).toEqual(hashTensors(decoded.inputs));
  });

  test.each([
    ['of another shape', toBody(DATA.slice(1)), 'GATEWAY_INPUT_SHAPE'],
    ['of texts', toBody([...DATA.slice(1), 'x']), 'GATEWAY_INPUT_VALUE'],
    ['that breaks off', toBody(DATA).subarray(0, 500_000), 'GATEWAY_INPUT_MALFORMED'],
  ])('%s is refused by the same code', async (_name, body, code) => {
    await expect(reader.decode(toTask(body))).rejects.toMatchObject({ code });
    await expect(reader.plan(toPlanTask(body))).rejects.toMatchObject({ code });
  });

  test('of a text model is written anew under the name of the server, cap and all', async () => {
    const body = Buffer.from(JSON.stringify({ model: 'llm', messages: [{ content: 'x'.repeat(300_000) }] }));
    const task: PlanTask = {
      ...toPlanTask(body),
      settings: {
        ...toPlanTask(body).settings,
        protocol: 'openai',
        openai: { members: [], stream: true, remoteMedia: false, maxTokens: 9 },
      },
      call: { protocol: 'openai', kind: 'infer', model: 'llm', version: null, route: 'chat/completions' },
    };
    expect(createOpenAi().proxy.isSlow({ headers, body })).toBe(true);
    const { request } = await reader.plan(task);
    expect(JSON.parse(Buffer.from(request.body).toString())).toMatchObject({ model: 'inner', max_tokens: 9 });
  });
});

test('no credential goes along, and a view takes none of the memory beside it', async () => {
  const memory = Buffer.alloc(4096, 'secret');
  const body = memory.subarray(0, memory.write('{'));
  const seen: unknown[] = [];
  const spy = createBodyReader({
    run: (job) => {
      const { request } = job.task as DecodeTask;
      seen.push(request.headers);
      expect(request.body.buffer.byteLength).toBe(1);
      return Promise.resolve(runReadJob(job));
    },
  });
  await expect(spy.decode(toTask(body))).rejects.toMatchObject({ code: 'GATEWAY_INPUT_MALFORMED' });
  expect(seen).toEqual([{ 'content-type': 'application/json' }]);
});

test('more than can wait are refused, and there is room again behind them', async () => {
  const ends: (() => void)[] = [];
  const slow = createBodyReader({
    run: (job) =>
      new Promise((done) =>
        ends.push(() => {
          done(runReadJob(job));
        }),
      ),
  });
  const task = toTask(toBody(DATA));
  const waiting = Array.from({ length: GATEWAY_LIMITS.readsMax }, () => slow.decode(task));
  await expect(slow.decode(task)).rejects.toMatchObject({ code: 'GATEWAY_OVERLOADED' });
  ends[0]();
  await waiting[0];
  const next = slow.decode(task);
  expect(ends).toHaveLength(GATEWAY_LIMITS.readsMax + 1);
  ends.at(-1)!();
  expect((await next).items).toBe(ROWS);
});
