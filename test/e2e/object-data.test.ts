/**
 * Models whose weights lie in files of their own, in both kinds of object stores, by the real command: sealed from store to store,
 * opened, verified and read for marks where they lie. The stores are fakes that check signatures, tokens, ranges and conditions.
 */
import { spawn } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeWithBuilt } from '../built.ts';
import { type FakeStore, GCS_TOKEN, S3_KEYS, serveFakeGcs, serveFakeS3 } from '../fakes/object-store.ts';
import { seededBytes } from '../fakes/seal-kit.ts';
import { tinyExternal, tinyModel, tinyNode, tinyValue } from '../tiny-onnx.ts';
import { bin, createWorkplace, type Run, type Workplace } from './command.ts';

/** Rows of weights that look trained: numbers around zero, from a fixed seed. */
function makeWeights(seed: number, count: number): Uint8Array {
  const draws = seededBytes(seed, count * 4);
  const view = new DataView(draws.buffer, draws.byteOffset, draws.byteLength);
  const values = Float32Array.from(
    { length: count },
    (_, at) => (view.getUint32(at * 4, true) / 0xffffffff - 0.5) * 0.2,
  );
  return new Uint8Array(values.buffer);
}

const SIZES = [
  [144, 256],
  [256, 192],
  [192, 16],
] as const;
/** Two data files, one of them with two tensors, in a folder below the model. */
const PLACES = [
  { location: 'data/first.bin', offset: 0 },
  { location: 'data/rest.bin', offset: 0 },
  { location: 'data/rest.bin', offset: 256 * 192 * 4 },
];

function writeModel(folder: string): void {
  mkdirSync(join(folder, 'data'), { recursive: true });
  const weights = SIZES.map(([rows, columns], at) => makeWeights(at + 1, rows * columns));
  const tensors = SIZES.map((shape, at) =>
    tinyExternal(`w${at}`, 'f32', shape, { ...PLACES[at], length: weights[at].length }),
  );
  const nodes = [
    tinyNode('MatMul', ['x', 'w0'], ['h0']),
    tinyNode('Relu', ['h0'], ['a0']),
    tinyNode('MatMul', ['a0', 'w1'], ['h1']),
    tinyNode('Relu', ['h1'], ['a1']),
    tinyNode('MatMul', ['a1', 'w2'], ['y']),
  ];
  const model = tinyModel({
    inputs: [tinyValue('x', 'f32', ['N', 144])],
    outputs: [tinyValue('y', 'f32', ['N', 16])],
    nodes,
    tensors,
  });
  writeFileSync(join(folder, 'net.onnx'), model);
  writeFileSync(join(folder, 'data/first.bin'), weights[0]);
  writeFileSync(join(folder, 'data/rest.bin'), Buffer.concat([weights[1], weights[2]]));
}

/** Google's metadata server: hands out the one token that the fake store takes. */
function serveMetadata(): Promise<Server> {
  const server = createServer((request, response) => {
    const isAsked = request.headers['metadata-flavor'] === 'Google';
    const body = JSON.stringify({ access_token: GCS_TOKEN, expires_in: 3600, token_type: 'Bearer' });
    response
      .writeHead(isAsked ? 200 : 403, { 'metadata-flavor': 'Google', 'content-type': 'application/json' })
      .end(body);
  });
  return new Promise((done) => {
    server.listen(0, '127.0.0.1', () => {
      done(server);
    });
  });
}

const toPort = (server: Server): number => (server.address() as AddressInfo).port;

describeWithBuilt('models with data files', 'cli/main.js', () => {
  let place: Workplace;
  let marked: string;
  let names: string[];
  beforeAll(() => {
    place = createWorkplace({ isOneProcess: true });
    writeModel(join(place.folder, 'net'));
    place.json(['protect', 'net/net.onnx', '--out', 'out', '--unmeasured']);
    marked = join(place.folder, 'out/marked');
    names = listFiles(marked).filter((name) => /\.(onnx|bin)$/.test(name));
  });
  afterAll(() => {
    place.remove();
  });

  describe.each(['s3', 'gs'] as const)('in %s', (scheme) => {
    let store: FakeStore;
    let metadata: Server;
    beforeAll(async () => {
      store = await (scheme === 's3' ? serveFakeS3() : serveFakeGcs());
      metadata = await serveMetadata();
      for (const name of names) store.put(`/weights/models/net/${name}`, readFileSync(join(marked, name)));
    });
    afterAll(async () => {
      metadata.close();
      await store.close();
    });

    /** The fakes answer from this process, so the command must not block it. */
    const run = (...words: string[]): Promise<Run> => {
      const own = {
        s3: {
          AWS_ACCESS_KEY_ID: S3_KEYS.accessKeyId,
          AWS_SECRET_ACCESS_KEY: S3_KEYS.secretAccessKey,
          AWS_ENDPOINT_URL: store.url,
          AWS_REGION: 'eu-west-1',
        },
        gs: { STORAGE_EMULATOR_HOST: store.url, GCE_METADATA_HOST: `127.0.0.1:${toPort(metadata)}` },
      }[scheme];
      const env = { PATH: process.env.PATH, HOME: place.folder, MODELWARD_HOME: place.home, NO_COLOR: '1', ...own };
      const child = spawn(process.execPath, [bin, ...words, '--json', '--quiet'], { cwd: place.folder, env });
      let [stdout, stderr] = ['', ''];
      child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
      return new Promise((done) =>
        child.once('close', (status) => {
          done({ status, stdout, stderr });
        }),
      );
    };
    const verdictOf = ({ stdout }: Run): string => (JSON.parse(stdout) as { verdict: string }).verdict;
    const model = () => `${scheme}://weights/models/net/${names.find((name) => name.endsWith('.onnx'))!}`;
    const sealed = `${scheme}://weights/sealed/net.seal`;

    test('is sealed from the store into the store, read there by range, and opened with all its files', async () => {
      const seal = await run('seal', model(), '--out', sealed);
      expect([seal.status, seal.stderr]).toEqual([0, '']);
      const size = store.objects.get('/weights/sealed/net.seal')!.bytes.length;
      store.asked.length = 0;
      const inspected = await run('inspect', sealed, '--all');
      expect(inspected.status).toBe(0);
      const opened = await run('open', sealed, '--out', `plain-${scheme}`);
      expect(opened.status).toBe(0);
      for (const name of names) {
        const bytes = readFileSync(join(place.folder, `plain-${scheme}`, name));
        expect(bytes.equals(readFileSync(join(marked, name)))).toBe(true);
      }
      const ranges = store.asked.flatMap(({ method, headers }) => (method === 'GET' ? [headers.range] : []));
      expect(ranges.length).toBeGreaterThan(1);
      for (const range of ranges) {
        const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [];
        expect(Number(to) - Number(from)).toBeLessThan(Math.min(size, 1024 * 1024));
      }
    });

    test('is verified against its baseline; a changed data file, and a missing one, are noticed', async () => {
      const baseline = readdirSync(join(place.folder, 'out')).find((name) => name.endsWith('.baseline.json'))!;
      const verify = () => run('verify', model(), '--baseline', join('out', baseline));
      expect(verdictOf(await verify())).toBe('unchanged');
      const data = `/weights/models/net/${names.find((name) => name.endsWith('.bin'))!}`;
      const before = store.objects.get(data)!.bytes;
      const after = Buffer.from(before);
      after[1003] ^= 0x40;
      store.put(data, after);
      const changed = await verify();
      expect([changed.status, changed.stdout]).toEqual([1, expect.stringMatching(/"w[012]"/)]);
      store.objects.delete(data);
      const missing = await verify();
      expect([missing.status === 0, missing.stdout]).toEqual([false, expect.stringContaining('FORMAT_DATA_MISSING')]);
      store.put(data, before);
    });

    test('is read for its mark where it lies', async () => {
      const detected = await run('detect', model());
      expect([detected.status, verdictOf(detected)]).toEqual([0, 'claim']);
    });

    test('no output of these commands repeats a credential', async () => {
      const runs = [await run('inspect', sealed), await run('inspect', `${scheme}://weights/none.onnx`)];
      for (const { stdout, stderr } of runs) expect(stdout + stderr).not.toMatch(/canary/);
    });
  });
});

/** Names below a folder, with slashes. */
function listFiles(folder: string, below = ''): string[] {
  return readdirSync(join(folder, below), { withFileTypes: true }).flatMap((one) => {
    const name = below === '' ? one.name : `${below}/${one.name}`;
    return one.isDirectory() ? listFiles(folder, name) : [name];
  });
}
