import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { codeOf } from '../../../test/error-code.ts';
import { FIDELITY_LIMITS } from '../../core/limits/fidelity.ts';
import { openBufferSource } from '../../source/buffer.ts';
import { type NumericArray, toLabels } from './array.ts';
import { openNpy } from './npy.ts';
import { openNpz } from './npz.ts';
import { listZip, openZipEntry } from './zip.ts';

const fixtures = join(import.meta.dirname, '../../../test/fixtures/fidelity');
const load = (name: string): Uint8Array => new Uint8Array(readFileSync(join(fixtures, name)));
const open = (name: string, bytes = load(name)): NumericArray => openNpy(openBufferSource(name, bytes));
const toRows = (array: NumericArray): number[][] =>
  Array.from({ length: array.shape[0] }, (_, index) => [...array.readRow(index)]);

/** What make.py wrote: 0..11 in rows of four, divided by 8, less 0.5. */
const ROWS = [0, 1, 2].map((row) => [0, 1, 2, 3].map((column) => (4 * row + column) / 8 - 0.5));

describe('npy written by NumPy', () => {
  test.each(['v1-f4.npy', 'v2-f4.npy', 'v3-f4.npy', 'big-endian-f8.npy', 'f2.npy'])('%s', (name) => {
    const array = open(name);
    expect(array.shape).toEqual([3, 4]);
    expect(toRows(array)).toEqual(ROWS);
  });

  test('whole numbers, bytes and flags', () => {
    expect(toRows(open('i8-big-endian.npy'))).toEqual([
      [-1, 2 ** 40],
      [3, 4],
    ]);
    expect(open('u1.npy')).toMatchObject({ dtype: 'u8', shape: [1, 2, 2] });
    expect(toRows(open('u1.npy'))).toEqual([[0, 1, 2, 255]]);
    expect(toRows(open('bool.npy'))).toEqual([[1, 0]]);
  });

  test('DATA_MALFORMED: Fortran order, complex numbers, text, and a file cut anywhere', () => {
    for (const name of ['fortran.npy', 'complex.npy', 'text.npy']) {
      expect(codeOf(() => open(name))).toBe('DATA_MALFORMED');
    }
    const whole = load('v1-f4.npy');
    for (let length = 0; length < whole.length; length++) {
      expect(codeOf(() => open('cut.npy', whole.subarray(0, length)))).toBe('DATA_MALFORMED');
    }
  });

  test('DATA_TOO_LARGE: a header or a shape that asks for more than its limit', () => {
    const header = Buffer.from(load('v2-f4.npy'));
    header.writeUInt32LE(FIDELITY_LIMITS.npyHeaderBytesMax + 1, 8);
    expect(codeOf(() => open('header.npy', header))).toBe('DATA_TOO_LARGE');
    const patch = (shape: string): Uint8Array =>
      Buffer.from(
        Buffer.from(load('v1-f4.npy'))
          .toString('latin1')
          .replace(/\(3, 4\), }\s{10,60}?/, `(${shape}), }`),
        'latin1',
      );
    expect(codeOf(() => open('rows.npy', patch('90000000, 1')))).toBe('DATA_TOO_LARGE');
    expect(codeOf(() => open('row.npy', patch('1, 900000000')))).toBe('DATA_TOO_LARGE');
    expect(codeOf(() => open('unsafe.npy', patch('99999999999, 99999999999')))).toBe('DATA_MALFORMED');
  });
});

describe('npz written by NumPy', () => {
  test.each(['stored.npz', 'deflated.npz'])('%s has samples and labels, also as one-hot rows', (name) => {
    const data = openNpz(openBufferSource(name, load(name)));
    expect(data).toMatchObject({ format: 'npz', count: 3, sampleShape: [4], isBytes: false });
    expect([...data.labels.values]).toEqual([2, 0, 1]);
    expect([0, 1, 2].map((index) => [...data.read(index)])).toEqual(ROWS);
  });

  test('DATA_UNKNOWN_FORMAT: arrays without telling names', () => {
    expect(codeOf(() => openNpz(openBufferSource('u', load('unnamed.npz'))))).toBe('DATA_UNKNOWN_FORMAT');
  });

  test('an entry that inflates to more than it says is refused before it is large', () => {
    const bytes = Buffer.from(load('deflated.npz'));
    const [entry] = listZip(openBufferSource('z', bytes));
    const at = bytes.indexOf(Buffer.from('504b0102', 'hex'));
    bytes.writeUInt32LE(10, at + 24);
    const source = openBufferSource('z', bytes);
    expect(entry.sizeBytes).toBeGreaterThan(10);
    expect(codeOf(() => openZipEntry(source, listZip(source)[0]))).toBe('DATA_TOO_LARGE');
    bytes.writeUInt32LE(FIDELITY_LIMITS.inflatedBytesMax + 1, at + 24);
    expect(codeOf(() => openZipEntry(source, listZip(source)[0]))).toBe('DATA_TOO_LARGE');
  });

  test('every changed byte is refused by code or changes nothing that is read', () => {
    const whole = load('deflated.npz');
    const read = (bytes: Uint8Array): string => {
      const data = openNpz(openBufferSource('z', bytes));
      return JSON.stringify([data.sampleShape, [...data.labels.values], [0, 1, 2].map((row) => [...data.read(row)])]);
    };
    const right = read(whole);
    const outcomes = new Map<string, number>();
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const bytes = Uint8Array.from(whole);
        bytes[at] ^= change;
        let outcome = '';
        const code = codeOf(() => {
          outcome = read(bytes);
        });
        outcomes.set(code, (outcomes.get(code) ?? 0) + 1);
        if (code === 'no error') expect(outcome).toBe(right);
      }),
      { numRuns: process.env.SLOW === '1' ? 20_000 : 1000, seed: 1 },
    );
    expect([...outcomes.keys()].every((code) => code === 'no error' || code.startsWith('DATA_'))).toBe(true);
    expect(outcomes.get('DATA_MALFORMED')).toBeGreaterThan(100);
  });
});

describe('labels', () => {
  const array = (shape: number[], rows: number[][]): NumericArray => ({
    label: 'labels',
    dtype: 'f64',
    shape,
    readRow: (index) => Float64Array.from(rows[index]),
    close: () => undefined,
  });

  test('columns, one-hot rows; neither is refused', () => {
    expect([...toLabels(array([2, 1], [[7], [-1]])).values]).toEqual([7, -1]);
    const hot = [
      [0, 1, 0],
      [0, 0, 1],
    ];
    expect([...toLabels(array([2, 3], hot)).values]).toEqual([1, 2]);
    expect(codeOf(() => toLabels(array([1, 3], [[1, 1, 0]])))).toBe('DATA_MALFORMED');
    expect(codeOf(() => toLabels(array([1], [[0.5]])))).toBe('DATA_MALFORMED');
    expect(codeOf(() => toLabels(array([1], [[1e12]])))).toBe('DATA_MALFORMED');
  });
});
