/** configfs-tsm against a folder that behaves as the kernel documents it; a real kernel with the guest driver is not here. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { codeOf } from '../../../test/error-code.ts';
import type { ReportRequest } from '../../attest/ports.ts';
import { nodeTsmFiles, type TsmFiles } from './files.ts';
import { createTsmSource } from './report-source.ts';

const root = mkdtempSync(join(tmpdir(), 'modelward-tsm-'));
afterAll(() => {
  rmSync(root, { recursive: true, force: true });
});

interface KernelOptions {
  readonly provider?: string;
  readonly auxblob?: Uint8Array | null;
  /** Called when the report is read: another process may write then. */
  readonly onRead?: (bump: () => void) => void;
  readonly readFault?: string;
}

/** A new entry has its attributes at once, each write counts, and the report answers what was written last. */
function createKernel({
  provider = 'sev_guest',
  auxblob = Uint8Array.of(9),
  onRead,
  readFault,
}: KernelOptions = {}): TsmFiles {
  const bump = (folder: string) => {
    const path = join(folder, 'generation');
    writeFileSync(path, `${Number(readFileSync(path, 'utf8')) + 1}\n`);
  };
  return {
    makeFolder: (path) => {
      nodeTsmFiles.makeFolder(path);
      writeFileSync(join(path, 'generation'), '41\n');
      writeFileSync(join(path, 'provider'), `${provider}\n`);
      if (auxblob !== null) writeFileSync(join(path, 'auxblob'), auxblob);
    },
    removeFolder: (path) => {
      rmSync(path, { recursive: true });
    },
    write: (path, bytes) => {
      writeFileSync(path, '');
      nodeTsmFiles.write(path, bytes);
      bump(dirname(path));
    },
    read: (path) => {
      if (basename(path) === 'outblob') {
        if (readFault !== undefined) throw Object.assign(new TypeError('kernel'), { code: readFault });
        onRead?.(() => {
          bump(dirname(path));
        });
        const asked = readFileSync(join(dirname(path), 'inblob'));
        const level = join(dirname(path), 'privlevel');
        return Buffer.concat([
          Buffer.from('report for '),
          asked,
          existsSync(level) ? readFileSync(level) : Buffer.alloc(0),
        ]);
      }
      return nodeTsmFiles.read(path);
    },
  };
}

const random = {
  fill: (into: Uint8Array) => {
    into.fill(0x5a);
  },
};
const collect = (kernel: TsmFiles, request: Partial<ReportRequest> = {}, folder = root) =>
  createTsmSource({ random, root: folder, files: kernel }).collect({
    reportData: Buffer.from('challenge'),
    ...request,
  });

describe('evidence of the kernel', () => {
  test('answers the request, with the certificates of the host, and leaves nothing behind', () => {
    const { provider, outblob, auxblob } = collect(createKernel());
    expect(provider).toBe('sev_guest');
    expect(Buffer.from(outblob).toString()).toBe('report for challenge');
    expect([...auxblob]).toEqual([9]);
    expect(readdirSync(root)).toEqual([]);
  });

  test('is asked for at a privilege level, which counts as a write of its own', () => {
    expect(Buffer.from(collect(createKernel(), { privilegeLevel: 1 }).outblob).toString()).toBe(
      'report for challenge1',
    );
  });

  test('of a provider without certificates has none', () => {
    expect(collect(createKernel({ provider: 'tdx_guest', auxblob: null })).auxblob).toHaveLength(0);
  });

  test('is thrown away when somebody else wrote into the request', () => {
    const kernel = createKernel({
      onRead: (bump) => {
        bump();
      },
    });
    expect(codeOf(() => collect(kernel))).toBe('ATTEST_TSM_INTERFERED');
    expect(readdirSync(root)).toEqual([]);
  });

  test('that the kernel refuses is told with its reason', () => {
    const act = () => collect(createKernel({ readFault: 'EWOULDBLOCK' }));
    expect(codeOf(act)).toBe('ATTEST_TSM_REFUSED');
    expect(act).toThrow(expect.objectContaining({ fields: { system: 'EWOULDBLOCK' } }));
    expect(readdirSync(root)).toEqual([]);
  });

  test('where there is no such kernel is told so', () => {
    expect(codeOf(() => collect(createKernel(), {}, join(root, 'missing')))).toBe('ATTEST_TSM_UNAVAILABLE');
  });

  test('is read up to its end, whatever size the file claims', () => {
    const path = join(root, 'blob');
    mkdirSync(root, { recursive: true });
    writeFileSync(path, new Uint8Array(5000).fill(3));
    expect(nodeTsmFiles.read(path)).toHaveLength(5000);
    rmSync(path);
  });

  test.each([0, 65])('is not asked for with %i bytes', (length) => {
    expect(() => collect(createKernel(), { reportData: new Uint8Array(length) })).toThrow(TypeError);
  });
});
