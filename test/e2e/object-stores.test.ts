/** Models in object stores, by the real command: moto answers as S3 does. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hasMoto, type Moto, startMoto } from '../moto.ts';
import { describeWhere } from '../shared-data.ts';
import { createWorkplace, samples, type Workplace } from './command.ts';

const MODEL = join(samples, 'mlp.onnx');
const OWN = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_ENDPOINT_URL', 'AWS_REGION'] as const;

describeWhere(hasMoto, 'models in a bucket', 'moto in test/oracles/.venv', () => {
  let moto: Moto;
  let place: Workplace;
  const before = OWN.map((name) => [name, process.env[name]] as const);

  const put = async (path: string, body?: Uint8Array): Promise<void> => {
    const reply = await fetch(`${moto.url}/${path}`, {
      method: 'PUT',
      headers: { connection: 'close' },
      ...(body === undefined ? {} : { body }),
    });
    await reply.arrayBuffer();
    expect(reply.status).toBe(200);
  };
  const get = async (path: string): Promise<{ status: number; body: Buffer }> => {
    const reply = await fetch(`${moto.url}/${path}`, { headers: { connection: 'close' } });
    return { status: reply.status, body: Buffer.from(await reply.arrayBuffer()) };
  };

  beforeAll(async () => {
    moto = await startMoto();
    await put('weights');
    Object.assign(process.env, {
      AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE',
      AWS_SECRET_ACCESS_KEY: 'canary-of-the-secret',
      AWS_ENDPOINT_URL: moto.url,
      AWS_REGION: 'us-east-1',
    });
    place = createWorkplace({ isOneProcess: true });
  });

  afterAll(async () => {
    for (const [name, value] of before) {
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
    }
    place.remove();
    await moto.stop();
  });

  test('a model is sealed into it, inspected and opened there; the bytes come back', async () => {
    const address = 's3://weights/release/mlp.seal';
    const sealed = place.json<{ sealed: { path: string; sha256: string; sizeBytes: number } }>([
      ...['seal', MODEL, '--out', address],
    ]);
    expect(sealed.sealed.path).toBe(address);
    const stored = (await get('weights/release/mlp.seal')).body;
    expect(createHash('sha256').update(stored).digest('hex')).toBe(sealed.sealed.sha256);
    expect(stored.length).toBe(sealed.sealed.sizeBytes);

    const report = place.json<{ isSealed: boolean; name: string }>(['inspect', address]);
    expect(report).toMatchObject({ isSealed: true, name: 'mlp.onnx' });
    place.json(['open', address, '--out', 'plain']);
    expect(readFileSync(join(place.folder, 'plain/mlp.onnx')).equals(readFileSync(MODEL))).toBe(true);
  });

  test('an object of that name is not replaced without --force', () => {
    const words = ['seal', MODEL, '--out', 's3://weights/release/mlp.seal'];
    const refused = place.run([...words, '--json']);
    expect(refused.status).toBe(2);
    expect(refused.stdout).toContain('WRITE_EXISTS');
    expect(place.run([...words, '--force']).status).toBe(0);
  });

  test('a plain model with its data under the same prefix is verified and read for marks where it lies', async () => {
    expect(place.run(['protect', MODEL, '--out', 'out', '--unmeasured']).status).toBe(0);
    await put('weights/models/marked.onnx', readFileSync(join(place.folder, 'out/mlp.marked.onnx')));
    const verified = place.json<{ verdict: string }>([
      ...['verify', 's3://weights/models/marked.onnx', '--baseline', 'out/mlp.baseline.json'],
    ]);
    expect(verified.verdict).toBe('unchanged');
    await put('weights/models/marked.baseline.json', readFileSync(join(place.folder, 'out/mlp.baseline.json')));
    expect(place.json<{ baseline: string }>(['verify', 's3://weights/models/marked.onnx']).baseline).toBe(
      's3://weights/models/marked.baseline.json',
    );
    const detected = place.json<{ verdict: string }>(['detect', 's3://weights/models/marked.onnx']);
    expect(detected.verdict).toBe('claim');
  });

  test('a key under the prefix of the weights is refused before anything is sent', () => {
    const out = 's3://weights/apart/mlp.seal';
    const refused = place.run(['seal', MODEL, '--out', out, '--key', 'local:s3://weights/apart/keys/k.json', '--json']);
    expect(refused.stdout).toContain('KEY_NOT_APART');
    expect(place.run(['inspect', out, '--json']).stdout).toContain('SOURCE_NOT_FOUND');
  });

  test('what is missing, what is no address and what takes no address is told with a code and no credential', () => {
    const runs = place.runAll([
      ['inspect', 's3://weights/nothing.onnx', '--json'],
      ['inspect', 's3://no-such-bucket/nothing.onnx', '--json'],
      ['inspect', 's3://weights/../x', '--json'],
      ['inspect', 's3://weights/x?endpoint=http://example.com', '--json'],
      ['scan', 's3://weights/release/mlp.seal', '--json'],
      ['seal', 's3://weights/models/marked.onnx', '--out', 's3://weights/models/marked.onnx', '--force', '--json'],
    ]);
    expect(runs.map(({ stdout }) => (JSON.parse(stdout) as { error: { code: string } }).error.code)).toEqual([
      'SOURCE_NOT_FOUND',
      'SOURCE_NOT_FOUND',
      'OBJECT_ADDRESS_INVALID',
      'OBJECT_ADDRESS_INVALID',
      'OBJECT_NOT_TAKEN',
      'WRITE_OVER_INPUT',
    ]);
    for (const { stdout, stderr } of runs) expect(stdout + stderr).not.toContain('canary');
    expect(existsSync(join(place.folder, 's3:'))).toBe(false);
  });
});
