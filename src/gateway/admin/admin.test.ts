/** What the control plane does: keys, models, bounds, and its lines in the journal. */
import { describe, expect, test } from 'vitest';
import { BODIES, ID, makeView, open } from '../../../test/fakes/admin-desk.ts';
import { RuntimeError } from '../../core/errors.ts';
import { ADMIN_LIMITS } from '../../core/limits/admin.ts';
import { ADMIN_SCOPES } from '../identity/index.ts';
import { toShownConfig } from './index.ts';

const CANARY = 'canary-5ecret';

describe('API keys', () => {
  test('are made with defaults, and the secret is in the answer', async () => {
    const { ask, addKey, calls } = open();
    const key = addKey(['keys:write']);
    const made = await ask('POST /v1/keys', { key, body: { ...(BODIES.createKey as object), limits: { daily: 5 } } });
    expect(made).toMatchObject({
      status: 201,
      headers: { location: `/v1/keys/${ID}` },
      json: { apiKey: 'mwk_live_x' },
    });
    expect(calls[0][1]).toMatchObject({ limits: { perMinute: 120, burst: 20, daily: 5 }, networks: [], expires: null });
    expect(calls[0][2]).toMatch(/^key:k_/);
  });

  test('no caller makes, renews or ends a key that may do more on the control plane than he may', async () => {
    const { ask, addKey, calls, state } = open();
    const key = addKey(['keys:read', 'keys:write']);
    const above = (scope: string) => ({
      status: 403,
      code: 'ADMIN_SCOPE_ABOVE',
      json: { error: { fields: { scope } } },
    });
    for (const scope of ['admin', 'audit:read', 'metrics:read']) {
      const body = { ...(BODIES.createKey as object), scopes: ['infer:digits', scope] };
      expect(await ask('POST /v1/keys', { key, body })).toMatchObject(above(scope));
    }
    state.keys = [makeView({ scopes: ['admin'] })];
    expect(await ask(`POST /v1/keys/${ID}/rotate`, { key, body: BODIES.rotateKey })).toMatchObject(above('admin'));
    expect(await ask(`DELETE /v1/keys/${ID}`, { key })).toMatchObject(above('admin'));
    expect(calls).toEqual([]);
    const body = { ...(BODIES.createKey as object), scopes: ['keys:write', 'meta:*'] };
    expect((await ask('POST /v1/keys', { key, body })).status).toBe(201);
  });

  test('are listed a page at a time', async () => {
    const { ask, addKey, state } = open();
    state.keys = ['a', 'b', 'c'].map((letter) => makeView({ id: `k_${letter.repeat(16)}` }));
    const key = addKey(['keys:read']);
    const first = await ask('GET /v1/keys?count=2', { key });
    expect(first.json).toMatchObject({ keys: [{ id: 'k_aaaaaaaaaaaaaaaa' }, { id: 'k_bbbbbbbbbbbbbbbb' }] });
    expect(first.json.next).toBe('k_bbbbbbbbbbbbbbbb');
    const second = await ask(`GET /v1/keys?count=2&after=${first.json.next as string}`, { key });
    expect(second.json).toMatchObject({ keys: [{ id: 'k_cccccccccccccccc' }], next: null });
  });

  test('of an id that there is not, or that is none', async () => {
    const { ask, addKey } = open();
    const key = addKey(['keys:read', 'keys:write']);
    for (const id of ['k_zzzzzzzzzzzzzzzz', 'x', 'constructor', '__proto__'.slice(2)]) {
      expect(await ask(`GET /v1/keys/${id}`, { key })).toMatchObject({ status: 404, code: 'APIKEY_UNKNOWN' });
      expect(await ask(`DELETE /v1/keys/${id}`, { key })).toMatchObject({ status: 404, code: 'APIKEY_UNKNOWN' });
    }
  });
});

describe('models', () => {
  test('are loaded anew by version, or the newest', async () => {
    const { ask, addKey, calls } = open();
    const key = addKey(['admin']);
    expect((await ask('POST /v1/models/digits/reload', { key, body: {} })).json).toMatchObject({ version: '2' });
    await ask('POST /v1/models/digits/reload', { key, body: { version: '1' } });
    expect(calls).toEqual([
      ['reload', 'digits', '2'],
      ['reload', 'digits', '1'],
    ]);
    const unknown = { status: 404, code: 'ADMIN_MODEL_UNKNOWN' };
    expect(await ask('POST /v1/models/digits/reload', { key, body: { version: '3' } })).toMatchObject(unknown);
    expect(await ask('POST /v1/models/other/reload', { key, body: {} })).toMatchObject(unknown);
  });

  test('a file that cannot be served is a refusal with its code, and nothing of its path', async () => {
    const { ask, addKey, state } = open();
    state.reloading = new RuntimeError('RUNTIME_LOAD_FAILED', { message: CANARY, fields: { path: CANARY } });
    const refused = await ask('POST /v1/models/digits/reload', { key: addKey(['admin']), body: {} });
    expect(refused).toMatchObject({ status: 409, code: 'ADMIN_RELOAD_FAILED' });
    expect(refused.json.error?.fields).toEqual({ reason: 'RUNTIME_LOAD_FAILED' });
    expect(refused.text).not.toContain(CANARY);
  });
});

describe('what a caller sends', () => {
  const createKey = BODIES.createKey as object;

  test.each([
    ['no JSON', '{"name":', 'ADMIN_BODY_MALFORMED', ['(all)']],
    ['no UTF-8', '{"name":"\udc00"}'.slice(0, 5), 'ADMIN_BODY_MALFORMED', ['(all)']],
    ['another type', '[]', 'ADMIN_BODY_MALFORMED', ['(all)']],
    [
      'members that are not known',
      JSON.stringify({ ...createKey, isAdmin: true }),
      'ADMIN_BODY_MALFORMED',
      ['isAdmin'],
    ],
    ['a name that is text', JSON.stringify({ ...createKey, '<b>x</b>': 1 }), 'ADMIN_BODY_MALFORMED', ['(other)']],
    [
      'numbers out of bounds',
      JSON.stringify({ ...createKey, limits: { perMinute: 0, burst: 1e9 } }),
      'ADMIN_BODY_MALFORMED',
      ['limits.perMinute', 'limits.burst'],
    ],
    [
      'times without zone',
      JSON.stringify({ ...createKey, expires: '2027-01-01' }),
      'ADMIN_BODY_MALFORMED',
      ['expires'],
    ],
    ['a depth without end', `${'['.repeat(16_000)}${']'.repeat(16_000)}`, 'ADMIN_BODY_MALFORMED', ['(all)']],
  ] as const)('%s is refused, with its places', async (_, raw, code, at) => {
    const { ask, addKey, calls } = open();
    const refused = await ask('POST /v1/keys', { key: addKey(['keys:write']), raw });
    expect(refused).toMatchObject({ status: 400, code, json: { error: { fields: { at } } } });
    expect(calls).toEqual([]);
  });

  test('more than the cap, as a form, or where nothing is taken', async () => {
    const { ask, addKey } = open();
    const key = addKey(ADMIN_SCOPES);
    const large = { raw: ' '.repeat(ADMIN_LIMITS.bodyBytesMax + 1) };
    expect(await ask('POST /v1/keys', { key, ...large })).toMatchObject({
      status: 413,
      code: 'GATEWAY_BODY_TOO_LARGE',
    });
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data',
      'application/jsonx',
    ]) {
      const headers = { 'content-type': type };
      const refused = await ask('POST /v1/keys', { key, body: createKey, headers });
      expect(refused).toMatchObject({ status: 415, code: 'GATEWAY_CONTENT_TYPE' });
    }
    expect(await ask('POST /v1/drain', { key, body: {} })).toMatchObject({ status: 400, code: 'ADMIN_BODY_MALFORMED' });
  });

  test.each([
    'count=0',
    'count=1e9',
    'count=99999',
    'count=2&count=3',
    'more=1',
    `after=${CANARY}`,
    `after=${'y'.repeat(3000)}`,
  ])('a query %.20s is refused, and not said back', async (query) => {
    const { ask, addKey } = open();
    const refused = await ask(`GET /v1/keys?${query}`, { key: addKey(['keys:read']) });
    expect(refused).toMatchObject({ status: 400, code: 'ADMIN_QUERY_MALFORMED' });
    expect(refused.text).not.toContain(CANARY);
  });

  test('from a page of another origin is refused, whatever it carries', async () => {
    const { ask, addKey, calls } = open();
    const key = addKey(ADMIN_SCOPES);
    const foreign: readonly Record<string, string>[] = [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
    ];
    for (const headers of foreign) {
      expect(await ask('POST /v1/drain', { key, headers })).toMatchObject({ status: 403, code: 'ADMIN_CROSS_SITE' });
    }
    expect(calls).toEqual([]);
    expect((await ask('POST /v1/drain', { key, headers: { cookie: 'a=b' } })).status).toBe(202);
    expect((await ask('POST /v1/drain', { headers: { cookie: `authorization=${key}` } })).status).toBe(401);
  });

  test('too often: one address without a credential, one caller with it', async () => {
    const { ask, addKey, wait } = open();
    const key = addKey(['metrics:read']);
    const statuses = [];
    for (let at = 0; at <= ADMIN_LIMITS.burst; at += 1) statuses.push((await ask('GET /v1/models', { key })).status);
    expect([statuses.filter((status) => status === 200).length, statuses.at(-1)]).toEqual([ADMIN_LIMITS.burst, 429]);
    wait(1000);
    expect((await ask('GET /v1/models', { key })).status).toBe(200);
    let last = await ask('GET /v1/models');
    for (let at = 0; at < 520 && last.status === 401; at += 1) last = await ask('GET /v1/models');
    expect(last).toMatchObject({ status: 429, code: 'GATEWAY_RATE_LIMITED' });
    expect(Number(last.headers['retry-after'])).toBeGreaterThan(0);
  });
});

test('no more requests are at work than may be; a failure of ours is told to the journal alone', async () => {
  const { ask, addKey, state, toJournal } = open();
  const key = addKey(['admin', 'metrics:read']);
  state.reloading = Object.assign(new Error(CANARY), { path: `/secret/${CANARY}` });
  const failed = await ask('POST /v1/models/digits/reload', { key, body: {} });
  expect(failed).toMatchObject({ status: 500, code: 'GATEWAY_INTERNAL' });
  expect(failed.text + toJournal()).not.toContain(CANARY);
  expect(JSON.parse(toJournal())).toMatchObject({
    event: 'fault',
    route: 'POST /v1/models/{name}/reload',
    kind: 'Error',
  });
  const all = await Promise.all(
    Array.from({ length: ADMIN_LIMITS.requestsMax + 1 }, () => ask('GET /metrics', { key })),
  );
  expect(all.map(({ status }) => status).sort()).toEqual([
    ...Array(ADMIN_LIMITS.requestsMax).fill(200),
    503,
  ] as number[]);
});

test('what was done, and what was refused, is a line of the journal, without the key that was made', async () => {
  const { ask, addKey, toJournal } = open();
  const key = addKey(['keys:write']);
  await ask('POST /v1/keys', { key, body: BODIES.createKey });
  await ask('GET /v1/config', { key });
  await ask('GET /v1/config');
  const lines = toJournal()
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as object);
  expect(lines).toMatchObject([
    { event: 'admin-done', route: 'POST /v1/keys', keyId: ID, status: 201 },
    { event: 'admin-refused', route: 'GET /v1/config', code: 'ADMIN_SCOPE_MISSING' },
    { event: 'admin-refused', code: 'GATEWAY_CREDENTIAL_MISSING', status: 401 },
  ]);
  expect(toJournal()).not.toMatch(/mwk_|withheld/);
});

test('a configuration is shown without texts that are no names', () => {
  const config = {
    listen: { host: '127.0.0.1', port: 8443, tls: { cert: `/etc/${CANARY}`, key: CANARY } },
    models: [{ name: 'digits', file: `/models/${CANARY}`, key: `vault://${CANARY}`, instances: 2, queue: null }],
    store: { url: `redis://:${CANARY}@host` },
    protocols: ['oip'],
  };
  expect(toShownConfig(config)).toEqual({
    listen: { host: '127.0.0.1', port: 8443, tls: { cert: '(set)', key: '(set)' } },
    models: [{ name: 'digits', file: '(set)', key: '(set)', instances: 2, queue: null }],
    store: { url: '(set)' },
    protocols: ['oip'],
  });
});
