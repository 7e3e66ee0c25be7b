/** A control plane over a desk that remembers what was asked of it. */
import { GatewayError } from '../../src/core/errors.ts';
import { type AdminDesk, createAdminHandler, type KeyView } from '../../src/gateway/admin/index.ts';
import { createIdentifier, createKeyHasher, KeyIndex } from '../../src/gateway/identity/index.ts';
import { createAddressLimiter, MemoryRates } from '../../src/gateway/limits/index.ts';
import { createJournal } from '../../src/gateway/logs/index.ts';
import { createMeter, MetricsRegistry } from '../../src/gateway/metrics/index.ts';
import type { GatewayRequest } from '../../src/gateway/ports.ts';
import { LIMITS, makeKey, makeRequest, WHOLE_OUTPUT } from './api-keys.ts';

export const ID = 'k_0123456789abcdef';

export const hasher = createKeyHasher(null);

export function makeView(changes: Partial<KeyView> = {}): KeyView {
  const created = '2027-01-15T08:00:00.000Z';
  return {
    ...{ id: ID, name: 'a customer', tenant: 'acme', scopes: ['infer:digits'], networks: [] },
    ...{ limits: LIMITS, output: WHOLE_OUTPUT },
    ...{ notBefore: null, expires: null, created, revoked: null, standing: 'active' },
    secrets: [{ last4: 'abcd', created, ends: null, lastUsed: null }],
    ...changes,
  };
}

const ROW = {
  ...{ time: '2027-01-15T08:00:00.000Z', requestId: '0192f0c1-2345-7abc-8def-0123456789ab', principal: `key:${ID}` },
  ...{ tenant: 'acme', model: 'digits', version: '1', protocol: 'oip', status: 200, code: null, items: 1 },
  ...{ inputBytes: 10, answerBytes: 10, durationUs: 500, inputHash: 'ab'.repeat(32), tensorHash: null },
  ...{ isInputKeyed: false, answerHash: null, stream: 's', index: 0 },
};

/** A desk that remembers what was asked of it. */
export function createDesk() {
  const calls: unknown[][] = [];
  const state = { isReady: true, keys: [makeView()], reloading: null as Error | null };
  const note = <T>(result: T, ...call: unknown[]): T => {
    calls.push(call);
    return result;
  };
  const desk: AdminDesk = {
    isReady: () => state.isReady,
    readMetrics: () => {
      const registry = new MetricsRegistry(0);
      const counts = { durationUs: 1, items: 1, inputBytes: 1, answerBytes: 1, route: '', requestId: 'r' };
      createMeter(registry).onAnswer({
        ...counts,
        protocol: 'oip',
        model: 'digits',
        principalId: ID,
        status: 200,
        code: null,
      });
      return Promise.resolve(registry.read());
    },
    keys: {
      list: ({ after, count }) =>
        note(Promise.resolve(state.keys.filter(({ id }) => id > after).slice(0, count)), 'list', after, count),
      find: (id) => {
        const found = state.keys.find((key) => key.id === id);
        return found === undefined ? Promise.reject(new GatewayError('APIKEY_UNKNOWN')) : Promise.resolve(found);
      },
      create: (terms, { id }) =>
        note(Promise.resolve({ key: makeView(), apiKey: 'mwk_live_x', tagKey: 't' }), 'create', terms, id),
      rotate: (id, overlapSec, actor) =>
        note(
          Promise.resolve({ key: makeView(), apiKey: 'mwk_live_x', tagKey: 't' }),
          'rotate',
          id,
          overlapSec,
          actor.id,
        ),
      revoke: (id, actor) => note(Promise.resolve(makeView({ standing: 'revoked' })), 'revoke', id, actor.id),
    },
    models: () => [
      {
        name: 'digits',
        version: '1',
        isReady: true,
        load: 0,
        isBatched: true,
        inputs: [{ name: 'x', dtype: 'f32', shape: [null, 4] }],
        outputs: [],
      },
      { name: 'digits', version: '2', isReady: true, load: 0, isBatched: true, inputs: [], outputs: [] },
    ],
    reloadModel: (name, version) =>
      note(state.reloading === null ? Promise.resolve() : Promise.reject(state.reloading), 'reload', name, version),
    reloadConfig: ({ isSignatureFree }) =>
      note(
        state.reloading === null ? Promise.resolve(['models']) : Promise.reject(state.reloading),
        'reload-config',
        isSignatureFree,
      ),
    readUses: (key) =>
      note(Promise.resolve([{ subject: `key:${ID}`, kind: 'daily' as const, limit: 100, used: 3 }]), 'uses', key),
    readLog: (query) => note(Promise.resolve({ requests: [ROW], next: null }), 'log', query),
    config: () => ({ listen: { port: 8443 } }),
    drain: () => {
      note(undefined, 'drain');
    },
  };
  return { desk, calls, state };
}

export function open() {
  const { desk, calls, state } = createDesk();
  const index = new KeyIndex(hasher);
  index.trustUntil(Infinity);
  let [nowUs, journal] = [0, ''];
  const handle = createAdminHandler({
    desk,
    identifier: createIdentifier({ keys: index, tokens: null, certificates: null, clock: { nowMs: () => 1000 } }),
    addresses: createAddressLimiter({ policy: { perMinute: 60, burst: 500 }, nowUs: () => nowUs }),
    rates: new MemoryRates({ nowUs: () => nowUs }),
    makeRequestId: () => '0192f0c1-2345-7abc-8def-0123456789ab',
    journal: createJournal({
      clock: { nowMs: () => 0 },
      write: (line) => {
        journal += line;
        return true;
      },
    }),
  });
  const addKey = (scopes: readonly string[]): string => {
    const { text, record } = makeKey(hasher, { scopes });
    index.put(record);
    return text;
  };
  const ask = async (
    line: string,
    options: { key?: string; body?: unknown; headers?: Record<string, string>; raw?: string } = {},
  ) => {
    const [method, target] = line.split(' ');
    const [path, query = ''] = target.split('?');
    const json = options.raw ?? (options.body === undefined ? undefined : JSON.stringify(options.body));
    const request: GatewayRequest = {
      ...makeRequest({
        ...(options.key !== undefined && { authorization: `Bearer ${options.key}` }),
        ...(json !== undefined && { 'content-type': 'application/json' }),
        ...options.headers,
      }),
      ...{ method, path, query, body: Buffer.from(json ?? '') },
    };
    const answer = await handle(request);
    const text = Buffer.from(answer.body as Uint8Array).toString();
    const isJson = answer.headers.some(([name, value]) => name === 'content-type' && value === 'application/json');
    const parsed = (isJson ? JSON.parse(text) : {}) as Record<string, unknown> & {
      error?: { code: string; fields?: object };
    };
    return {
      status: answer.status,
      headers: Object.fromEntries(answer.headers),
      text,
      json: parsed,
      code: parsed.error?.code,
    };
  };
  return { ask, addKey, calls, state, toJournal: () => journal, wait: (ms: number) => (nowUs += ms * 1000) };
}

/** A body that each route with one takes. */
export const BODIES: Readonly<Record<string, unknown>> = {
  createKey: { name: 'a customer', tenant: 'acme', scopes: ['infer:digits'] },
  rotateKey: { overlapSec: 3600 },
  reloadModel: {},
  reloadConfig: {},
};
