import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { codeOf } from '../../../test/error-code.ts';
import { memoryFolder } from '../../../test/memory-folder.ts';
import { openBufferSource } from '../../source/buffer.ts';
import { openData } from './load.ts';
import { openNpy } from './npy.ts';
import { decodeImage, type Pixels, resizeByArea } from './pixels.ts';

const fixtures = join(import.meta.dirname, '../../../test/fixtures/fidelity');
const load = (name: string): Uint8Array => new Uint8Array(readFileSync(join(fixtures, name)));
const decode = (name: string, bytes = load(name)): Pixels => decodeImage(openBufferSource(name, bytes));

/** The array that make.py gave to Pillow: 4 × 6 × 3. */
function readArray(): number[] {
  const array = openNpy(openBufferSource('a', load('image-rgb.npy')));
  return Array.from({ length: 4 }, (_, row) => [...array.readRow(row)]).flat();
}

describe('images written by Pillow', () => {
  test('PNG in true colour and with a palette is exact', () => {
    for (const name of ['rgb.png', 'palette.png']) {
      expect([...resizeByArea(decode(name), { height: 4, width: 6, channels: 3 })]).toEqual(readArray());
    }
  });

  test('grey PNG of 8 and 16 bits', () => {
    const red = readArray().filter((_, index) => index % 3 === 0);
    for (const name of ['gray.png', 'gray16.png']) {
      const grey = resizeByArea(decode(name), { height: 4, width: 6, channels: 1 });
      grey.forEach((value, index) => {
        expect(Math.abs(value - red[index])).toBeLessThanOrEqual(1);
      });
    }
  });

  test.each(['smooth.jpg', 'progressive.jpg', 'gray.jpg'])('%s is within 4 of 255 of what was encoded', (name) => {
    const pixels = decode(name);
    expect(pixels).toMatchObject({ height: 32, width: 48 });
    const values = resizeByArea(pixels, { height: 32, width: 48, channels: 3 });
    values.forEach((value, at) => {
      const [row, column] = [Math.floor(at / 144), Math.floor((at % 144) / 3)];
      expect(Math.abs(value - Math.min(255, 4 * row + 2 * column))).toBeLessThanOrEqual(4);
    });
  });

  test("shrinking is the mean of the area, as Pillow's BOX filter", () => {
    const smooth = { height: 32, width: 48, rgba: new Uint8Array(32 * 48 * 4) };
    for (let at = 0; at < smooth.rgba.length; at += 4) {
      const [row, column] = [Math.floor(at / 192), (at % 192) / 4];
      smooth.rgba.fill(Math.min(255, 4 * row + 2 * column), at, at + 4);
    }
    const ours = resizeByArea(smooth, { height: 8, width: 12, channels: 3 });
    const theirs = resizeByArea(decode('smooth-box-12x8.png'), { height: 8, width: 12, channels: 3 });
    ours.forEach((value, index) => {
      expect(Math.abs(value - theirs[index])).toBeLessThanOrEqual(0.5);
    });
  });

  test('sizes that do not divide weigh partial pixels, and the mean stays', () => {
    const pixels: Pixels = { height: 1, width: 3, rgba: Uint8Array.of(30, 0, 0, 0, 60, 0, 0, 0, 90, 0, 0, 0) };
    const two = resizeByArea(pixels, { height: 1, width: 2, channels: 3 });
    expect([two[0], two[3]]).toEqual([(30 + 60 / 2) / 1.5, (60 / 2 + 90) / 1.5]);
    const six = resizeByArea(pixels, { height: 1, width: 6, channels: 3 });
    expect([0, 3, 6, 9, 12, 15].map((at) => Math.round(six[at]))).toEqual([30, 30, 60, 60, 90, 90]);
  });

  test('DATA_MALFORMED: no image, cut images; DATA_TOO_LARGE: a header that claims too many pixels', () => {
    expect(codeOf(() => decode('text', Uint8Array.of(1, 2, 3)))).toBe('DATA_MALFORMED');
    for (const name of ['rgb.png', 'smooth.jpg']) {
      const whole = load(name);
      for (const length of [5, 24, Math.floor(whole.length / 2)]) {
        expect(codeOf(() => decode(name, whole.subarray(0, length)))).toBe('DATA_MALFORMED');
      }
    }
    const png = Buffer.from(load('rgb.png'));
    png.writeUInt32BE(1_000_000, 16);
    png.writeUInt32BE(1_000_000, 20);
    expect(codeOf(() => decode('bomb.png', png))).toBe('DATA_TOO_LARGE');
    const jpg = Buffer.from(load('smooth.jpg'));
    const frame = jpg.indexOf(Buffer.from('ffc0', 'hex'));
    jpg.writeUInt16BE(65_535, frame + 5);
    jpg.writeUInt16BE(65_535, frame + 7);
    expect(codeOf(() => decode('bomb.jpg', jpg))).toBe('DATA_TOO_LARGE');
  });
});

describe('hostile images', () => {
  test.each([
    'rgb.png',
    'palette.png',
    'gray16.png',
    'smooth.jpg',
    'progressive.jpg',
    'gray.jpg',
  ])('%s with changed bytes is decoded or refused by code', (name) => {
    const whole = load(name);
    const codes = new Map<string, number>();
    const change = fc.record({ at: fc.nat(whole.length - 1), to: fc.integer({ min: 0, max: 255 }) });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const bytes = Uint8Array.from(whole);
        for (const { at, to } of changes) bytes[at] = to;
        const code = codeOf(() => decode(name, bytes));
        codes.set(code, (codes.get(code) ?? 0) + 1);
      }),
      { numRuns: process.env.SLOW === '1' ? 5000 : 100, seed: 7 },
    );
    expect(
      [...codes.keys()].filter((code) => !['no error', 'DATA_MALFORMED', 'DATA_TOO_LARGE'].includes(code)),
    ).toEqual([]);
    expect(codes.get('DATA_MALFORMED')).toBeGreaterThan(0);
  });
});

describe('interlaced PNG', () => {
  /** An interlaced 1 × 1 grey image whose data inflates to `bytes` bytes. */
  function makeInterlaced(bytes: number): Uint8Array {
    const chunk = (type: string, body: Uint8Array): Buffer => {
      const named = Buffer.concat([Buffer.from(type, 'latin1'), body]);
      const frame = Buffer.alloc(8);
      frame.writeUInt32BE(body.length, 0);
      frame.writeUInt32BE(crc32(named), 4);
      return Buffer.concat([frame.subarray(0, 4), named, frame.subarray(4)]);
    };
    const header = Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 1);
    const data = deflateSync(Buffer.concat([Uint8Array.of(0, 77), Buffer.alloc(bytes - 2)]));
    const signature = Buffer.from('89504e470d0a1a0a', 'hex');
    return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', data), chunk('IEND', new Uint8Array())]);
  }

  test('is read; one that inflates to far more than its size is refused', () => {
    const size = { height: 1, width: 1, channels: 1 } as const;
    expect([...resizeByArea(decode('ok.png', makeInterlaced(2)), size)]).toEqual([77]);
    expect(codeOf(() => decode('bomb.png', makeInterlaced(1 << 20)))).toBe('DATA_MALFORMED');
  });
});

describe('a folder of images', () => {
  test('classes are the subfolders; numbers stay numbers; other files are passed over', () => {
    const image = load('rgb.png');
    const named = memoryFolder({ 'dog/1.png': image, 'cat/2.PNG': image, 'cat/notes.txt': image, 'top.png': image });
    const data = openData({ folder: named, names: named.names, file: null });
    expect(data).toMatchObject({ format: 'images', count: 2, sampleShape: null, isBytes: true });
    expect(data.labels).toEqual({ values: Int32Array.of(0, 1), names: ['cat', 'dog'] });
    expect(data.findImageSize(0)).toMatchObject({ height: 4, width: 6 });
    const numbered = memoryFolder({ 'val/10/a.png': image, 'val/2/b.jpg': load('smooth.jpg') });
    expect([...openData({ folder: numbered, names: numbered.names, file: null }).labels.values]).toEqual([10, 2]);
  });
});
