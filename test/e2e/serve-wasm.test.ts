/** Where the native runtime is not installed, models run as WebAssembly; the gateway says so, and answers the same. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeWithBuilt } from '../built.ts';
import { createWorkplace, samples } from './command.ts';
import { startServing, until } from './serving.ts';

const place = createWorkplace({ isOneProcess: true });
const children: ChildProcess[] = [];
let apiKey: string;

/** Resolves the package to nothing in every process and thread, as if it were not installed. */
const HIDE = `import { register } from 'node:module';
const hook = "export const resolve = (name, context, next) => { if (name === 'onnxruntime-node') throw new Error('not installed'); return next(name, context); };";
register('data:text/javascript,' + encodeURIComponent(hook));`;

beforeAll(() => {
  const create = ['apikey', 'create', '--name', 'a', '--model', '*', '-o', 'a.json'];
  expect(place.run(create).status).toBe(0);
  ({ apiKey } = JSON.parse(readFileSync(join(place.folder, 'a.json'), 'utf8')) as { readonly apiKey: string });
  mkdirSync(join(place.folder, 'hooks'));
  writeFileSync(join(place.folder, 'hooks/hide.mjs'), HIDE);
});
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  place.remove();
});

/** Words of the start, and the scores of one request. */
async function serve(nodeOptions: string): Promise<{ readonly told: string; readonly scores: readonly number[] }> {
  const args = ['--model', `digits=${join(samples, 'mlp.onnx')}`, '--plaintext', '--port', '0'];
  const { folder, home } = place;
  const serving = await startServing({ folder, home, args, env: { NODE_OPTIONS: nodeOptions } });
  children.push(serving.child);
  await until('what runs it', () => serving.told().includes('models run on'));
  const scores = await ask(serving.port);
  await serving.stop();
  return { told: serving.told(), scores };
}

async function ask(port: number): Promise<readonly number[]> {
  const data = Array.from({ length: 144 }, (_, n) => n / 144);
  const body = JSON.stringify({ inputs: [{ name: 'input', datatype: 'FP32', shape: [1, 1, 12, 12], data }] });
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${apiKey}` };
  const sent = request({ host: '127.0.0.1', port, method: 'POST', path: '/v2/models/digits/infer', headers });
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [AsyncIterable<Buffer> & { readonly statusCode: number }];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  expect(response.statusCode).toBe(200);
  return (JSON.parse(Buffer.concat(chunks).toString()) as { outputs: { data: number[] }[] }).outputs[0].data;
}

describeWithBuilt('a gateway without the native runtime', 'cli/inference-worker/compose.js', () => {
  test('says that WebAssembly runs the models, and answers as with the native one', async () => {
    const web = await serve(`--import ${join(place.folder, 'hooks/hide.mjs')}`);
    expect(web.told).toMatch(/models run on onnxruntime-web [\d.]+: WebAssembly, one thread/);
    const usual = await serve('');
    expect(usual.told).toMatch(/models run on onnxruntime-(node|web) [\d.]+/);
    expect(web.scores).toHaveLength(10);
    for (const [n, score] of web.scores.entries()) expect(score).toBeCloseTo(usual.scores[n], 4);
  });
});
