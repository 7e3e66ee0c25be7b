/** Traces through the steps of a request: handed on to a server behind, told of by spans, and never with an input. */
import { createHash, createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  createAddressLimiter,
  createGateway,
  createLimiter,
  createPermits,
  createProxiedTarget,
  createSpanQueue,
  createTraceStarter,
  type GatewayParts,
  MemoryRates,
  type TraceRules,
} from '../../src/gateway/index.ts';
import type { GatewayRequest, HeaderList, IdentifyResult } from '../../src/gateway/ports.ts';
import { createOip } from '../../src/gateway/protocols/index.ts';
import { chance, makePrincipal, makeRequest } from '../fakes/api-keys.ts';

const PARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
const BODY = Buffer.from('{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2]}]}');
const ANSWER = '{"model_name":"inner","outputs":[{"name":"y","datatype":"FP32","shape":[1,2],"data":[1,2]}]}';
const KNOWN: IdentifyResult = { isKnown: true, principal: makePrincipal({ scopes: ['infer:m'] }) };

function open(rules: TraceRules | null, options: { hashKey?: Uint8Array; identity?: IdentifyResult } = {}) {
  const sent: HeaderList[] = [];
  const spans = createSpanQueue();
  const nowUs = () => 1_000_000;
  const target = createProxiedTarget({
    ...{ model: 'm', protocol: createOip(), versions: [], upstreamName: 'inner', findSignature: () => null },
    ...{ isReady: () => true, answerBytesMax: 1e6, isHashed: true, hashKey: null },
    upstream: {
      name: 'behind',
      send: ({ headers }) => {
        sent.push(headers);
        const type = ['content-type', 'application/json'] as const;
        return Promise.resolve({ status: 200, headers: [type], body: Buffer.from(ANSWER) });
      },
      inFlight: 0,
      close: () => Promise.resolve(),
    },
  });
  const parts: GatewayParts = {
    protocols: [createOip()],
    targets: new Map([['m', target]]),
    addresses: createAddressLimiter({ policy: { perMinute: 60, burst: 2 }, nowUs }),
    identifier: { identify: () => options.identity ?? KNOWN },
    limiter: createLimiter({ rates: new MemoryRates({ nowUs }), budgets: null, tenants: new Map(), models: new Map() }),
    permits: createPermits(),
    sealer: { toHeaders: () => [], toParameters: () => undefined, toLastEvent: () => null },
    log: { append: () => ({ stream: 's', index: 0 }) },
    meter: { onAnswer: () => undefined },
    ...(rules !== null && { tracing: { start: createTraceStarter(chance, rules), spans } }),
    settings: { name: 'g', version: '0', isHealthOpen: false, batchMax: 64, hashKey: options.hashKey ?? null },
    ...{ makeRequestId: () => 'r', nowMs: () => 5000, nowUs },
    onFault: (error) => {
      throw error;
    },
  };
  const handle = createGateway(parts);
  const ask = async (headers: Record<string, string> = {}): Promise<number> => {
    const request: GatewayRequest = {
      ...makeRequest({ 'content-type': 'application/json', ...headers }),
      ...{ path: '/v2/models/m/infer', body: BODY },
    };
    return (await handle(request)).status;
  };
  const valueOf = (name: string): string | undefined => sent[0].find(([one]) => one === name)?.[1];
  return { ask, sent, spans, valueOf };
}

describe('a server behind', () => {
  test('gets no trace where none is kept', async () => {
    const { ask, valueOf } = open(null);
    expect(await ask({ traceparent: PARENT })).toBe(200);
    expect(valueOf('traceparent')).toBeUndefined();
  });

  test('gets the trace of the caller, and the state of other vendors', async () => {
    const { ask, valueOf, spans } = open({ sampleRatio: 0, trustsCallers: false });
    expect(await ask({ traceparent: PARENT, tracestate: 'a=b' })).toBe(200);
    expect([valueOf('traceparent'), valueOf('tracestate')]).toEqual([PARENT.replace(/01$/, '00'), 'a=b']);
    expect(spans.length).toBe(0);
  });

  test('is a child of the span that is told', async () => {
    const { ask, valueOf, spans } = open({ sampleRatio: 1, trustsCallers: false });
    expect(await ask({ traceparent: PARENT })).toBe(200);
    const [{ trace }] = spans.take(1);
    expect(trace).toMatchObject({ traceId: PARENT.slice(3, 35), parentId: PARENT.slice(36, 52) });
    expect(valueOf('traceparent')).toBe(`00-${trace.traceId}-${trace.spanId}-01`);
  });

  test.each([
    'x',
    `${PARENT}\r\nx-injected: 1`,
    '00-0-0-0',
  ])('gets no traceparent %j of a caller', async (traceparent) => {
    const { ask, valueOf } = open({ sampleRatio: 1, trustsCallers: true });
    expect(await ask({ traceparent, tracestate: 'a=b' })).toBe(200);
    expect(valueOf('traceparent')).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    expect(valueOf('tracestate')).toBeUndefined();
  });
});

describe('a span', () => {
  test('has the hash of the body, as the log has it: plain, or under the key of the gateway', async () => {
    const plain = open({ sampleRatio: 1, trustsCallers: false });
    await plain.ask();
    const hash = createHash('sha256').update(BODY).digest();
    expect(plain.spans.take(1)).toMatchObject([{ inputHash: hash, isInputKeyed: false, method: 'POST', timeMs: 5000 }]);
    const hashKey = Buffer.alloc(32, 7);
    const keyed = open({ sampleRatio: 1, trustsCallers: false }, { hashKey });
    await keyed.ask();
    const hmac = createHmac('sha256', hashKey).update(BODY).digest();
    const [{ inputHash, isInputKeyed }] = keyed.spans.take(1);
    expect([Buffer.from(inputHash!), isInputKeyed]).toEqual([hmac, true]);
  });

  test('of a caller who is not known has neither hash nor model', async () => {
    const identity = { isKnown: false, code: 'GATEWAY_CREDENTIAL_INVALID' } as const;
    const { ask, spans } = open({ sampleRatio: 1, trustsCallers: false }, { identity });
    expect(await ask()).toBe(401);
    const [{ inputHash, answered }] = spans.take(1);
    expect([inputHash, answered.model, answered.principalId]).toEqual([null, null, null]);
  });
});
