/** Clients that others wrote, Triton's over HTTP and gRPC and OpenAI's, ask servers behind the built gateway. */
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { createWorkplace, type Workplace } from '../e2e/command.ts';
import { type Serving, startServing } from '../e2e/serving.ts';
import {
  type InferenceServer,
  openGrpcServer,
  openOipServer,
  openOpenAiServer,
  SLIP,
} from '../gateway/inference-servers.ts';
import { describeWhere, hasProgram } from '../shared-data.ts';

const PYTHON = resolve(import.meta.dirname, '../oracles/.venv/bin/python');
const MODULES = 'import tritonclient.http, tritonclient.grpc, openai';

interface Told {
  readonly http: Readonly<Record<string, unknown>>;
  readonly grpc: Readonly<Record<string, unknown>>;
  readonly json: unknown;
  readonly metadata: readonly object[];
  readonly openai: Readonly<Record<string, unknown>>;
}

describeWhere(hasProgram(PYTHON, ['-c', MODULES]), 'clients of others', 'tritonclient and openai (PyPI)', () => {
  let place: Workplace;
  let gateway: Serving;
  let told: Told;
  let text: string;
  const servers: InferenceServer[] = [];

  beforeAll(async () => {
    servers.push(await openOipServer(), await openGrpcServer(), await openOpenAiServer());
    place = createWorkplace();
    place.run(['apikey', 'create', '--name', 'a', '--model', '*', '--burst', '1000', '-o', 'a.json']);
    const { apiKey } = JSON.parse(readFileSync(join(place.folder, 'a.json'), 'utf8')) as { readonly apiKey: string };
    const net = [{ name: 'net', versions: ['1', '2'], signature: 'server' }];
    const [oip, grpc, openai] = servers.map(({ url }, at) => ({
      name: `s${at}`,
      url,
      readiness: { timeoutMs: 60_000 },
    }));
    const upstreams = [
      { ...oip, protocol: 'oip', models: net },
      { ...grpc, protocol: 'oip-grpc', models: net },
      { ...openai, protocol: 'openai', models: [{ name: 'llm' }], openai: { maxTokens: 100 } },
    ];
    writeFileSync(join(place.folder, 'gateway.yaml'), stringify({ upstreams }));
    const args = ['gateway.yaml', '--port', '0', '--plaintext'];
    gateway = await startServing({ folder: place.folder, home: place.home, args });
    const script = join(import.meta.dirname, 'gateway_clients.py');
    ({ stdout: text } = await promisify(execFile)(PYTHON, [script, String(gateway.port), apiKey], {
      maxBuffer: 1 << 24,
    }));
    told = JSON.parse(text) as Told;
  });

  afterAll(async () => {
    gateway.child.kill('SIGKILL');
    await Promise.all(servers.map((server) => server.close()));
    place.remove();
  });

  const DOUBLED = [[2, -5], [6, Math.fround(8e-3)]]; // biome-ignore format: one line

  test.each(['http', 'grpc'] as const)('Triton’s over %s asks, and understands what it is refused', (kind) => {
    expect(told[kind]).toMatchObject({
      live: true,
      ready: true,
      model: true,
      version: true,
      all: DOUBLED,
      wanted: DOUBLED,
    });
    expect(told[kind].other).toContain('GATEWAY_NOT_ALLOWED');
    expect(told[kind].shape).toContain('GATEWAY_INPUT_SHAPE');
  });

  test('Triton’s reads values of JSON, and what a model takes', () => {
    expect(told.json).toEqual(DOUBLED);
    const { metadata: [http, grpc] } = told; // biome-ignore format: one line
    const inputs = [{ name: 'x', datatype: 'FP32' }];
    expect(http).toMatchObject({ name: 'net', versions: ['1', '2'], platform: 'modelward', inputs });
    expect(grpc).toMatchObject({ name: 'net', versions: ['1', '2'], platform: 'modelward', inputs });
  });

  test('OpenAI’s asks, whole and in pieces, and knows its errors', () => {
    expect(told.openai).toEqual({
      ...{ whole: 'good morning everybody', model: 'llm', pieces: ['good', 'morning', 'everybody'] },
      list: ['llm'],
      tokens: ['PermissionDeniedError', 'GATEWAY_OUTPUT_NOT_ALLOWED'],
      absent: ['PermissionDeniedError', 'GATEWAY_NOT_ALLOWED'],
      member: ['BadRequestError', 'GATEWAY_INPUT_MALFORMED'],
    });
  });

  test('nothing of a server reaches them', () => {
    expect(text).not.toContain(SLIP);
  });
});
