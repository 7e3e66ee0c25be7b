/** Containers of platforms: what each platform's contract says, against the real gateway that is started as the platform starts it. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { readGatewayConfig } from '../../src/gateway/index.ts';
import { bin, createWorkplace, samples } from '../e2e/command.ts';
import { findFreePort } from '../free-port.ts';
import { type Answer, deploy, readRecipe, type Started, startProgram, waitForPort } from './kit.ts';

const place = createWorkplace();
const at = (...parts: readonly string[]): string => join(place.folder, ...parts);
const running: Started[] = [];
const ROW = Array<number>(144).fill(0.25);

beforeAll(() => {
  mkdirSync(at('model'));
  copyFileSync(join(samples, 'mlp.onnx'), at('model/model.seal'));
});
afterEach(async () => {
  for (const { child, ended } of running.splice(0)) {
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
  }
});
afterAll(() => {
  place.remove();
});

interface Ask {
  readonly port: number;
  readonly method?: string;
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

function ask({ port, method = 'POST', path, body, headers = {} }: Ask): Promise<Answer> {
  return new Promise((done, fail) => {
    const type = { 'content-type': 'application/json' };
    const sent = request({ host: '127.0.0.1', port, method, path, headers: { ...type, ...headers } }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        done({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) });
      });
    });
    sent.on('error', fail);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** The recipe's configuration, with a model of this machine in place of a sealed one, whose key is in a cloud. */
function writeConfig(recipe: string, path: string): void {
  const { models, ...rest } = parse(readRecipe(recipe, 'gateway.yaml')) as { models: readonly { name: string }[] };
  const held = models.map(({ name }) => ({ name, file: at('model/model.seal') }));
  writeFileSync(path, JSON.stringify({ ...rest, models: held }));
}

async function start(words: readonly string[], port: number, env: Readonly<Record<string, string>>): Promise<Started> {
  const own = { MODELWARD_HOME: place.home, NO_COLOR: '1', MODELWARD_MEMORY_WARNING: '0' };
  const started = startProgram(process.execPath, words, { cwd: place.folder, env: { ...own, ...env } });
  running.push(started);
  await waitForPort(port, started);
  return started;
}

describe('SageMaker hosting', () => {
  const startContainer = (port: number): Promise<Started> => {
    writeConfig('sagemaker', at('model/gateway.yaml'));
    const env = { SM_MODEL_DIR: at('model'), MODELWARD_BIN: bin, SAGEMAKER_BIND_TO_PORT: String(port) };
    // As "docker run IMAGE serve".
    return start([join(deploy, 'sagemaker/entry.mjs'), 'serve'], port, env);
  };

  test('asks /ping and /invocations without a credential, and is answered; everything else is closed', async () => {
    const port = await findFreePort();
    const { told } = await startContainer(port);
    const ping = await ask({ port, method: 'GET', path: '/ping' });
    expect([ping.status, ping.body.length]).toEqual([200, 0]);
    const headers = { 'x-amzn-sagemaker-custom-attributes': 'trace=1', accept: 'application/json' };
    const answer = await ask({ port, path: '/invocations', body: { instances: [[toImage()]] }, headers });
    expect(answer.status).toBe(200);
    expect(toScores(JSON.parse(answer.body.toString()))).toHaveLength(10);
    const target = { 'x-amzn-sagemaker-target-model': 'other' };
    expect(
      (await ask({ port, path: '/invocations', body: { instances: [[toImage()]] }, headers: target })).status,
    ).toBe(403);
    for (const path of ['/v2', '/v2/models/classifier', '/models', '/metrics']) {
      expect((await ask({ port, method: 'GET', path })).status).toBe(404);
    }
    expect(told()).toContain('callers are not asked who they are');
  });

  test('a credential that is shown is judged all the same', async () => {
    const port = await findFreePort();
    await startContainer(port);
    const headers = { authorization: 'Bearer mw_live_000000000000000000000000000000000000' };
    const body = { instances: [[toImage()]] };
    expect((await ask({ port, path: '/invocations', body, headers })).status).toBe(401);
  });

  test('says no other word than "serve"', async () => {
    const started = startProgram(process.execPath, [join(deploy, 'sagemaker/entry.mjs'), 'train'], {
      cwd: place.folder,
    });
    expect([await started.ended, started.told()]).toEqual([2, expect.stringContaining('cannot train')]);
  });
});

describe('Vertex AI prediction', () => {
  test('names port and paths by variables; instances become predictions', async () => {
    const port = await findFreePort();
    const predict = '/v1/endpoints/1234/deployedModels/5678:predict';
    const health = '/v1/endpoints/1234/deployedModels/5678';
    writeConfig('vertex', at('vertex.yaml'));
    const [, words] = /^CMD \["(.*)"\]$/m.exec(readRecipe('vertex', 'Dockerfile')) ?? [];
    const command = words.split('", "').map((word) => word.replace('/etc/modelward/gateway.yaml', 'vertex.yaml'));
    const env = { AIP_HTTP_PORT: String(port), AIP_PREDICT_ROUTE: predict, AIP_HEALTH_ROUTE: health };
    await start([bin, ...command], port, env);
    expect((await ask({ port, method: 'GET', path: health })).status).toBe(200);
    const answer = await ask({ port, path: predict, body: { instances: [[toImage()], [toImage()]] } });
    expect(answer.status).toBe(200);
    const { predictions } = JSON.parse(answer.body.toString()) as { predictions: unknown[] };
    expect(predictions).toHaveLength(2);
    expect((await ask({ port, path: '/predict', body: { instances: [[toImage()]] } })).status).toBe(404);
    const wrong = await ask({ port, path: predict, body: { instances: [['x']] } });
    expect([wrong.status, JSON.parse(wrong.body.toString())]).toMatchObject([400, { error: { code: 400 } }]);
  });
});

test('without --platform or its lines nothing is open: the same words are refused', () => {
  writeFileSync(at('plain.json'), JSON.stringify({ models: [{ name: 'classifier', file: at('model/model.seal') }] }));
  const { status, stderr } = place.run([
    'serve',
    'plain.json',
    '--plaintext',
    '--host',
    '0.0.0.0',
    '--protocol',
    'sagemaker',
  ]);
  expect([status === 0, stderr]).toEqual([false, expect.stringContaining('Plaintext is spoken on loopback alone')]);
});

test.each([
  'sagemaker',
  'vertex',
])('the configuration of %s is one once its platform has said port and paths', (name) => {
  const given = parse(readFileSync(join(deploy, name, 'gateway.yaml'), 'utf8')) as object;
  const { platform, models } = readGatewayConfig({
    ...given,
    listen: { host: '0.0.0.0', port: 8080 },
    protocols: [name],
  });
  expect(platform?.kind).toBe(name);
  // Both platforms end a request after a minute.
  expect(models.every(({ runTimeoutMs }) => runTimeoutMs < 60_000)).toBe(true);
});

/** One row of the model: [12][12] in one channel. */
function toImage(): number[][] {
  return Array.from({ length: 12 }, (_, y) => ROW.slice(12 * y, 12 * y + 12));
}

function toScores(value: unknown): number[] {
  const text = JSON.stringify(value).match(/-?\d+(?:\.\d+)?(?:e[-+]?\d+)?/g) ?? [];
  return text.map(Number);
}
