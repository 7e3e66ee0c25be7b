/** A gateway whose keys are made by its admin API: what they may, what they are shown, what they use up; and a loop that no model holds. */
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { Agent, createServer, request, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createWorkplace, samples } from './command.ts';
import { makeSlowModel } from './slow-model.ts';
import { BODY, INFER, type Serving, startServing, until } from './serving.ts';

const place = createWorkplace({ isOneProcess: true });
const at = (name: string): string => join(place.folder, name);
let serving: Serving;
/** A server behind that wants a certificate, and the names that it was shown. */
let behind: Server;
const shown: string[] = [];
let ca: string;
let operator: string;

const toConfig = (port: number): string => `
listen: {port: 0, tls: {cert: tls/server.pem, key: tls/server.key}}
models:
  - {name: digits, file: ${join(samples, 'mlp.onnx')}}
  - {name: other, file: ${join(samples, 'mlp.onnx')}}
  - {name: slow, file: slow.onnx, batchRows: 1}
upstreams:
  - name: far
    url: https://127.0.0.1:${port}
    protocol: oip
    tls: {authority: tls/ca.pem, cert: tls/clients/gateway.pem, key: tls/clients/gateway.key}
    models: [{name: far, signature: {inputs: [{name: x, datatype: FP32, shape: [-1, 1]}], outputs: [{name: y, datatype: FP32, shape: [-1, 1]}]}}]
admin: {port: 0, tls: {cert: tls/server.pem, key: tls/server.key}}
openHealth: true
tenants: {acme: {daily: 3}}
budgets: {other: {lifetime: 2}}
limits: {connections: 64, failuresPerMinute: 100000}
`;

async function startBehind(): Promise<void> {
  const [cert, key] = [readFileSync(at('tls/server.pem')), readFileSync(at('tls/server.key'))];
  const terms = { cert, key, ca, requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3' } as const;
  behind = createServer(terms, (incoming, response) => {
    incoming.resume();
    const outputs = [{ name: 'y', datatype: 'FP32', shape: [1, 1], data: [2] }];
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ outputs }));
  });
  behind.on('secureConnection', (socket) => shown.push(socket.getPeerCertificate().subjectaltname ?? ''));
  behind.listen(0, '127.0.0.1');
  await once(behind, 'listening');
}

beforeAll(async () => {
  expect(place.run(['tls', 'init', '127.0.0.1', '--out', 'tls', '--client', 'gateway']).status).toBe(0);
  const scopes = ['--scope', 'keys:read', 'keys:write', 'admin'];
  expect(place.run(['apikey', 'create', '--name', 'op', ...scopes, '-o', 'op.json']).status).toBe(0);
  operator = (JSON.parse(readFileSync(at('op.json'), 'utf8')) as { apiKey: string }).apiKey;
  ca = readFileSync(at('tls/ca.pem'), 'utf8');
  writeFileSync(at('slow.onnx'), makeSlowModel());
  await startBehind();
  writeFileSync(at('gateway.yaml'), toConfig((behind.address() as AddressInfo).port));
  serving = await startServing({ folder: place.folder, home: place.home, args: ['gateway.yaml'] });
});
afterAll(async () => {
  await serving.stop();
  behind.closeAllConnections();
  behind.close();
  place.remove();
});

interface Told {
  readonly status: number;
  readonly code: string;
  readonly text: string;
}

interface Ask {
  readonly key?: string;
  readonly body?: string;
  readonly port?: number;
  readonly agent?: Agent;
}

function ask(line: string, { key, body, port = serving.port, agent }: Ask = {}): Promise<Told> {
  const [method, path] = line.split(' ');
  const headers = {
    ...(key !== undefined && { authorization: `Bearer ${key}` }),
    ...(body !== undefined && { 'content-type': 'application/json' }),
  };
  return new Promise((done, fail) => {
    const to = { host: '127.0.0.1', port, method, path, headers, ca, agent: agent ?? false };
    const sent = request(to, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('error', fail);
      response.on('end', () => {
        const { statusCode: status = 0, headers: told } = response;
        done({ status, code: String(told['x-modelward-code'] ?? ''), text });
      });
    });
    sent.on('error', fail);
    sent.end(body);
  });
}

const infer = (key: string, path = INFER): Promise<Told> => ask(`POST ${path}`, { key, body: BODY });
const toOutcome = ({ status, code }: Told): string => `${status} ${code}`.trim();

/** As the operator, at the admin listener. */
async function administer<T>(line: string, body?: object): Promise<T> {
  const told = await ask(line, {
    key: operator,
    port: serving.adminPort,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  expect([line, told.status < 300, told.text]).toEqual([line, true, told.text]);
  return JSON.parse(told.text) as T;
}

interface Issued {
  readonly key: { readonly id: string };
  readonly apiKey: string;
}

const create = (more: object): Promise<Issued> =>
  administer('POST /v1/keys', { name: 'n', scopes: ['infer:*', 'meta:digits'], ...more });
/** The gateway has looked at the table since the change; asked so that nothing is charged. */
const isKnown = (key: string) => async (): Promise<boolean> =>
  (await infer(key, '/v2/models/absent/infer')).status === 403;
const isUnknown = (key: string) => async (): Promise<boolean> => (await infer(key)).status === 401;

test('a key of the admin API asks within its terms; both secrets of a rotation do, and none once it is revoked', async () => {
  const { key, apiKey } = await create({ tenant: 'labels', output: { isLabelOnly: true }, networks: ['127.0.0.0/8'] });
  await until('let in', isKnown(apiKey));
  const told = await infer(apiKey);
  expect(JSON.parse(told.text)).toMatchObject({ outputs: [{ datatype: 'INT64', shape: [1], data: [8] }] });
  const second = await administer<Issued>(`POST /v1/keys/${key.id}/rotate`, { overlapSec: 3600 });
  await until('let in, too', isKnown(second.apiKey));
  expect((await infer(apiKey)).status).toBe(200);
  const elsewhere = await create({ tenant: 'labels', networks: ['192.0.2.0/24'] });
  await until('known', isKnown(elsewhere.apiKey));
  expect(toOutcome(await infer(elsewhere.apiKey))).toBe('403 GATEWAY_ADDRESS_REFUSED');
  await administer(`DELETE /v1/keys/${key.id}`);
  await until('refused', isUnknown(apiKey));
  expect(toOutcome(await infer(second.apiKey))).toBe('401 GATEWAY_CREDENTIAL_INVALID');
});

test('budgets of the configuration hold over all keys of a tenant, and over all callers of a model', async () => {
  const [one, two, other] = [
    await create({ tenant: 'acme' }),
    await create({ tenant: 'acme' }),
    await create({ tenant: 'zenith' }),
  ];
  await until('let in', async () => (await isKnown(other.apiKey)()) && isKnown(two.apiKey)());
  const outcomes: string[] = [];
  for (const { apiKey } of [one, two, one, two, one]) outcomes.push(toOutcome(await infer(apiKey)));
  const refused = '429 GATEWAY_BUDGET_EXHAUSTED';
  expect(outcomes).toEqual(['200', '200', '200', refused, refused]);
  const models: string[] = [];
  for (const path of ['other', 'other', 'other', 'digits']) {
    models.push(toOutcome(await infer(other.apiKey, `/v2/models/${path}/infer`)));
  }
  expect(models).toEqual(['200', '200', refused, '200']);
  const { uses } = await administer<{ uses: object[] }>('GET /v1/limits');
  expect(uses).toEqual([
    { subject: 'tenant:acme', kind: 'daily', limit: 3, used: 3 },
    { subject: 'model:other', kind: 'lifetime', limit: 2, used: 2 },
  ]);
});

test('a server behind that wants a certificate is shown that of the gateway, and asked over TLS 1.3', async () => {
  const { apiKey } = await create({ tenant: 'far' });
  await until('let in', isKnown(apiKey));
  const input = { name: 'x', datatype: 'FP32', shape: [1, 1], data: [1] };
  const told = await ask('POST /v2/models/far/infer', { key: apiKey, body: JSON.stringify({ inputs: [input] }) });
  expect([toOutcome(told), told.text]).toEqual(['200', expect.stringContaining('"data":[2]')]);
  expect(new Set(shown)).toEqual(new Set([expect.stringContaining('/client/gateway')]));
});

test('while a model runs, everybody else is answered', async () => {
  const { apiKey } = await create({ tenant: 'slow' });
  await until('let in', isKnown(apiKey));
  const agent = new Agent({ keepAlive: true });
  const input = { name: 'x', datatype: 'FP32', shape: [64, 1], data: Array<number>(64).fill(1) };
  let isRunning = (): boolean => true;
  const run = ask('POST /v2/models/slow/infer', { key: apiKey, body: JSON.stringify({ inputs: [input] }) }).finally(
    () => (isRunning = () => false),
  );
  let answered = 0;
  while (isRunning()) {
    expect((await ask('GET /v2/health/live', { agent })).status).toBe(200);
    if (isRunning()) answered += 1;
  }
  agent.destroy();
  expect(toOutcome(await run)).toBe('200');
  // Were it run by the thread that answers, at most one would come through before.
  expect(answered).toBeGreaterThan(10);
});

test('one peer has a quarter of the connections that the configuration allows', async () => {
  const held: TLSSocket[] = [];
  const isLetIn = (): Promise<boolean> =>
    new Promise((done) => {
      const socket = connect({ host: '127.0.0.1', port: serving.port, ca }, () => {
        held.push(socket);
        done(true);
      });
      socket.on('error', () => undefined);
      socket.on('close', () => {
        done(false);
      });
    });
  // Connections of the tests before may still be counted.
  await until('so many are let in', async () => (await isLetIn()) && held.length === 16);
  for (let n = 0; n < 8; n += 1) expect(await isLetIn()).toBe(false);
  for (const socket of held) socket.destroy();
});
