import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { codeOf } from '../../../test/error-code.ts';
import { describeWithShared, sharedData } from '../../../test/shared-data.ts';
import { memoryFolder } from '../../../test/memory-folder.ts';
import { utf8 } from '../../core/bytes.ts';
import { openBufferSource } from '../../source/buffer.ts';
import { type CsvOptions, openCsv } from './csv.ts';
import { openIdx } from './idx.ts';
import { inflateRaw, openMaybeGzip } from './inflate.ts';
import { openData } from './load.ts';
import type { LabelledData } from './types.ts';

const csv = (text: string, options?: CsvOptions): LabelledData =>
  openCsv(openBufferSource('t.csv', utf8(text)), options);
const rowsOf = (data: LabelledData): number[][] =>
  Array.from({ length: data.count }, (_, index) => [...data.read(index)]);

describe('csv', () => {
  test('a header, labels named in the middle, quotes, blank lines, CRLF and a byte order mark', () => {
    const data = csv('\uFEFFa,Class,"b, ""c"""\r\n1,"x ""1""",2.5\r\n\r\n-3e1,y,"4"\r\n');
    expect(data).toMatchObject({ count: 2, sampleShape: [2], isBytes: false });
    expect(rowsOf(data)).toEqual([
      [1, 2.5],
      [-30, 4],
    ]);
    expect(data.labels).toEqual({ values: Int32Array.of(0, 1), names: ['x "1"', 'y'] });
  });

  test('a quoted cell of 24 million characters is read', () => {
    const data = csv(`f,label\n1,"${'x'.repeat(24_000_000)}"\n2,b\n`);
    expect(data.labels.names?.map((name) => name.length)).toEqual([1, 24_000_000]);
  });

  test('without a header the last column is the label, the first when the last looks like none, or as told', () => {
    expect([...csv('1,2,0\n3,4,1').labels.values]).toEqual([0, 1]);
    expect([...csv('5,2,0\n7,4,0').labels.values]).toEqual([5, 7]);
    expect([...csv('1,2.5\n0,2.25').labels.values]).toEqual([1, 0]);
    expect([...csv('1,2,0\n3,4,1', { labelColumn: 'first' }).labels.values]).toEqual([1, 3]);
  });

  test('pixels are told from measurements: whole numbers up to 255, some above 127', () => {
    expect(csv('0,255,0\n3,4,1').isBytes).toBe(true);
    expect(csv('0,16,0\n3,4,1').isBytes).toBe(false);
    expect(csv('0,256,0\n3,4,1').isBytes).toBe(false);
  });

  test.each([
    '',
    '1\n2',
    '1,2,0\n1,2',
    '1,x,0\n2,3,1\n4,y,1',
    '1,2"3,0\n1,2,1',
    '1,"2"3,0\n1,2,1',
    '1,"2,0\n1,2,1',
    'a,b\n0.5,1.5',
  ])('DATA_MALFORMED: %j', (text) => {
    expect(codeOf(() => csv(text))).toBe('DATA_MALFORMED');
  });
});

describe('idx', () => {
  const idx = (head: number[], body: number[]): Uint8Array => Uint8Array.from([...head, ...body]);

  test('bytes and big-endian numbers', () => {
    const bytes = openIdx(openBufferSource('i', idx([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3], [1, 2, 3, 4, 5, 255])));
    expect(bytes).toMatchObject({ dtype: 'u8', shape: [2, 3] });
    expect([...bytes.readRow(1)]).toEqual([4, 5, 255]);
    const wide = openIdx(openBufferSource('i', idx([0, 0, 0x0b, 1, 0, 0, 0, 2], [0xff, 0xfe, 1, 0])));
    expect([...wide.readRow(0), ...wide.readRow(1)]).toEqual([-2, 256]);
  });

  test.each([
    [[]],
    [[0, 0, 8]],
    [[0, 1, 8, 1, 0, 0, 0, 0]],
    [[0, 0, 7, 1, 0, 0, 0, 0]],
    [[0, 0, 8, 0]],
    [[0, 0, 8, 9, 0, 0]],
    [[0, 0, 8, 1, 0, 0, 0, 2, 1]],
  ])('DATA_MALFORMED: %j', (bytes) => {
    expect(codeOf(() => openIdx(openBufferSource('i', Uint8Array.from(bytes))))).toBe('DATA_MALFORMED');
  });

  test('DATA_TOO_LARGE: more samples than the limit, before anything is read', () => {
    const bytes = idx([0, 0, 8, 1, 0xff, 0xff, 0xff, 0xff], []);
    expect(codeOf(() => openIdx(openBufferSource('i', bytes)))).toBe('DATA_TOO_LARGE');
  });
});

describe('compressed data', () => {
  test('gz is inflated by its name; damage and bombs have codes', () => {
    const source = openMaybeGzip(openBufferSource('a.csv.gz', gzipSync('1,2')));
    expect(source).toMatchObject({ label: 'a.csv', size: 3 });
    expect(codeOf(() => openMaybeGzip(openBufferSource('a.gz', utf8('no gzip'))))).toBe('DATA_MALFORMED');
    const bomb = new Uint8Array(gzipSync(Buffer.alloc(1 << 20)).subarray(10, -8));
    expect(codeOf(() => inflateRaw('bomb', bomb, 1000))).toBe('DATA_TOO_LARGE');
    expect(inflateRaw('fits', bomb, 1 << 20)).toHaveLength(1 << 20);
  });
});

describe('openData', () => {
  const idx1 = Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 2, 7, 9);
  const idx3 = Uint8Array.of(0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 3, 4);
  const files = {
    'train-images-idx3-ubyte': idx3,
    'train-labels-idx1-ubyte.gz': gzipSync(idx1),
    'notes.txt': utf8(''),
  };

  test('finds the labels of idx and npy beside them, from the file or from its folder', () => {
    const folder = memoryFolder(files);
    for (const file of ['train-images-idx3-ubyte', null]) {
      const data = openData({ folder, names: folder.names, file });
      expect(data).toMatchObject({ format: 'idx', count: 2, sampleShape: [1, 1], isBytes: true });
      expect([...data.labels.values]).toEqual([7, 9]);
    }
    const u1 = readFileSync(new URL('../../../test/fixtures/fidelity/u1.npy', import.meta.url));
    const label = readFileSync(new URL('../../../test/fixtures/fidelity/bool.npy', import.meta.url));
    for (const [samples, labels] of [
      ['x_test.npy', 'y_test.npy'],
      ['a/X.npy', 'a/y.npy'],
      ['d.npy', 'd_labels.npy'],
      ['val-images.npy', 'val-labels.npy'],
    ]) {
      const arrays = memoryFolder({ [samples]: u1, [labels]: label });
      expect(openData({ folder: arrays, names: arrays.names, file: samples }).count).toBe(1);
    }
  });

  test('DATA_UNKNOWN_FORMAT: no known name, no labels; DATA_MALFORMED: labels that are too few, or no rows', () => {
    const folder = memoryFolder(files);
    expect(codeOf(() => openData({ folder, names: folder.names, file: 'notes.txt' }))).toBe('DATA_UNKNOWN_FORMAT');
    const alone = memoryFolder({ 'train-images-idx3-ubyte': idx3 });
    expect(codeOf(() => openData({ folder: alone, names: alone.names, file: null }))).toBe('DATA_UNKNOWN_FORMAT');
    const few = memoryFolder({ 'images-idx3': idx3, 'labels-idx1': Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 1, 7) });
    expect(codeOf(() => openData({ folder: few, names: few.names, file: null }))).toBe('DATA_MALFORMED');
    const none = memoryFolder({
      'images-idx1': Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 0),
      'labels-idx1': Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 0),
    });
    expect(codeOf(() => openData({ folder: none, names: none.names, file: 'images-idx1' }))).toBe('DATA_MALFORMED');
  });
});

describeWithShared('the data sets of scikit-learn and MNIST', () => {
  const open = (name: string): LabelledData => {
    const folder = memoryFolder({ [name]: readFileSync(sharedData('datasets', name)) });
    return openData({ folder, names: folder.names, file: name });
  };

  test.each([
    ['digits.csv.gz', 1797, 64, 10, [0, 0, 5, 13, 9, 1]],
    ['breast_cancer.csv', 569, 30, 2, [17.99, 10.38, 122.8, 1001]],
    ['wine_data.csv', 178, 13, 3, [14.23, 1.71, 2.43]],
  ])('%s: %i samples of %i features in %i classes', (name, count, features, classes, first) => {
    const data = open(name);
    expect(data).toMatchObject({ count, sampleShape: [features], isBytes: false });
    expect(new Set(data.labels.values).size).toBe(classes);
    expect([...data.read(0)].slice(0, first.length)).toEqual(first);
  });

  test('MNIST test set', () => {
    const names = ['mnist-t10k-images-idx3-ubyte.gz', 'mnist-t10k-labels-idx1-ubyte.gz'];
    const folder = memoryFolder(
      Object.fromEntries(names.map((name) => [name, readFileSync(sharedData('datasets', name))])),
    );
    const data = openData({ folder, names, file: names[0] });
    expect(data).toMatchObject({ count: 10_000, sampleShape: [28, 28], isBytes: true });
    expect([...data.labels.values.subarray(0, 10)]).toEqual([7, 2, 1, 0, 4, 1, 4, 9, 5, 9]);
  });
});
