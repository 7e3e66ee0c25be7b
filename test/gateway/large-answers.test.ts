/** Large answers of models that the gateway holds are written by another thread: the same bytes, the same refusals. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openWorkerPool, type WorkerPool } from '../../src/adapters/worker-pool/index.ts';
import type {
  Call,
  ModelSignature,
  NamedTensor,
  OutputPolicy,
  Principal,
  ServedModel,
} from '../../src/gateway/ports.ts';
import {
  createOip,
  createOipGrpc,
  createSagemaker,
  createVertex,
  type Protocol,
} from '../../src/gateway/protocols/index.ts';
import {
  type BodyReader,
  createBodyReader,
  createEmbeddedTarget,
  type ReadJob,
} from '../../src/gateway/targets/index.ts';

const ROWS = 3000;
const OPEN: OutputPolicy = { topK: null, decimals: null, isLabelOnly: false, hidden: [] };

let pool: WorkerPool;
const asked: ReadJob['kind'][] = [];
let reader: BodyReader;
beforeAll(() => {
  pool = openWorkerPool({ scriptPath: join(import.meta.dirname, '../../dist/cli/decode-worker/compose.js'), count: 1 });
  reader = createBodyReader({
    run: (job) => {
      asked.push(job.kind);
      return pool.run(job);
    },
  });
});
afterAll(() => pool.close());

const SIGNATURE: ModelSignature = {
  inputs: [{ name: 'x', dtype: 'f32', shape: [null, 1] }],
  outputs: [
    { name: 'scores', dtype: 'f32', shape: [null, 4] },
    { name: 'label', dtype: 'i64', shape: [null] },
  ],
};

/** Numbers of every length, with both zeros among them. */
function toOutputs(rows: number, change: (scores: Float32Array) => void = () => undefined): readonly NamedTensor[] {
  const scores = Float32Array.from({ length: 4 * rows }, (_, at) =>
    at % 9 === 0 ? -0 : Math.sin(at) * 10 ** ((at % 60) - 30),
  );
  change(scores);
  const labels = BigInt64Array.from({ length: rows }, (_, at) => BigInt(at) ** 4n * -1234567n);
  return [
    { name: 'scores', dtype: 'f32', shape: [rows, 4], data: new Uint8Array(scores.buffer) },
    { name: 'label', dtype: 'i64', shape: [rows], data: new Uint8Array(labels.buffer) },
  ];
}

interface Question {
  readonly protocol: Protocol;
  readonly rows?: number;
  readonly policy?: OutputPolicy;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: (rows: number) => unknown;
  readonly outputs?: readonly NamedTensor[];
  readonly reader?: BodyReader;
}

const toOipBody = (rows: number, more: object = {}) => ({
  ...{ id: 'a "b"', inputs: [{ name: 'x', datatype: 'FP32', shape: [rows, 1], data: Array(rows).fill(1) }] },
  ...more,
});
const toInstances = (rows: number) => ({ instances: Array(rows).fill([1]) });

async function ask({
  protocol,
  rows = ROWS,
  policy = OPEN,
  headers = {},
  body = toOipBody,
  outputs,
  reader: by,
}: Question) {
  const served: ServedModel = {
    ...{ name: 'm', version: '1', signature: SIGNATURE, isReady: true },
    run: () => Promise.resolve(outputs ?? toOutputs(rows)),
  };
  const target = createEmbeddedTarget({
    ...{ model: 'm', list: () => [served], answerBytesMax: 1 << 24, hashKey: null },
    ...(by !== undefined && { reader: by }),
  });
  const signal = { aborted: false } as Parameters<ServedModel['run']>[1];
  const bytes = Buffer.from(JSON.stringify(body(rows)));
  let freed = 0;
  const freeBody = (): void => {
    freed++;
  };
  const prepared = await target.prepare({
    request: { headers: { 'content-type': 'application/json', ...headers }, body: bytes, signal, freeBody } as never,
    ...{ protocol, call: { version: null } as Call, principal: { output: policy } as Principal, batchMax: 10_000 },
  });
  const answer = await prepared!.run((hash) => ({ integrity: Buffer.from(hash).toString('hex') }));
  return { ...answer, body: Buffer.from(answer.body as Uint8Array).toString('latin1'), freed };
}

/** What is asked of threads for an answer; reading the body is beside the point. */
async function askElsewhere(question: Question) {
  asked.length = 0;
  const answer = await ask({ ...question, reader });
  return { answer, jobs: asked.filter((kind) => kind !== 'decode') };
}

describe('a large answer', () => {
  test.each<[string, Question]>([
    ['of the Open Inference Protocol', { protocol: createOip() }],
    [
      'with one output in binary',
      {
        protocol: createOip(),
        body: (rows) =>
          toOipBody(rows, { outputs: [{ name: 'label', parameters: { binary_data: true } }, { name: 'scores' }] }),
      },
    ],
    [
      'of Vertex AI',
      { protocol: createVertex({ model: 'm', predictRoute: '/', healthRoute: '/' }), body: toInstances },
    ],
    [
      'in rows of text',
      { protocol: createSagemaker({ model: 'm' }), body: toInstances, headers: { accept: 'text/csv' } },
    ],
  ])('%s is written as here', async (_name, question) => {
    const { answer, jobs } = await askElsewhere(question);
    expect(jobs).toEqual(['encode']);
    expect(answer).toEqual(await ask(question));
    expect(answer.body.length).toBeGreaterThan(100_000);
    // The front may use the memory of the body again.
    expect(answer.freed).toBe(1);
  });

  test.each<[string, Partial<OutputPolicy>]>([
    ['of few scores and decimals', { topK: 2, decimals: 3 }],
    ['of labels alone', { isLabelOnly: true }],
    ['without an output', { hidden: ['label'] }],
  ])('%s is held to the policy there, too', async (_name, policy) => {
    const question = { protocol: createOip(), policy: { ...OPEN, ...policy } };
    const { answer, jobs } = await askElsewhere(question);
    expect(jobs).toEqual(['view', 'encode']);
    expect(answer).toEqual(await ask(question));
  });

  test('takes no memory that others share', async () => {
    const shared = new Uint8Array(2 * 16 * ROWS).fill(7);
    const [scores, label] = toOutputs(ROWS);
    shared.set(scores.data, 16 * ROWS);
    const outputs = [{ ...scores, data: shared.subarray(16 * ROWS) }, label];
    const { answer } = await askElsewhere({ protocol: createOip(), outputs });
    expect(answer).toEqual(await ask({ protocol: createOip() }));
    expect([shared.length, shared[0]]).toEqual([2 * 16 * ROWS, 7]);
  });

  test('that has no form is refused by the same code', async () => {
    const outputs = toOutputs(ROWS, (scores) => (scores[4 * ROWS - 1] = NaN));
    await expect(askElsewhere({ protocol: createOip(), outputs })).rejects.toMatchObject({
      code: 'GATEWAY_ANSWER_VALUE',
    });
  });
});

test('small answers, and those in binary, are written here', async () => {
  expect((await askElsewhere({ protocol: createOip(), rows: 100 })).jobs).toEqual([]);
  const policy = { ...OPEN, decimals: 2 };
  expect((await askElsewhere({ protocol: createOip(), rows: 100, policy })).jobs).toEqual([]);
  const body = (rows: number) => toOipBody(rows, { parameters: { binary_data_output: true } });
  expect((await askElsewhere({ protocol: createOip(), body })).jobs).toEqual([]);
  expect(createOipGrpc().embedded!.isSlow({ headers: {}, body: new Uint8Array() })).toBe(false);
});

test('while one is written, the loop goes on', async () => {
  let [turns, isDone] = [0, false];
  const turn = (): void => {
    turns++;
    if (!isDone) setImmediate(turn);
  };
  setImmediate(turn);
  const data = new Uint8Array(Float64Array.from({ length: 200_000 }, (_, at) => Math.sqrt(at)).buffer);
  const answer = await reader.encode({
    ...{ protocol: 'plain', form: { layout: 'bare', id: null, outputs: null, isBinary: false } },
    ...{
      model: { name: 'm', version: '1' },
      outputs: [{ name: 'y', dtype: 'f64', shape: [200_000], data }],
      extras: {},
    },
  });
  isDone = true;
  expect(turns).toBeGreaterThan(20);
  expect(JSON.parse(Buffer.from(answer.body).toString())).toEqual(
    Array.from({ length: 200_000 }, (_, at) => Math.sqrt(at)),
  );
});
