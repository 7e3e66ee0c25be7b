import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { fixedClock, seededBytes, seededRandom } from '../../../test/fakes/seal-kit.ts';
import { withFileLock } from './file-lock.ts';
import { createLocalKey, type LocalKeyOptions } from './local/local.ts';

const ROTATIONS = 12;
const context = { sealId: 's', model: 'm', purpose: 'open' };
const folder = mkdtempSync(join(tmpdir(), 'modelward-lock-'));
let made = 0;

afterAll(() => {
  rmSync(folder, { recursive: true });
});

function freshOptions(): LocalKeyOptions {
  made++;
  return { path: join(folder, `key-${made}.json`), random: seededRandom(made), clock: fixedClock() };
}

/** The text of a lock whose holder was of this machine and has ended. */
function toDeadLock(path: string): string {
  let text = '';
  withFileLock(path, () => {
    text = readFileSync(`${path}.lock`, 'latin1');
  });
  const { pid } = spawnSync(process.execPath, ['--version']);
  return text.replace(/^\d+/, String(pid));
}

/** Another process rotates and wraps again and again; what it wrapped, as JSON with base64. */
async function rotateInChild(path: string): Promise<{ keyVersion: string; wrapped: string }[]> {
  const local = JSON.stringify(join(import.meta.dirname, 'local/local.ts'));
  const script = `const { openLocalKey } = await import(${local});
    const random = { fill: (into) => crypto.getRandomValues(into) };
    const key = openLocalKey({ path: process.argv[1], random, clock: { nowMs: Date.now } });
    const held = [];
    for (let i = 0; i < ${ROTATIONS}; i++) {
      await key.rotate();
      const { keyVersion, wrapped } = await key.wrapKey({ dek: new Uint8Array(32).fill(7), context: ${JSON.stringify(context)} });
      held.push({ keyVersion, wrapped: Buffer.from(wrapped).toString('base64') });
    }
    process.stdout.write(JSON.stringify(held));`;
  const args = ['--import', 'tsx', '--input-type=module', '--eval', script, path];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout) as { keyVersion: string; wrapped: string }[];
}

describe('lock of a key file', () => {
  test('processes that rotate at once lose no version, though the last holder of the lock was killed', async () => {
    const options = freshOptions();
    const key = createLocalKey(options);
    writeFileSync(`${options.path}.lock`, toDeadLock(options.path));
    const held = (await Promise.all([1, 2, 3].map(() => rotateInChild(options.path)))).flat();
    expect((await key.describe()).versions).toHaveLength(1 + 3 * ROTATIONS);
    const { keyRef } = await key.describe();
    for (const { keyVersion, wrapped } of held) {
      const asked = { type: 'local', keyRef, keyVersion, wrapped: new Uint8Array(Buffer.from(wrapped, 'base64')) };
      expect(await key.unwrapKey({ wrapped: asked, context })).toEqual(new Uint8Array(32).fill(7));
    }
    expect(readdirSync(folder).filter((name) => /\.(lock|new)/.test(name))).toEqual([]);
  });

  test('a holder that lives, or of which nobody here can tell, is not followed: the error names the file', async () => {
    const options = freshOptions();
    const key = createLocalKey(options);
    const dead = toDeadLock(options.path);
    const alive = dead.replace(/^\d+/, String(process.pid));
    const elsewhere = dead.replace(/ \S+ /, ' another-machine ');
    for (const text of [alive, elsewhere, 'not a lock of ours']) {
      writeFileSync(`${options.path}.lock`, text);
      const pid = /^\d+/.exec(text)?.[0] ?? null;
      await expect(key.rotate()).rejects.toMatchObject({
        code: 'KEY_STORE_BUSY',
        fields: { file: `key-${made}.json.lock`, pid },
      });
      expect(readFileSync(`${options.path}.lock`, 'latin1')).toBe(text);
    }
    expect(await key.describe()).toMatchObject({ currentVersion: '1' });
    rmSync(`${options.path}.lock`);
    expect(await key.rotate()).toBe('2');
  });

  test('what killed writers left, with keys in it, goes with the next change', async () => {
    const options = freshOptions();
    const key = createLocalKey(options);
    const left = ['new', '77.new', '77.0123456789abcdef.new'].map((end) => `${options.path}.${end}`);
    for (const path of left) writeFileSync(path, 'keys');
    writeFileSync(`${options.path}.mine.new`, 'keys');
    await key.rotate();
    expect(left.filter((path) => existsSync(path))).toEqual([]);
    expect(existsSync(`${options.path}.mine.new`)).toBe(true);
  });

  test('a lock ends with what was done under it, also when that failed', () => {
    const { path } = freshOptions();
    const failing = (): never => {
      throw new Error('internal error: this test');
    };
    expect(() => withFileLock(path, failing)).toThrow('this test');
    expect(withFileLock(path, () => seededBytes(1, 1).length)).toBe(1);
  });
});
