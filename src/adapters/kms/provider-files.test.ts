import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { SEAL_LIMITS } from '../../core/limits/seal.ts';
import { openProviderFiles } from './provider-files.ts';

const work = mkdtempSync(join(tmpdir(), 'modelward-files-'));
const files = openProviderFiles(work);

afterAll(() => {
  rmSync(work, { recursive: true });
});

function write(name: string, text: string, mode: number): string {
  const path = join(work, name);
  writeFileSync(path, text, { mode });
  return path;
}

const throwing = (code: string): unknown => expect.objectContaining({ code });

describe('files with credentials', () => {
  test('come as bytes in a buffer of their own; a missing one is null', () => {
    const bytes = files.findSecret(write('good', 'secret', 0o600));
    expect(Buffer.from(bytes ?? []).toString()).toBe('secret');
    expect(bytes?.byteLength).toBe(bytes?.buffer.byteLength);
    expect(files.findSecret(join(work, 'none'))).toBeNull();
    expect(files.findSecret(join(work, 'good', 'below'))).toBeNull();
    expect(files.findSecret(write('empty', '', 0o400))).toEqual(new Uint8Array());
  });

  test.each([0o640, 0o604, 0o660, 0o644, 0o610])('mode %o is refused for a secret, not for a public file', (mode) => {
    const path = write(`mode-${mode}`, 'CANARY', mode);
    expect(() => files.findSecret(path)).toThrow(throwing('KEY_CREDENTIALS_UNSAFE'));
    expect(files.findPublic(path)).not.toBeNull();
  });

  test('what a link leads to is looked at: platforms mount secrets as links', () => {
    symlinkSync(write('target', 'x', 0o600), join(work, 'link'));
    expect(files.findSecret(join(work, 'link'))).toEqual(Uint8Array.of(0x78));
    symlinkSync(write('open-target', 'x', 0o644), join(work, 'open-link'));
    expect(() => files.findSecret(join(work, 'open-link'))).toThrow(throwing('KEY_CREDENTIALS_UNSAFE'));
  });

  test('a folder and a pipe are refused, and do not block', () => {
    mkdirSync(join(work, 'folder'));
    execFileSync('mkfifo', ['-m', '600', join(work, 'pipe')]);
    for (const name of ['folder', 'pipe']) {
      const look = (): unknown => files.findSecret(join(work, name));
      expect(look).toThrow(throwing('KEY_CREDENTIALS_UNSAFE'));
    }
  });

  test('a file over the cap is not read', () => {
    const path = write('large', 'x'.repeat(SEAL_LIMITS.credentialsBytesMax + 1), 0o600);
    expect(() => files.findSecret(path)).toThrow(throwing('KEY_CREDENTIALS_INVALID'));
    expect(() => files.findPublic(path)).toThrow(throwing('KEY_CREDENTIALS_INVALID'));
  });
});
