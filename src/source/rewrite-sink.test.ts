import { createHash } from 'node:crypto';
import {
  chmodSync,
  constants,
  copyFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createRecordingStorage } from '../../test/crash/recording-storage.ts';
import { codeOf } from '../../test/error-code.ts';
import { writeFileAtomic } from './atomic.ts';
import { openBufferSource } from './buffer.ts';
import { openFileSource } from './file.ts';
import { nodeStorage } from './node-storage.ts';
import { findPatchPlan, isUnchanged } from './patches.ts';
import type { ByteSource, Storage } from './ports.ts';
import { type RewriteOp, readRewrite } from './rewrite.ts';
import type { RewriteObserver, RewriteWay } from './rewrite-sink.ts';
import { toSpliceOps } from './splice.ts';

const MIB = 2 ** 20;
const BLOCK = 64 * 1024;
const SIZE = 6 * MIB + 777;
const noise = Uint8Array.from({ length: SIZE }, (_, i) => (i * 2_654_435_761) >>> 24);

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'modelward-patch-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** Adds the element's index to both bytes of each 2-byte element: wrong offsets and chunk borders would show. */
function addIndex(offset: number, chunk: Uint8Array): void {
  for (let i = 0; i < chunk.length; i++) chunk[i] += (offset + i) >> 1;
}

interface Edit {
  readonly start: number;
  readonly length: number;
  readonly kind: 'bytes' | 'transform';
}

/** Same-size replacements of `source`, those that overlap an earlier one left out. */
function toOps(source: ByteSource, edits: readonly Edit[]): readonly RewriteOp[] {
  let at = 0;
  const replacements = [...edits]
    .sort((a, b) => a.start - b.start)
    .flatMap(({ start, length, kind }) => {
      const end = Math.min(source.size, start + length);
      if (start < at) return [];
      at = end;
      const bytes = Uint8Array.from({ length: end - start }, (_, i) => i);
      const op: RewriteOp =
        kind === 'bytes' ? { kind, bytes } : { kind, source, start, end, apply: addIndex, unitBytes: 2 };
      return [{ start, end, ops: [op] }];
    });
  return toSpliceOps(source, replacements);
}

/** Writes a rewrite as the first file of a recording disk, which can share bytes, and gives it back. */
function write(ops: readonly RewriteOp[], observer?: RewriteObserver): { way: RewriteWay; bytes: Uint8Array } {
  const storage = createRecordingStorage(['/d']);
  let way: RewriteWay = 'streamed';
  writeFileAtomic({
    storage,
    path: '/d/out',
    mode: 0o644,
    write: (sink) => {
      way = sink.rewrite(ops, observer);
    },
  });
  return { way, bytes: storage.read('/d/out') };
}

const edit = fc.record({
  start: fc.nat(SIZE),
  length: fc.oneof(fc.nat(40), fc.nat(3 * BLOCK)),
  kind: fc.constantFrom<Edit['kind']>('bytes', 'transform'),
});

describe('a rewrite that keeps its size and its offsets', () => {
  test('is patched on a clone of its source: the same bytes as streamed, and the same seen on the way', () => {
    const source = openBufferSource('m', noise);
    const ways = new Set<RewriteWay>();
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 9 }), (edits) => {
        const ops = toOps(source, edits);
        const hash = createHash('sha256');
        let count = 0;
        const { way, bytes } = write(ops, {
          tap: { write: (chunk) => hash.update(chunk) },
          onBytes: (n) => (count += n),
        });
        const streamed = readRewrite({ name: 'm', ops });
        expect(Buffer.compare(bytes, streamed)).toBe(0);
        expect(hash.digest('hex')).toBe(createHash('sha256').update(streamed).digest('hex'));
        expect(count).toBe(SIZE);
        expect(way).toBe(findPatchPlan(ops) === null ? 'streamed' : 'patched');
        ways.add(way);
      }),
      { numRuns: 25 },
    );
    expect(ways).toContain('patched');
  });

  test('writes no block that it does not touch', () => {
    const source = openBufferSource('m', noise);
    const last = SIZE - 1;
    const edits = [BLOCK + 5, BLOCK + 9, 7 * BLOCK - 1, 20 * BLOCK, last].map(
      (start): Edit => ({ start, length: 2, kind: 'bytes' }),
    );
    const plan = findPatchPlan(toOps(source, edits));
    const at = plan?.patches.map(({ at: start, ops }) => [start, readRewrite({ name: 'm', ops }).length]);
    const end = last - (last % BLOCK);
    expect(at).toEqual([
      [BLOCK, BLOCK],
      [6 * BLOCK, 2 * BLOCK],
      [20 * BLOCK, BLOCK],
      [end, SIZE - end],
    ]);
  });

  test('tells progress of the whole file though it reads a part', () => {
    const source = openBufferSource('m', noise);
    const counts: number[] = [];
    write(toOps(source, [{ start: 0, length: 9, kind: 'transform' }]), { onBytes: (n) => counts.push(n) });
    expect(counts).toEqual([SIZE]);
  });
});

describe('is streamed', () => {
  const source = openBufferSource('m', noise);
  const other = openBufferSource('n', noise);
  const keep = (from: ByteSource, start: number, end: number): RewriteOp => ({
    kind: 'keep',
    source: from,
    start,
    end,
  });
  const two = Uint8Array.of(1, 2);
  const cases: [string, RewriteOp[]][] = [
    ['what an insertion moves', [keep(source, 0, 9), { kind: 'bytes', bytes: two }, keep(source, 9, SIZE)]],
    ['what moves within the same size', [keep(source, 0, 9), { kind: 'bytes', bytes: two }, keep(source, 9, SIZE - 2)]],
    ['a file cut short', [keep(source, 0, SIZE - 2)]],
    ['a part of another source', [keep(source, 0, 9), keep(other, 9, SIZE)]],
    ['what keeps nothing', [{ kind: 'bytes', bytes: noise }]],
    [
      'what touches more than half',
      [keep(source, 0, 9), { kind: 'transform', source, start: 9, end: SIZE, apply: addIndex, unitBytes: 1 }],
    ],
    [
      'what touches very many places',
      [
        ...toOps(
          source,
          Array.from({ length: 12 }, (_, i): Edit => ({ start: i * 8 * BLOCK, length: 2, kind: 'bytes' })),
        ),
      ],
    ],
    [
      'a small file',
      [...toOps(openBufferSource('s', noise.subarray(0, MIB)), [{ start: 4, length: 2, kind: 'bytes' }])],
    ],
  ];
  test.each(cases)('%s', (_, ops) => {
    const { way, bytes } = write(ops);
    expect(way).toBe('streamed');
    expect(Buffer.compare(bytes, readRewrite({ name: 'm', ops }))).toBe(0);
  });

  test('what follows other bytes', () => {
    const storage = createRecordingStorage(['/d']);
    const ops = toOps(source, [{ start: 4, length: 2, kind: 'bytes' }]);
    writeFileAtomic({
      storage,
      path: '/d/out',
      mode: 0o644,
      write: (sink) => {
        sink.write(two);
        expect(sink.rewrite(ops)).toBe('streamed');
      },
    });
    expect(storage.read('/d/out')).toHaveLength(SIZE + 2);
  });

  test('nothing but the whole source is "unchanged"', () => {
    expect(isUnchanged([keep(source, 0, 9), keep(source, 9, SIZE)])).toBe(true);
    expect(isUnchanged([keep(source, 0, 9), keep(source, 9, SIZE - 1)])).toBe(false);
    expect(isUnchanged([...toOps(source, [{ start: 4, length: 2, kind: 'bytes' }])])).toBe(false);
  });
});

describe('on a disk', () => {
  const open = (): ByteSource => {
    writeFileSync(join(folder, 'm'), noise);
    return openFileSource(join(folder, 'm'));
  };
  const writeOut = (ops: readonly RewriteOp[], storage: Storage = nodeStorage): RewriteWay => {
    let way: RewriteWay = 'streamed';
    const path = join(folder, 'out');
    const put = {
      storage,
      path,
      mode: 0o600,
      write: (sink: { rewrite: (o: readonly RewriteOp[]) => RewriteWay }) => {
        way = sink.rewrite(ops);
      },
    };
    writeFileAtomic(put);
    return way;
  };
  const small: Edit[] = [{ start: 3 * BLOCK + 1, length: 5, kind: 'transform' }];

  test('the output is right, its mode as asked, and blocks are shared where the file system can', () => {
    const source = open();
    let canShare = true;
    try {
      copyFileSync(join(folder, 'm'), join(folder, 'probe'), constants.COPYFILE_FICLONE_FORCE);
    } catch {
      canShare = false;
    }
    chmodSync(join(folder, 'm'), 0o644);
    const ops = toOps(source, small);
    expect(writeOut(ops)).toBe(canShare ? 'patched' : 'streamed');
    expect(Buffer.compare(readFileSync(join(folder, 'out')), readRewrite({ name: 'm', ops }))).toBe(0);
    expect(statSync(join(folder, 'out')).mode & 0o777).toBe(0o600);
    source.close();
  });

  test('a source without a file, and one that was closed, share nothing', () => {
    const file = nodeStorage.create(join(folder, 'new'), 0o600);
    expect(file.cloneFrom?.(openBufferSource('m', noise))).toBe(false);
    const closed = open();
    closed.close();
    expect(file.cloneFrom?.(closed)).toBe(false);
    file.close();
    expect(statSync(join(folder, 'new')).size).toBe(0);
  });

  const changes: [string, (path: string) => void][] = [
    [
      'overwritten',
      (path) => {
        writeFileSync(
          path,
          noise.map((byte) => byte ^ 1),
        );
      },
    ],
    [
      'shorter',
      (path) => {
        truncateSync(path, SIZE - 1);
      },
    ],
    [
      'longer',
      (path) => {
        writeFileSync(path, Uint8Array.of(1), { flag: 'a' });
      },
    ],
  ];
  test.each(changes)('a source that was %s since it was opened is refused, and nothing is left', (_, change) => {
    const source = open();
    // Coarse clocks would give a change in the same tick the same time.
    utimesSync(join(folder, 'm'), 1, 1);
    source.close();
    const again = openFileSource(join(folder, 'm'));
    change(join(folder, 'm'));
    expect(codeOf(() => writeOut(toOps(again, small)))).toBe('SOURCE_CHANGED');
    expect(nodeStorage.list(folder)).toEqual(['m']);
    again.close();
  });

  test('a source that changes while it is written is refused', () => {
    const source = open();
    utimesSync(join(folder, 'm'), 1, 1);
    source.close();
    const again = openFileSource(join(folder, 'm'));
    const apply = (): void => {
      writeFileSync(join(folder, 'm'), Uint8Array.of(9), { flag: 'r+' });
    };
    const op: RewriteOp = { kind: 'transform', source: again, start: 5, end: 6, apply, unitBytes: 1 };
    const ops = toSpliceOps(again, [{ start: 5, end: 6, ops: [op] }]);
    expect(codeOf(() => writeOut(ops))).toBe('SOURCE_CHANGED');
    expect(nodeStorage.list(folder)).toEqual(['m']);
    again.close();
  });

  test('renaming or linking the source, or changing who may read it, is no change of it', () => {
    const source = open();
    chmodSync(join(folder, 'm'), 0o600);
    nodeStorage.rename(join(folder, 'm'), join(folder, 'moved'));
    const ops = toOps(source, small);
    writeOut(ops);
    expect(Buffer.compare(readFileSync(join(folder, 'out')), readRewrite({ name: 'm', ops }))).toBe(0);
    source.close();
  });
});
