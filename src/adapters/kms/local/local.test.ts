import { execFile } from 'node:child_process';
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { runKeyProviderContract } from '../../../../test/key-provider-contract.ts';
import { fixedClock, seededBytes, seededRandom } from '../../../../test/fakes/seal-kit.ts';
import { toHex } from '../../../core/bytes.ts';
import { encodeKeyFile, parseKeyFile } from './key-file.ts';
import { createLocalKey, ensureLocalKey, type LocalKeyOptions, openLocalKey } from './local.ts';

const work = mkdtempSync(join(tmpdir(), 'modelward-kms-'));
let made = 0;

afterAll(() => {
  rmSync(work, { recursive: true });
});

/** The id of the key that another process opens or makes. */
async function ensureInChild(path: string): Promise<string> {
  const local = JSON.stringify(join(import.meta.dirname, 'local.ts'));
  const script = `const { ensureLocalKey, readLocalKeyId } = await import(${local});
    const random = { fill: (into) => crypto.getRandomValues(into) };
    ensureLocalKey({ path: process.argv[1], random, clock: { nowMs: Date.now } });
    process.stdout.write(readLocalKeyId(process.argv[1]));`;
  const args = ['--import', 'tsx', '--input-type=module', '--eval', script, path];
  return (await promisify(execFile)(process.execPath, args)).stdout;
}

function freshOptions(): LocalKeyOptions {
  made++;
  return { path: join(work, `key-${made}.json`), random: seededRandom(made), clock: fixedClock() };
}

runKeyProviderContract({
  name: 'local',
  abilities: ['rotate', 'rewrap', 'disable'],
  make: () => Promise.resolve({ provider: createLocalKey(freshOptions()) }),
});

describe('local key file', () => {
  test('is created once, with mode 0600, and never overwritten', () => {
    const options = freshOptions();
    createLocalKey(options);
    const before = readFileSync(options.path);
    expect(statSync(options.path).mode & 0o777).toBe(0o600);
    expect(() => createLocalKey(options)).toThrow(expect.objectContaining({ code: 'KEY_STORE_EXISTS' }));
    expect(readFileSync(options.path).equals(before)).toBe(true);
  });

  test('of processes that need it at once one makes it, and all of them open the same', async () => {
    const { path } = freshOptions();
    const ids = await Promise.all(Array.from({ length: 6 }, () => ensureInChild(path)));
    expect(new Set(ids).size).toBe(1);
    expect(ids[0]).toBe((await ensureLocalKey({ ...freshOptions(), path }).describe()).keyRef);
    expect(readdirSync(work).filter((name) => name.endsWith('.new'))).toEqual([]);
  });

  test('a process that was killed while it made the key leaves none', async () => {
    const options = freshOptions();
    writeFileSync(`${options.path}.${process.pid}.new`, '{"half', { mode: 0o600 });
    expect(() => openLocalKey(options)).toThrow(expect.objectContaining({ code: 'KEY_STORE_MISSING' }));
    expect(await ensureLocalKey(options).describe()).toMatchObject({ currentVersion: '1' });
  });

  test('two keys differ, and a description tells versions but no key', async () => {
    const options = freshOptions();
    const key = createLocalKey(options);
    expect(await key.rotate()).toBe('2');
    const description = await key.describe();
    expect(description).toMatchObject({ currentVersion: '2', standing: 'same machine: for trial' });
    const { keyId, versions } = parseKeyFile(new Uint8Array(readFileSync(options.path)));
    expect(description.keyRef).toBe(keyId);
    expect(new Set(versions.map(({ kek }) => toHex(kek))).size).toBe(2);
    for (const { kek } of versions) expect(JSON.stringify(description)).not.toContain(toHex(kek));
  });

  test.each([0o640, 0o604, 0o660, 0o644])('mode %o is refused', (mode) => {
    const options = freshOptions();
    createLocalKey(options);
    chmodSync(options.path, mode);
    expect(() => openLocalKey(options)).toThrow(expect.objectContaining({ code: 'KEY_STORE_UNSAFE' }));
  });

  test('a link, a folder and a missing file are refused', () => {
    const options = freshOptions();
    createLocalKey(options);
    const link = `${options.path}.link`;
    symlinkSync(options.path, link);
    expect(() => openLocalKey({ ...options, path: link })).toThrow(
      expect.objectContaining({ code: 'KEY_STORE_UNSAFE' }),
    );
    expect(() => openLocalKey({ ...options, path: work })).toThrow(
      expect.objectContaining({ code: 'KEY_STORE_UNSAFE' }),
    );
    const missing = `${options.path}.none`;
    expect(() => openLocalKey({ ...options, path: missing })).toThrow(
      expect.objectContaining({ code: 'KEY_STORE_MISSING' }),
    );
    expect(() => createLocalKey({ ...options, path: join(missing, 'in', 'it') })).toThrow(
      expect.objectContaining({ code: 'KEY_STORE_UNWRITABLE' }),
    );
  });

  test('permissions are checked at every use, not only at opening', async () => {
    const options = freshOptions();
    const key = createLocalKey(options);
    chmodSync(options.path, 0o666);
    const context = { sealId: 'x', model: 'm', purpose: 'open' };
    await expect(key.wrapKey({ dek: seededBytes(1, 32), context })).rejects.toMatchObject({ code: 'KEY_STORE_UNSAFE' });
  });

  test('malformed files: not JSON, a short key, an uppercase key, an all-zero key, unknown members, wrong order', async () => {
    const options = freshOptions();
    const key = createLocalKey(options);
    await key.rotate();
    const text = readFileSync(options.path, 'utf8');
    const kek = /"kek":"([0-9a-f]{64})"/.exec(text)?.[1] ?? '';
    const bad = [
      '',
      'not JSON',
      text.slice(0, -3),
      text.replace(kek, kek.slice(2)),
      text.replace(kek, kek.toUpperCase()),
      text.replace(kek, '0'.repeat(64)),
      text.replace('"v":1', '"v":2'),
      text.replace('"v":1', '"extra":1,"v":1'),
      text.replace('"version":2', '"version":1'),
      text.replace('"keyId"', '"kek":"'),
    ];
    for (const each of bad) {
      writeFileSync(options.path, each);
      const error = catchError(() => openLocalKey(options));
      expect(error).toMatchObject({ code: 'KEY_STORE_INVALID' });
      expect(`${String(error)}${JSON.stringify(error)}`).not.toContain(kek.slice(2, 34));
    }
    writeFileSync(options.path, text);
    expect(await openLocalKey(options).describe()).toMatchObject({ currentVersion: '2' });
  });

  test('reading blanks the keys in the bytes read', () => {
    const kek = seededBytes(5, 32);
    const bytes = encodeKeyFile({
      keyId: 'ab'.repeat(16),
      versions: [{ version: 1, createdAt: '2026-01-02T03:04:05.678Z', kek }],
    });
    expect(Buffer.from(bytes).toString()).toContain(toHex(kek));
    expect(toHex(parseKeyFile(bytes).versions[0].kek)).toBe(toHex(kek));
    expect(Buffer.from(bytes).toString()).not.toContain(toHex(kek).slice(0, 8));
  });

  test('a staged file that a crash left behind does not block the next rotation', async () => {
    const options = freshOptions();
    const key = createLocalKey(options);
    writeFileSync(`${options.path}.new`, 'half');
    expect(await key.rotate()).toBe('2');
  });
});

function catchError(call: () => unknown): unknown {
  try {
    return call();
  } catch (error) {
    return error;
  }
}
