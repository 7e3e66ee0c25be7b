import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock, systemRandom } from '../adapters/system/index.ts';
import { nodeStorage } from '../source/index.ts';
import type { Storage } from '../source/ports.ts';
import { toHome } from './home.ts';
import { ensureOwner, findOwner, type OwnerContext } from './owner.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'modelward-owner-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function contextOver(storage: Storage): OwnerContext {
  return { storage, home: toHome(folder), clock: systemClock, random: systemRandom };
}

/** The file system, where another process stores an owner after this one has begun to write its own. */
function racing(other: string): Storage {
  let hasRun = false;
  return {
    ...nodeStorage,
    create: (path, mode) => {
      if (!hasRun && path.includes('owner.key')) {
        hasRun = true;
        ensureOwner(contextOver(nodeStorage), other);
      }
      return nodeStorage.create(path, mode);
    },
  };
}

describe('the owner of a home', () => {
  test('of two processes that make it at once, both go on with the one that was stored first', () => {
    const owner = ensureOwner(contextOver(racing('first')));
    expect(owner.identity.ownerId).toBe('first');
    expect(owner).toEqual(findOwner(contextOver(nodeStorage)));
    expect(readFileSync(toHome(folder).ownerPublicPath, 'utf8')).toContain(owner.identity.ledgerVkeyName);
  });

  test('under another name that is an error, and the stored owner stays', () => {
    expect(() => ensureOwner(contextOver(racing('first')), 'second')).toThrow(
      expect.objectContaining({ code: 'OWNER_OTHER' }),
    );
    expect(findOwner(contextOver(nodeStorage))?.identity.ownerId).toBe('first');
  });

  test('a public part that a killed process did not write is written by the next one', () => {
    const { ownerPublicPath } = toHome(folder);
    const owner = ensureOwner(contextOver(nodeStorage), 'acme');
    const text = readFileSync(ownerPublicPath, 'utf8');
    rmSync(ownerPublicPath);
    expect(ensureOwner(contextOver(nodeStorage)).identity).toEqual(owner.identity);
    expect(existsSync(ownerPublicPath)).toBe(true);
    expect(readFileSync(ownerPublicPath, 'utf8')).toBe(text);
  });
});
