/** A model sealed under a key of AWS KMS, by the command line, against moto: sealed, rotated, rewrapped, opened, recorded. */
import { cpSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { KeyStatus, RotateResult } from '../../src/workflows/index.ts';
import { createWorkplace, samples, type Workplace } from '../e2e/command.ts';
import { hasMoto, type Moto, startMoto } from '../moto.ts';
import { describeWhere } from '../shared-data.ts';

const SECRET = 'CANARYsecret0123456789';
const CREDENTIALS = { AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE', AWS_SECRET_ACCESS_KEY: SECRET };

describeWhere(hasMoto, 'a sealed model under AWS KMS', 'moto in test/oracles/.venv', () => {
  let moto: Moto;
  let place: Workplace;
  let uri: string;

  const call = async (action: string, body: unknown): Promise<Record<string, never>> => {
    const authorization =
      'AWS4-HMAC-SHA256 Credential=AKIAX/20260102/eu-west-1/kms/aws4_request, SignedHeaders=host, Signature=0';
    const headers = {
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': `TrentService.${action}`,
      authorization,
    };
    const text = await (await fetch(moto.url, { method: 'POST', headers, body: JSON.stringify(body) })).text();
    return (text === '' ? {} : JSON.parse(text)) as Record<string, never>;
  };

  beforeAll(async () => {
    moto = await startMoto();
    Object.assign(process.env, CREDENTIALS);
    const { KeyMetadata } = await call('CreateKey', { KeyUsage: 'ENCRYPT_DECRYPT' });
    await call('CreateAlias', { AliasName: 'alias/models', TargetKeyId: (KeyMetadata as { KeyId: string }).KeyId });
    uri = `aws-kms:alias/models?region=eu-west-1&endpoint=${moto.url}`;
  });

  afterAll(async () => {
    delete process.env.AWS_ACCESS_KEY_ID;
    delete process.env.AWS_SECRET_ACCESS_KEY;
    await moto.stop();
  });

  beforeEach(() => {
    place = createWorkplace();
    cpSync(join(samples, 'mlp.onnx'), join(place.folder, 'mlp.onnx'));
  });

  afterEach(() => {
    place.remove();
  });

  test('is sealed, rotated, opened; every use of the key is in the ledger, no credential anywhere', () => {
    place.json(['seal', 'mlp.onnx', '--key', uri, '--out', 'sealed/mlp.seal']);
    const before = place.json<KeyStatus>(['keys', 'status', '--key', uri]);
    expect(before.versions).toHaveLength(1);
    const rotated = place.json<RotateResult>(['keys', 'rotate', '--key', uri, '--seal', 'sealed/mlp.seal']);
    expect(rotated).toMatchObject({ rewrapped: 1, faults: [], seals: [{ isUnchanged: true }] });
    expect(rotated.to).not.toBe(rotated.from);
    place.json(['open', 'sealed/mlp.seal', '--key', uri, '--out', 'opened']);
    expect(readFileSync(join(place.folder, 'opened/mlp.onnx'))).toEqual(readFileSync(join(samples, 'mlp.onnx')));
    const { entries } = place.json<{ entries: { type: string; detail: { operation?: string } }[] }>(['ledger', 'show']);
    const operations = entries.flatMap(({ type, detail }) => (type === 'key-use-intent' ? [detail.operation] : []));
    expect(operations).toEqual(['wrap', 'rotate', 'rewrap', 'unwrap', 'unwrap']);
    for (const file of readdirSync(place.home, { recursive: true, withFileTypes: true })) {
      if (file.isFile()) expect(readFileSync(join(file.parentPath, file.name), 'latin1')).not.toContain('CANARY');
    }
  });

  test('wrong credentials, a missing key and a service out of reach have their codes and exits', () => {
    place.json(['seal', 'mlp.onnx', '--key', uri, '--out', 'sealed/mlp.seal']);
    const run = (key: string): [number | null, unknown] => {
      const { status, stdout, stderr } = place.run([
        'open',
        'sealed/mlp.seal',
        '--key',
        key,
        '--out',
        'x',
        '--json',
        '--quiet',
      ]);
      expect(stdout + stderr).not.toContain('CANARY');
      return [status, (JSON.parse(stdout) as { error: { code: string } }).error.code];
    };
    expect(run(uri.replace('alias/models', 'alias/none'))).toEqual([5, 'KEY_SERVICE_MISSING']);
    expect(run(uri.replace(/endpoint=.*/, 'endpoint=http://127.0.0.1:9'))).toEqual([6, 'KEY_PROVIDER_UNAVAILABLE']);
    expect(run(`${uri}&profile=nobody`)).toEqual([5, 'KEY_CREDENTIALS_MISSING']);
    expect(run(`${uri}&secret-access-key=CANARY`)).toEqual([2, 'KEY_URI_SECRET']);
  });
});
