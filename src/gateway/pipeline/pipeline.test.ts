/** The steps of a request with real parts around a model that doubles: what is charged, given back, logged and let go. */
import { beforeEach, describe, expect, test } from 'vitest';
import { GatewayError } from '../../core/errors.ts';
import { hmacSha256 } from '../../core/hash.ts';
import { createAddressLimiter, createPermits, MemoryRates, createLimiter } from '../limits/index.ts';
import type {
  GatewayAnswer,
  GatewayRequest,
  IdentifyResult,
  Limiter,
  LimitVerdict,
  LogRow,
  ModelSignature,
  NamedTensor,
  Principal,
  ServedModel,
} from '../ports.ts';
import { createOip, createOpenAi } from '../protocols/index.ts';
import type { Protocol } from '../protocols/ports.ts';
import { createEmbeddedTarget, type Target } from '../targets/index.ts';
import { toSignature } from '../pool/index.ts';
import { type Answered, createGateway, type GatewayParts } from './index.ts';
import { toSha256 } from './work.ts';

const signature: ModelSignature = {
  inputs: [{ name: 'x', dtype: 'f32', shape: [null, 2] }],
  outputs: [{ name: 'y', dtype: 'f32', shape: [null, 2] }],
};
const principal: Principal = {
  ...{ id: 'key:k_1', kind: 'api-key', tenant: 't', scopes: ['infer:m'], tagKey: null },
  limits: {
    ...{ perMinute: 60, burst: 3, daily: null, lifetime: null, concurrency: 2, bodyBytesMax: 200, batchMax: 4 },
  },
  output: { topK: null, decimals: null, isLabelOnly: false, hidden: [] },
};

let rows: LogRow[];
let answered: Answered[];
let faults: unknown[];
let nowUs: number;
beforeEach(() => {
  [rows, answered, faults, nowUs] = [[], [], [], 1_000_000];
});

const double = (inputs: readonly NamedTensor[]): Promise<readonly NamedTensor[]> => {
  const [{ shape, data }] = inputs;
  const values = new Float32Array(data.slice().buffer).map((value) => 2 * value);
  return Promise.resolve([{ name: 'y', dtype: 'f32', shape, data: new Uint8Array(values.buffer) }]);
};

interface Change {
  readonly run?: ServedModel['run'];
  readonly identity?: IdentifyResult;
  readonly limiter?: Limiter;
  readonly append?: (row: LogRow) => void;
  readonly isHealthOpen?: boolean;
  readonly target?: Target;
  readonly protocol?: Protocol;
  readonly hashKey?: Uint8Array;
}

function open({ run = double, identity, limiter, append, isHealthOpen = false, ...change }: Change = {}) {
  const served: ServedModel = { name: 'm', version: '1', signature, isReady: true, run };
  const own = createEmbeddedTarget({ model: 'm', list: () => [served], answerBytesMax: 1e6, hashKey: null });
  const clock = () => nowUs;
  const permits = createPermits();
  const parts: GatewayParts = {
    protocols: [change.protocol ?? createOip()],
    targets: new Map([['m', change.target ?? own]]),
    addresses: createAddressLimiter({ policy: { perMinute: 60, burst: 2 }, nowUs: clock }),
    identifier: { identify: () => identity ?? { isKnown: true, principal } },
    limiter:
      limiter ??
      createLimiter({ rates: new MemoryRates({ nowUs: clock }), budgets: null, tenants: new Map(), models: new Map() }),
    permits,
    sealer: { toHeaders: () => [], toParameters: () => undefined, toLastEvent: () => null },
    log: {
      append: (row) => {
        append?.(row);
        rows.push(row);
        return { stream: 's', index: rows.length - 1 };
      },
    },
    meter: { onAnswer: (one) => answered.push(one) },
    settings: { name: 'g', version: '0', isHealthOpen, batchMax: 64, hashKey: change.hashKey ?? null },
    makeRequestId: () => 'r',
    nowMs: () => 0,
    nowUs: clock,
    onFault: (error) => faults.push(error),
  };
  return { handle: createGateway(parts), permits };
}

const BODY = JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] }] });
const toRequest = (change: Partial<GatewayRequest> & { readonly text?: string } = {}): GatewayRequest => ({
  ...{ method: 'POST', path: '/v2/models/m/infer', query: '', httpVersion: '1.1' },
  headers: { 'content-type': 'application/json' },
  body: Buffer.from(change.text ?? BODY),
  peer: { address: '192.0.2.1', certificate: null },
  signal: new AbortController().signal,
  ...change,
});
const findCode = ({ headers }: GatewayAnswer): string | undefined =>
  headers.find(([name]) => name === 'x-modelward-code')?.[1];
const remainingOf = ({ headers }: GatewayAnswer): number =>
  Number(headers.find(([name]) => name === 'x-ratelimit-remaining')?.[1]);
const refuse = (refusedBy: LimitVerdict['refusedBy']): Limiter => ({
  charge: () => ({
    isAdmitted: false,
    refusedBy,
    retryAfterMs: null,
    remaining: 0,
    resetMs: 0,
    refund: () => undefined,
  }),
});

describe('a request', () => {
  test('that is good has one row, with the hashes of both bodies, and leaves nothing held', async () => {
    const { handle, permits } = open();
    const answer = await handle(toRequest());
    expect(answer.status).toBe(200);
    expect(JSON.parse(Buffer.from(answer.body as Uint8Array).toString())).toMatchObject({
      outputs: [{ data: [2, 4] }],
    });
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({
      principalId: 'key:k_1',
      model: 'm',
      version: '1',
      status: 200,
      code: null,
      items: 1,
    });
    expect(rows[0].inputHash).toEqual(toSha256(Buffer.from(BODY)));
    expect(rows[0].answerHash).toEqual(toSha256(answer.body as Uint8Array));
    expect(permits.count).toBe(0);
    expect(answered).toMatchObject([{ model: 'm', status: 200, code: null, items: 1 }]);
  });

  test.each([
    ['the rate', 'rate', 429, 'GATEWAY_RATE_LIMITED'],
    ['the budget of a day', 'daily', 429, 'GATEWAY_BUDGET_EXHAUSTED'],
    ['the budget of all time', 'lifetime', 429, 'GATEWAY_BUDGET_EXHAUSTED'],
    ['a store that is away', 'store', 503, 'GATEWAY_LIMITS_UNAVAILABLE'],
  ] as const)('that %s refuses asks no model, has no row, and leaves nothing held', async (_name, by, status, code) => {
    let runs = 0;
    const run: ServedModel['run'] = (inputs) => {
      runs++;
      return double(inputs);
    };
    const { handle, permits } = open({ limiter: refuse(by), run });
    const answer = await handle(toRequest());
    expect([answer.status, findCode(answer)]).toEqual([status, code]);
    expect([runs, rows.length, permits.count]).toEqual([0, 0, 0]);
  });

  test('beyond as many as may be at work is refused; places come back when the others end', async () => {
    const free: (() => void)[] = [];
    const run: ServedModel['run'] = (inputs) => new Promise((done) => free.push(() => void double(inputs).then(done)));
    const { handle, permits } = open({ run });
    const working = [handle(toRequest()), handle(toRequest())];
    await new Promise(setImmediate);
    expect(findCode(await handle(toRequest()))).toBe('GATEWAY_CONCURRENCY');
    for (const go of free) go();
    expect((await Promise.all(working)).map(({ status }) => status)).toEqual([200, 200]);
    expect(permits.count).toBe(0);
  });

  test('that cannot be read costs as much as one that can, and has a row with its code', async () => {
    const { handle } = open();
    const bad = await handle(toRequest({ text: '{' }));
    expect([findCode(bad), remainingOf(bad)]).toEqual(['GATEWAY_INPUT_MALFORMED', 2]);
    expect(remainingOf(await handle(toRequest()))).toBe(1);
    expect(rows.map(({ status, code }) => [status, code])).toEqual([
      [400, 'GATEWAY_INPUT_MALFORMED'],
      [200, null],
    ]);
  });

  test.each([
    ['a code of ours', () => new GatewayError('GATEWAY_MODEL_UNAVAILABLE'), 503, 'GATEWAY_MODEL_UNAVAILABLE', 0],
    ['anything else', () => new RangeError('secret path /m'), 500, 'GATEWAY_INTERNAL', 1],
  ])('for which the model fails by %s is given back, and says nothing of the inside', async (_name, make, status, code, told) => {
    const { handle, permits } = open({ run: () => Promise.reject(make()) });
    const answer = await handle(toRequest());
    expect([answer.status, findCode(answer), faults.length]).toEqual([status, code, told]);
    expect(Buffer.from(answer.body as Uint8Array).toString()).not.toContain('secret');
    expect(permits.count).toBe(0);
    expect(remainingOf(await open().handle(toRequest()))).toBe(2);
    expect(rows[0]).toMatchObject({ status, code });
  });

  test('whose row cannot be kept has no answer', async () => {
    const { handle, permits } = open({
      append: () => {
        throw new GatewayError('GATEWAY_LOG_FULL');
      },
    });
    const answer = await handle(toRequest());
    expect([answer.status, findCode(answer)]).toEqual([503, 'GATEWAY_LOG_FULL']);
    expect(Buffer.from(answer.body as Uint8Array).toString()).not.toContain('outputs');
    expect([rows.length, permits.count]).toEqual([0, 0]);
  });

  test('with more bytes or rows than its key allows is refused', async () => {
    const { handle } = open();
    expect(findCode(await handle(toRequest({ text: BODY + ' '.repeat(200) })))).toBe('GATEWAY_BODY_TOO_LARGE');
    const many = { name: 'x', datatype: 'FP32', shape: [5, 2], data: Array<number>(10).fill(0) };
    expect(findCode(await handle(toRequest({ text: JSON.stringify({ inputs: [many] }) })))).toBe(
      'GATEWAY_BATCH_TOO_LARGE',
    );
  });

  test('of an address that failed too often is refused before anybody looks who asks', async () => {
    const { handle } = open({ identity: { isKnown: false, code: 'GATEWAY_CREDENTIAL_INVALID' } });
    const codes = [];
    for (let n = 0; n < 4; n++) codes.push(findCode(await handle(toRequest())));
    expect(codes).toEqual([
      'GATEWAY_CREDENTIAL_INVALID',
      'GATEWAY_CREDENTIAL_INVALID',
      'GATEWAY_RATE_LIMITED',
      'GATEWAY_RATE_LIMITED',
    ]);
    expect(rows).toEqual([]);
  });

  test('of somebody who cannot be looked up is no failure of his address', async () => {
    const { handle } = open({ identity: { isKnown: false, code: 'GATEWAY_IDENTITY_UNAVAILABLE' } });
    const codes = [];
    for (let n = 0; n < 4; n++) codes.push(findCode(await handle(toRequest())));
    expect(codes).toEqual(Array(4).fill('GATEWAY_IDENTITY_UNAVAILABLE'));
  });

  test('for what is not there, or not for this caller, is told the same', async () => {
    const { handle } = open({ identity: { isKnown: true, principal: { ...principal, scopes: ['infer:other'] } } });
    const answers = [await handle(toRequest()), await handle(toRequest({ path: '/v2/models/none/infer' }))];
    expect(answers.map(findCode)).toEqual(['GATEWAY_NOT_ALLOWED', 'GATEWAY_NOT_ALLOWED']);
    expect(answers[0].body).toEqual(answers[1].body);
  });

  test('for health is answered to anybody only where that was said', async () => {
    const ask = toRequest({ method: 'GET', path: '/v2/health/live', text: '' });
    const identity = { isKnown: false, code: 'GATEWAY_CREDENTIAL_MISSING' } as const;
    expect((await open({ identity }).handle(ask)).status).toBe(401);
    expect((await open({ identity, isHealthOpen: true }).handle(ask)).status).toBe(200);
  });
});

describe('a caller', () => {
  const CHAT = { path: '/v1/chat/completions', text: '{"model":"m","messages":[]}' };

  test('who is not known has no body read, whatever its model is named in', async () => {
    const identity = { isKnown: false, code: 'GATEWAY_CREDENTIAL_MISSING' } as const;
    const { handle } = open({ identity, protocol: createOpenAi() });
    const codes = [];
    for (const text of ['{', CHAT.text]) codes.push(findCode(await handle(toRequest({ ...CHAT, text }))));
    expect(codes).toEqual(['GATEWAY_CREDENTIAL_MISSING', 'GATEWAY_CREDENTIAL_MISSING']);
    // Malformed ones count for the address, too.
    expect(findCode(await handle(toRequest(CHAT)))).toBe('GATEWAY_RATE_LIMITED');
    expect(faults).toEqual([]);
  });

  test('above his rate is refused before anything is read, and told why no more', async () => {
    let reads = 0;
    const target: Target = {
      ...{ model: 'm', versions: () => ['1'], isAskedBy: () => true, isReady: () => true, findSignature: () => null },
      prepare: () => {
        reads += 1;
        throw new GatewayError('GATEWAY_INPUT_MALFORMED');
      },
    };
    const { handle, permits } = open({ target });
    const codes = [];
    for (let n = 0; n < 6; n++) codes.push(findCode(await handle(toRequest())));
    expect(codes).toEqual([
      ...['GATEWAY_INPUT_MALFORMED', 'GATEWAY_INPUT_MALFORMED', 'GATEWAY_INPUT_MALFORMED'],
      ...['GATEWAY_RATE_LIMITED', 'GATEWAY_RATE_LIMITED', 'GATEWAY_RATE_LIMITED'],
    ]);
    expect([reads, rows.length, permits.count]).toEqual([4, 3, 0]);
    nowUs += 1_000_000;
    expect(findCode(await handle(toRequest()))).toBe('GATEWAY_INPUT_MALFORMED');
  });

  test('whose requests make the model fail comes no faster by that', async () => {
    const { handle } = open({ run: () => Promise.reject(new GatewayError('GATEWAY_MODEL_FAILED')) });
    const codes = [];
    for (let n = 0; n < 4; n++) codes.push(findCode(await handle(toRequest())));
    expect(codes).toEqual([
      ...['GATEWAY_MODEL_FAILED', 'GATEWAY_MODEL_FAILED', 'GATEWAY_MODEL_FAILED'],
      'GATEWAY_RATE_LIMITED',
    ]);
    const lost = { GATEWAY_MODEL_UNAVAILABLE: 'run', GATEWAY_UPSTREAM_UNREACHABLE: 'reset' } as const;
    for (const [code, reason] of Object.entries(lost) as [keyof typeof lost, string][]) {
      const ended = open({ run: () => Promise.reject(new GatewayError(code, { fields: { reason } })) });
      for (let n = 0; n < 3; n++) expect(findCode(await ended.handle(toRequest()))).toBe(code);
      expect(findCode(await ended.handle(toRequest()))).toBe('GATEWAY_RATE_LIMITED');
    }
    const away = open({ run: () => Promise.reject(new GatewayError('GATEWAY_MODEL_UNAVAILABLE')) });
    for (let n = 0; n < 6; n++) expect(findCode(await away.handle(toRequest()))).toBe('GATEWAY_MODEL_UNAVAILABLE');
  });

  test('who does not take his large answers gets no more of them than may be at work', async () => {
    const body = Buffer.alloc(100_000);
    const run = () => Promise.resolve({ status: 200, headers: [], body });
    const target: Target = {
      ...{ model: 'm', versions: () => ['1'], isAskedBy: () => true, isReady: () => true, findSignature: () => null },
      prepare: () => ({ version: '1', items: 1, tensorHash: null, run }),
    };
    const { handle, permits } = open({ target });
    const answers = [await handle(toRequest()), await handle(toRequest())];
    expect([findCode(await handle(toRequest())), permits.count]).toEqual(['GATEWAY_CONCURRENCY', 2]);
    for (const [at, { onSent }] of answers.entries()) onSent?.(at === 0);
    expect(permits.count).toBe(0);
  });

  test('who leaves before the first event of a stream has the row of its end, and one who stays has one alone', async () => {
    async function* toBody(): AsyncGenerator<Uint8Array> {
      yield await Promise.resolve(Buffer.from('data: 1\n\n'));
    }
    const target: Target = {
      ...{ model: 'm', versions: () => ['1'], isAskedBy: () => true, isReady: () => true, findSignature: () => null },
      prepare: () => ({
        ...{ version: '1', items: 1, tensorHash: null },
        run: () => Promise.resolve({ status: 200, headers: [], body: toBody() }),
      }),
    };
    const { handle, permits } = open({ target });
    const gone = await handle(toRequest());
    gone.onSent?.(false);
    gone.onSent?.(false);
    expect(rows.map(({ status, code }) => [status, code])).toEqual([
      [100, null],
      [200, 'GATEWAY_STREAM_CUT'],
    ]);
    const stays = await handle(toRequest());
    for await (const event of stays.body as AsyncIterable<Uint8Array>) expect(event.length).toBe(9);
    stays.onSent?.(true);
    expect(rows.slice(2).map(({ status, code }) => [status, code])).toEqual([
      [100, null],
      [200, null],
    ]);
    expect([permits.count, answered.length]).toEqual([0, 2]);
  });
});

describe('the row of the end of a stream', () => {
  test.each([
    'before its first event',
    'after it',
  ])('names what came in also where the front has let go of the body, of a caller who left %s', async (when) => {
    async function* toBody(): AsyncGenerator<Uint8Array> {
      yield await Promise.resolve(Buffer.from('data: 1\n\n'));
    }
    const target: Target = {
      ...{ model: 'm', versions: () => ['1'], isAskedBy: () => true, isReady: () => true, findSignature: () => null },
      prepare: () => ({
        ...{ version: '1', items: 1, tensorHash: null },
        run: () => Promise.resolve({ status: 200, headers: [], body: toBody() }),
      }),
    };
    const { handle } = open({ target, hashKey: Buffer.alloc(32, 7) });
    const request = { ...toRequest() };
    const { body, onSent } = await handle(request);
    const events = (body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
    if (when === 'after it') await events.next();
    request.body = new Uint8Array();
    await events.return?.();
    onSent?.(false);
    const [begun, ended] = rows.map(({ inputHash, inputBytes }) => [
      Buffer.from(inputHash).toString('hex'),
      inputBytes,
    ]);
    expect(ended).toEqual(begun);
    expect(begun).toEqual([
      Buffer.from(hmacSha256(Buffer.alloc(32, 7), Buffer.from(BODY))).toString('hex'),
      BODY.length,
    ]);
    expect(answered.at(-1)?.inputBytes).toBe(BODY.length);
  });
});

describe('a model', () => {
  const value = (name: string, dtype: 'f32' | null, shape: (number | string | null)[] | null) => ({
    name,
    dtype,
    shape,
  });

  test('tells callers its tensors; free axes have no length, outputs that are none are left out', () => {
    const loaded = {
      inputs: [value('x', 'f32', ['n', 2])],
      outputs: [value('y', 'f32', [null]), value('z', null, null)],
    };
    expect(toSignature(loaded)).toEqual({
      inputs: [{ name: 'x', dtype: 'f32', shape: [null, 2] }],
      outputs: [{ name: 'y', dtype: 'f32', shape: [null] }],
    });
  });

  test.each([
    ['an input that is no tensor', { inputs: [value('x', null, null)], outputs: [value('y', 'f32', [1])] }],
    ['no output that is one', { inputs: [value('x', 'f32', [1])], outputs: [value('y', null, null)] }],
    [
      'an input of nine axes',
      { inputs: [value('x', 'f32', Array<number>(9).fill(1))], outputs: [value('y', 'f32', [1])] },
    ],
  ])('with %s is not served', (_name, loaded) => {
    expect(() => toSignature(loaded)).toThrow(expect.objectContaining({ code: 'GATEWAY_MODEL_UNFIT' }));
  });
});
