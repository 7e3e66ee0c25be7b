/** Probes and a check of an end point by the command line, the server in this process. */
import { chmodSync, cpSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openWebRuntime } from '../../src/adapters/runtime/index.ts';
import { openData, readRuntimeModel } from '../../src/fidelity/index.ts';
import { openModelPath } from '../../src/formats/index.ts';
import { createModelSpec, exportWeights, generateGlyphs, toOnnx, trainModel } from '../../src/lab/index.ts';
import { openFolder } from '../../src/source/index.ts';
import type { MadeProbes, RemoteReport } from '../../src/workflows/index.ts';
import { plainHandler, serve, type TestServer } from '../endpoint-server.ts';
import { createWorkplace, type Run, samples, type Workplace } from './command.ts';

let place: Workplace;
let claim: string;
let made: MadeProbes;
const servers: TestServer[] = [];

async function serveModel(path: string): Promise<TestServer> {
  const model = openModelPath(path);
  const session = await (await openWebRuntime()).load(readRuntimeModel(model));
  model.close();
  const server = await serve(plainHandler(session));
  servers.push(server);
  return server;
}

/** The command while this process goes on serving. */
const run = (args: readonly string[]): Promise<Run> => place.runBeside(args);

beforeAll(() => {
  place = createWorkplace({ isOneProcess: true });
  cpSync(join(samples, 'mlp.onnx'), join(place.folder, 'mlp.onnx'));
  place.json(['embed', 'mlp.onnx', '--owner', 'acme', '--unmeasured', '--out', 'out']);
  claim = join(
    place.home,
    'claims',
    readdirSync(join(place.home, 'claims')).find((name) => name.endsWith('.claim.json')) ?? '',
  );
  const few = generateGlyphs({ task: 'digits', stream: 'few', count: 1500 });
  for (const name of [1, 2, 3, 4, 5]) {
    const weights = exportWeights(trainModel('mlp', `e2e ${name}`, few));
    writeFileSync(join(place.folder, `null-${name}.onnx`), toOnnx(createModelSpec('mlp'), weights));
  }
  const nulls = [1, 2, 3, 4].map((name) => `null-${name}.onnx`);
  const sizes = ['--count', '150', '--pool', '3000'];
  made = place.json<MadeProbes>([
    'probes',
    'make',
    'out/mlp.marked.onnx',
    '--claim',
    claim,
    ...sizes,
    '--null',
    ...nulls,
  ]);
});
afterAll(async () => {
  await Promise.all(servers.map((server) => server.close()));
  place.remove();
});

describe('verify-remote', () => {
  test('a copy behind an end point is flagged, and a stranger is not', async () => {
    expect(made).toMatchObject({ choice: 'rare', count: 150 });
    const copy = await serveModel(join(place.folder, 'out/mlp.marked.onnx'));
    const key = join(place.folder, 'key');
    writeFileSync(key, 'canary-key\n', { mode: 0o600 });
    const args = ['verify-remote', '--claim', claim, '--rate', '0', '--batch', '25'];
    const flagged = await run([...args, '--url', copy.url, '--api-key-file', key, '--json']);
    const report = JSON.parse(flagged.stdout) as RemoteReport;
    expect(flagged.status).toBe(0);
    expect(report).toMatchObject({ verdict: 'flag', asked: 150, unanswered: 0, queries: 150 });
    expect(copy.asked[0].headers.authorization).toBe('Bearer canary-key');
    expect(flagged.stdout + flagged.stderr).not.toContain('canary-key');

    const stranger = await serveModel(join(place.folder, 'null-5.onnx'));
    const other = await run([...args, '--url', stranger.url, '--expect', 'flag']);
    expect(other.status).toBe(1);
    expect(other.stdout).toContain('verdict: none');
    expect(other.stdout).toContain('never alone a claim');

    chmodSync(key, 0o644);
    const exposed = await run([...args, '--url', copy.url, '--api-key-file', key, '--json']);
    expect(exposed.stdout).toContain('CLI_SECRET_FILE_EXPOSED');
  });

  test('triggers of a last layer are asked the same way, and are exact evidence', async () => {
    const embed = ['trigger', 'embed', 'out/mlp.marked.onnx', '--claim', claim, '--data', join(samples, 'eval.npz')];
    place.json([...embed, '--limit', '0.5', '--out', 't.onnx']);
    const server = await serveModel(join(place.folder, 't.onnx'));
    const args = ['verify-remote', '--claim', claim, '--ask', 'triggers', '--rate', '0', '--json'];
    const report = JSON.parse((await run([...args, '--url', server.url])).stdout) as RemoteReport;
    expect(report).toMatchObject({ type: 'triggers', agreement: 1, unanswered: 0 });
    expect(report.statistic).toMatchObject({ kind: 'exact', chance: 0.1 });
    // Four bits are taken off for the draws of labels that an embedding may try.
    expect(report.evidenceBits).toBeCloseTo(report.asked * Math.log2(10) - 4, 6);
  });

  test('a trigger set that was trained in is asked in the form that the model takes', async () => {
    for (const name of ['images', 'labels']) {
      cpSync(join(samples, `eval-${name}.npy`), join(place.folder, `digits-${name}.npy`));
    }
    const { set } = place.json<{ set: string }>([
      'trigger',
      'make',
      'digits-images.npy',
      '--count',
      '40',
      '--out',
      'set',
    ]);
    // Labels of the exported triggers, by the picture: a model that learned them by heart.
    const folder = openFolder(join(place.folder, 'set'), {});
    const learned = openData({ folder, names: ['triggers.npz'], file: 'triggers.npz' });
    const heart = new Map(
      Array.from({ length: learned.count }, (_, at) => [toPicture([...learned.read(at)]), learned.labels.values[at]]),
    );
    learned.close();
    const server = await serve(({ body }) => {
      const { inputs } = body as { inputs: number[][] };
      return {
        outputs: inputs.map((item) => heart.get(toPicture(item.flat(4).map((value) => 255 * value))) ?? 'none'),
      };
    });
    servers.push(server);
    const args = [
      'verify-remote',
      '--ask',
      'trigger-set',
      '--set',
      set,
      '--set-data',
      'digits-images.npy',
      '--rate',
      '0',
    ];
    const done = await run([...args, '--url', server.url, '--json']);
    expect(JSON.parse(done.stdout)).toMatchObject({ verdict: 'claim', type: 'trigger-set', agreed: 40, asked: 40 });
    const usage = await run(['verify-remote', '--ask', 'trigger-set', '--url', server.url, '--json']);
    expect(usage.stdout).toContain('CLI_USAGE');
  });
});

const toPicture = (values: readonly number[]): string => values.map((value) => Math.round(value)).join();
