/** `gs:` against fake-gcs-server, another implementation of Google's API: ranges, generations, resumable uploads, the command. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ObjectClient } from '../../src/adapters/object-store/client.ts';
import { connectObjects } from '../../src/adapters/object-store/connect.ts';
import { systemClock, systemPause, systemRandom } from '../../src/adapters/system/index.ts';
import { parseObjectAddress } from '../../src/source/object-address.ts';
import { bin, samples } from '../e2e/command.ts';
import { serve, type TestServer } from '../endpoint-server.ts';
import { GCS_NEEDED, type GcsServer, hasGcs, startGcs } from '../gcs-server.ts';
import { describeWhere } from '../shared-data.ts';

const MIB = 1024 * 1024;
const KEY = "a b/m+(1)'é.seal";

describeWhere(hasGcs, 'gs: against fake-gcs-server', GCS_NEEDED, () => {
  let gcs: GcsServer;
  let metadata: TestServer;
  let folder: string;

  beforeAll(async () => {
    gcs = await startGcs('weights');
    metadata = await serve((_asked, response) => {
      response.setHeader('metadata-flavor', 'Google');
      return { access_token: 'token-of-the-machine', expires_in: 3599, token_type: 'Bearer' };
    });
    folder = mkdtempSync(join(tmpdir(), 'modelward-gcs-'));
  });

  afterAll(async () => {
    await gcs.stop();
    await metadata.close();
    rmSync(folder, { recursive: true });
  });

  const connect = (): ObjectClient =>
    connectObjects(parseObjectAddress('gs://weights/x'), {
      clock: systemClock,
      random: systemRandom,
      pause: systemPause,
      env: { STORAGE_EMULATOR_HOST: gcs.url },
      credentials: {
        aws: () => () => Promise.reject(new TypeError('AWS is not asked')),
        awsRegion: () => null,
        google: () => () => Promise.resolve('token'),
      },
    });

  test('an upload in pieces has no name before its end; ranges are just its bytes', async () => {
    const bytes = randomBytes(2 * MIB + 17);
    const client = connect();
    const upload = await client.upload(KEY, { replace: false });
    await upload.part(1, bytes.subarray(0, MIB));
    await expect(client.stat(KEY)).rejects.toMatchObject({ code: 'SOURCE_NOT_FOUND' });
    await upload.part(2, bytes.subarray(MIB, 2 * MIB));
    await upload.complete(3, bytes.subarray(2 * MIB));
    const state = await client.stat(KEY);
    expect(state.sizeBytes).toBe(bytes.length);
    for (const [start, end] of [
      [0, 1],
      [MIB - 3, MIB + 3],
      [bytes.length - 1, bytes.length],
    ]) {
      expect(Buffer.from(await client.read(KEY, { ...state, start, end }))).toEqual(bytes.subarray(start, end));
    }
    client.close();
  });

  test('an existing object is refused at once, and one that came meanwhile at the end; --force replaces it', async () => {
    const client = connect();
    const first = await client.upload('twice.seal', { replace: false });
    const second = await client.upload('twice.seal', { replace: false });
    await first.complete(1, Buffer.from('first'));
    await expect(second.complete(1, Buffer.from('second'))).rejects.toMatchObject({ code: 'WRITE_EXISTS' });
    await expect(client.upload('twice.seal', { replace: false })).rejects.toMatchObject({ code: 'WRITE_EXISTS' });
    const state = await client.stat('twice.seal');
    const forced = await client.upload('twice.seal', { replace: true });
    await forced.complete(1, Buffer.from('third'));
    // What was looked at before is not what lies there now.
    const old = client.read('twice.seal', { ...state, start: 0, end: 5 });
    await expect(old).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
    const now = await client.stat('twice.seal');
    expect(Buffer.from(await client.read('twice.seal', { ...now, start: 0, end: 5 })).toString()).toBe('third');
    client.close();
  });

  test('the command seals a model into it, looks at it and opens it there', async () => {
    const env = {
      ...process.env,
      ...{ MODELWARD_HOME: join(folder, 'home'), HOME: folder, NO_COLOR: '1' },
      ...{ STORAGE_EMULATOR_HOST: gcs.url, GCE_METADATA_HOST: metadata.url.replace('http://', '') },
    };
    const run = async (...words: string[]): Promise<Record<string, unknown>> => {
      const { stdout } = await promisify(execFile)(process.execPath, [bin, ...words, '--json', '--quiet'], {
        cwd: folder,
        env,
      });
      return JSON.parse(stdout) as Record<string, unknown>;
    };
    const model = join(samples, 'mlp.onnx');
    const address = 'gs://weights/release/mlp.seal';
    expect(await run('seal', model, '--out', address)).toMatchObject({ sealed: { path: address } });
    expect(await run('inspect', address)).toMatchObject({ isSealed: true, name: 'mlp.onnx' });
    await run('open', address, '--out', 'plain');
    expect(readFileSync(join(folder, 'plain/mlp.onnx'))).toEqual(readFileSync(model));
  });
});
