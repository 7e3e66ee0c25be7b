/** In which order `protect` makes things durable: what proves ownership first, the name of the marked file last. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { composeServices } from '../../cli/compose.ts';
import { createCleanups } from '../../cli/ui/interrupt.ts';
import { SourceError } from '../../core/errors.ts';
import { silentProgress } from '../../core/ports.ts';
import { nodeStorage } from '../../source/index.ts';
import type { Storage } from '../../source/ports.ts';
import type { Services } from '../services.ts';
import { protect } from './protect.ts';

const samples = resolve(import.meta.dirname, '../../../samples');
const work = mkdtempSync(join(tmpdir(), 'modelward-order-'));
afterAll(() => {
  rmSync(work, { recursive: true, force: true });
});

/** The file system, and the steps by which names became visible and durable, in order. */
function recording(): { storage: Storage; steps: string[] } {
  const steps: string[] = [];
  const storage: Storage = {
    ...nodeStorage,
    rename: (from, to) => {
      nodeStorage.rename(from, to);
      steps.push(`name ${to}`);
    },
    renameToFree: (from, to) => {
      nodeStorage.renameToFree(from, to);
      steps.push(`name ${to}`);
    },
    syncFolder: (path) => {
      nodeStorage.syncFolder(path);
      steps.push(`sync ${path}`);
    },
  };
  return { storage, steps };
}

function servicesOver(storage: Storage): Services {
  const home = join(work, 'home');
  return { ...composeServices({ home, progress: silentProgress, cleanups: createCleanups() }), storage };
}

const options = (out: string) => ({
  path: join(samples, 'mlp.onnx'),
  out: join(work, out),
  evalPath: join(samples, 'eval.npz'),
  keyUri: null,
  sealOnly: false,
  noMark: false,
  limitPoints: 1,
  unmeasured: false,
  force: false,
});

describe('what is durable before the marked file gets its name', () => {
  test('claim, key envelope and ledger entry; the commitment comes with the file, in one rename', async () => {
    const { storage, steps } = recording();
    const { result } = await protect(servicesOver(storage), options('out'));
    const named = steps.lastIndexOf(`name ${join(work, 'out')}`);
    expect(named).toBeGreaterThan(0);
    const durable = (path: string): number =>
      steps.indexOf(`sync ${resolve(path, '..')}`, steps.indexOf(`name ${path}`));
    for (const path of [result.claim?.path ?? '', result.envelope.path]) {
      expect(steps, path).toContain(`name ${path}`);
      expect(durable(path), path).toBeGreaterThan(0);
      expect(durable(path), path).toBeLessThan(named);
    }
    // The entries are there as soon as the checkpoint over them has its name: it is signed after all of them were synced.
    const checkpoints = steps.filter((step, at) => at < named && step.endsWith('/ledger/checkpoint'));
    expect(checkpoints.length).toBeGreaterThanOrEqual(3);
    const commit = steps.lastIndexOf(`name ${join(work, 'home/ledger/checkpoint')}`);
    expect(commit).toBeLessThan(named);
    expect(result.commitment?.leafIndex).toBeLessThan(result.ledger.size);
    expect(result.commitment?.path.startsWith(join(work, 'out'))).toBe(true);
  });

  test('a ledger that cannot be written leaves no marked file', async () => {
    const { storage } = recording();
    let writes = 0;
    const failing: Storage = {
      ...storage,
      openForUpdate: (path) => {
        // Key use has been recorded by then; the entries of the mark are what fails.
        if (path.endsWith('/ledger/signed') && (writes += 1) > 2) throw new SourceError('WRITE_FAILED');
        return storage.openForUpdate(path);
      },
    };
    await expect(protect(servicesOver(failing), options('unrecorded'))).rejects.toMatchObject({
      code: 'WRITE_FAILED',
    });
    expect(existsSync(join(work, 'unrecorded'))).toBe(false);
  });
});
