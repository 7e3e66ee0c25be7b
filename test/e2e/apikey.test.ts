/** `modelward apikey` as a user runs it: the key reaches its file and nothing else. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createKeyHasher, deriveTagKey, isKeyFormed } from '../../src/gateway/index.ts';
import { createWorkplace, type Workplace } from './command.ts';

interface KeyFile {
  readonly keyId: string;
  readonly apiKey: string;
  readonly tagKey: string;
  readonly scopes: readonly string[];
  readonly limits: { readonly daily: number | null };
}

let place: Workplace;
beforeAll(() => {
  place = createWorkplace();
});
afterAll(() => {
  place.remove();
});

const readKey = (file: string): KeyFile => JSON.parse(readFileSync(join(place.folder, file), 'utf8')) as KeyFile;

/** All files below a folder, as bytes in one text. */
function readAll(folder: string): string {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
    .join('\n');
}

describe('modelward apikey', () => {
  test('create, list, show, rotate and revoke; the secret is in its file of mode 0600 and nowhere else', () => {
    const terms = ['--name', 'Acme', '--tenant', 'acme', '--model', 'fraud', '--daily', '20000', '--label-only'];
    const [created, again] = place.runAll([
      ['apikey', 'create', ...terms, '--network', '203.0.113.0/24', '-o', 'acme.json'],
      ['apikey', 'create', ...terms, '-o', 'acme.json'],
    ]);
    expect(created.status, created.stderr).toBe(0);
    expect(statSync(join(place.folder, 'acme.json')).mode & 0o777).toBe(0o600);
    const key = readKey('acme.json');
    expect(isKeyFormed(key.apiKey)).toBe(true);
    expect(key).toMatchObject({
      v: 1,
      tenant: 'acme',
      scopes: ['infer:fraud', 'meta:fraud'],
      limits: { daily: 20_000, perMinute: 120 },
    });
    expect(Buffer.from(key.tagKey, 'base64url')).toEqual(Buffer.from(deriveTagKey(key.apiKey, key.keyId)));
    // A file that may hold another key is never replaced, and no key is made for it.
    expect([again.status, again.stderr.includes('WRITE_EXISTS')]).toEqual([2, true]);
    expect(readKey('acme.json')).toEqual(key);

    const runs = place.runAll([
      ['apikey', 'list', '--json'],
      ['apikey', 'show', key.keyId],
      ['apikey', 'rotate', key.keyId, '--overlap', '24h', '-o', 'new.json'],
      ['apikey', 'rotate', key.keyId, '-o', 'third.json'],
      ['apikey', 'revoke', key.keyId, '--json'],
      ['apikey', 'rotate', key.keyId, '-o', 'third.json'],
      ['apikey', 'revoke', 'k_0000000000000000'],
      ['apikey', 'list'],
    ]);
    expect(runs.map(({ status }) => status)).toEqual([0, 0, 0, 2, 0, 2, 2, 0]);
    expect((JSON.parse(runs[0].stdout) as { keys: { id: string }[] }).keys.map(({ id }) => id)).toEqual([key.keyId]);
    expect(runs[1].stdout).toContain('0 of 20000 items');
    for (const [at, code] of [
      [3, 'APIKEY_ROTATING'],
      [5, 'APIKEY_REVOKED'],
      [6, 'APIKEY_UNKNOWN'],
    ] as const) {
      expect(runs[at].stderr).toContain(code);
    }
    expect(readdirSync(place.folder)).not.toContain('third.json');
    const fresh = readKey('new.json');
    expect(fresh.keyId).toBe(key.keyId);

    const told =
      [created, again, ...runs].map(({ stdout, stderr }) => stdout + stderr).join('\n') + readAll(place.home);
    for (const { apiKey, tagKey } of [key, fresh]) {
      for (const secret of [apiKey, apiKey.slice(9, 39), tagKey]) expect(told).not.toContain(secret);
    }
    expect(told).toContain(createKeyHasher(null).toHash(key.apiKey));
  });

  test('--print, and nothing else, puts the key on stdout', () => {
    const [printed] = place.runAll([
      ['apikey', 'create', '--name', 'x', '--scope', 'metrics:read', '--print', '--json'],
    ]);
    const result = JSON.parse(printed.stdout) as KeyFile & { id: string };
    expect(isKeyFormed(result.apiKey)).toBe(true);
    expect(readdirSync(place.folder).filter((name) => name.startsWith(result.id))).toEqual([]);
  });

  test('wrong terms are refused before anything is made', () => {
    writeFileSync(join(place.folder, 'short.key'), 'abcd', { mode: 0o600 });
    const wrong: [string, string[]][] = [
      ['CLI_USAGE', ['--name', 'x']],
      ['APIKEY_SCOPE_INVALID', ['--name', 'x', '--scope', 'root']],
      ['APIKEY_CIDR_INVALID', ['--name', 'x', '--model', 'm', '--network', '10.0.0.1/8']],
      ['APIKEY_FIELD_INVALID', ['--name', 'x', '--model', 'm', '--tenant', 'a b']],
      ['APIKEY_PEPPER_INVALID', ['--name', 'x', '--model', 'm', '--pepper-file', 'short.key']],
      ['DATABASE_PASSWORD_EXPOSED', ['--name', 'x', '--model', 'm', '--database', 'postgres://a:secret@h/d']],
    ];
    const runs = place.runAll(wrong.map(([, flags]) => ['apikey', 'create', ...flags, '-o', 'wrong.json']));
    expect(runs.map(({ stderr }, at) => stderr.includes(wrong[at][0]))).toEqual(wrong.map(() => true));
    expect(runs.map(({ status }) => status)).toEqual(wrong.map(() => 2));
    expect(readdirSync(place.folder)).not.toContain('wrong.json');
  });
});
