import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ByteSource } from './ports.ts';
import { applyRewrite, type RewriteOp } from './rewrite.ts';
import { openRewriteSource } from './rewrite-source.ts';

function openBytes(bytes: Uint8Array): ByteSource {
  return {
    label: 'b',
    size: bytes.length,
    read: (at, into) => {
      into.set(bytes.subarray(at, at + into.length));
    },
    close: () => undefined,
  };
}

/** Adds the element's index to both bytes of each 2-byte element: wrong chunk borders would show. */
function addIndex(offset: number, chunk: Uint8Array): void {
  expect(offset % 2).toBe(0);
  for (let i = 0; i < chunk.length; i++) chunk[i] += (offset + i) >> 1;
}

test('any range of a rewrite source equals the same range of the written output', () => {
  const source = openBytes(Uint8Array.from({ length: 64 }, (_, i) => i * 3));
  const ops: RewriteOp[] = [
    { kind: 'keep', source, start: 3, end: 10 },
    { kind: 'bytes', bytes: new Uint8Array(0) },
    { kind: 'bytes', bytes: Uint8Array.of(9, 8, 7) },
    { kind: 'transform', source, start: 11, end: 41, apply: addIndex, unitBytes: 2 },
    { kind: 'keep', source, start: 0, end: 5 },
  ];
  const chunks: number[] = [];
  applyRewrite(ops, { write: (chunk) => chunks.push(...chunk) });
  const virtual = openRewriteSource('out', ops);
  expect(virtual.size).toBe(chunks.length);
  fc.assert(
    fc.property(fc.nat(virtual.size), fc.nat(virtual.size), (a, b) => {
      const into = new Uint8Array(Math.abs(a - b));
      virtual.read(Math.min(a, b), into);
      expect([...into]).toEqual(chunks.slice(Math.min(a, b), Math.max(a, b)));
    }),
  );
  expect(() => {
    virtual.read(virtual.size, new Uint8Array(1));
  }).toThrow(expect.objectContaining({ code: 'SOURCE_SHORT_READ' }));
});
