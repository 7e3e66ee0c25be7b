import { describe, expect, test } from 'vitest';
import { countingSource, makeTestSeal } from '../../test/fakes/seal-kit.ts';
import { concatBytes, u32be, utf8 } from '../core/bytes.ts';
import { SEAL_LIMITS } from '../core/limits/seal.ts';
import { encodeSealHeader, isSeal, readSealHeader, toDekId } from './header.ts';

const seal = makeTestSeal({ length: 1000 });
const info = readSealHeader(countingSource('net.seal', seal.bytes));
const rest = seal.bytes.subarray(info.preamble.length);
const json = new TextDecoder().decode(info.preamble.subarray(12));

function withJson(text: string): Uint8Array {
  const bytes = utf8(text);
  return concatBytes(info.preamble.subarray(0, 8), u32be(bytes.length), bytes, rest);
}

function read(bytes: Uint8Array): void {
  readSealHeader(countingSource('net.seal', bytes));
}

describe('seal header', () => {
  test('says what was sealed, without a key', () => {
    expect(info.header).toMatchObject({
      v: 1,
      model: { name: 'net', version: '1.2' },
      format: 'onnx',
      files: [{ name: 'net.onnx', size: 1000 }],
      ptSize: 1000,
      segLen: 65536,
      createdAt: '2026-01-02T03:04:05.678Z',
      dekId: toDekId(seal.dek),
    });
    expect(info.header.sealId).toMatch(/^019b7ca9-8f2e-7/);
    expect(isSeal(countingSource('x', seal.bytes))).toBe(true);
    expect(encodeSealHeader(info.header)).toEqual(info.preamble);
  });

  test('the first bytes are the documented ones', () => {
    expect(Buffer.from(seal.bytes.subarray(0, 8)).toString('hex')).toBe('4d575345414c0a01');
    expect(new DataView(seal.bytes.buffer).getUint32(8)).toBe(info.preamble.length - 12);
  });

  test('is read with three small reads and nothing of the segments', () => {
    const source = countingSource('net.seal', seal.bytes);
    readSealHeader(source);
    expect(Math.max(...source.reads.map(({ offset, length }) => offset + length))).toBe(info.segmentsStart);
  });

  test('other files are not seals; an unknown version says so', () => {
    for (const bytes of [new Uint8Array(), utf8('MWSEAL\n'), utf8('PK\x03\x04 and more than twelve bytes')]) {
      expect(isSeal(countingSource('x', bytes))).toBe(false);
      expect(() => {
        read(bytes);
      }).toThrow(expect.objectContaining({ code: 'SEAL_NOT_A_SEAL' }));
    }
    const newer = seal.bytes.slice();
    newer[7] = 2;
    expect(() => {
      read(newer);
    }).toThrow(expect.objectContaining({ code: 'SEAL_VERSION_UNKNOWN', fields: { file: 'net.seal', version: 2 } }));
  });

  test.each([
    ['a space', (text: string) => text.replace(',', ', ')],
    ['a trailing line feed', (text: string) => `${text}\n`],
    ['a byte order mark', (text: string) => `\ufeff${text}`],
    ['an escape that need not be', (text: string) => text.replace('"net"', '"\\u006eet"')],
    [
      'members in another order',
      (text: string) => text.replace('{"createdAt"', '{"v":1,"createdAt"').replace(',"v":1}', '}'),
    ],
    ['a member twice', (text: string) => text.replace('{"createdAt"', '{"v":1,"createdAt"')],
    ['a number spelled otherwise', (text: string) => text.replace('"v":1', '"v":1.0')],
    ['an unknown member', (text: string) => text.replace('"v":1', '"v":1,"w":1')],
    ['a missing member', (text: string) => text.replace(',"v":1', '')],
    ['a version that is not 1', (text: string) => text.replace('"v":1', '"v":3')],
    ['a segment of 1 byte', (text: string) => text.replace('65536', '1')],
    ['a segment of 8 MiB', (text: string) => text.replace('65536', '8388608')],
    ['a negative size', (text: string) => text.replaceAll('1000', '-1000')],
    ['a fraction of a byte', (text: string) => text.replaceAll('1000', '1000.5')],
    ['a size beyond 2^53', (text: string) => text.replaceAll('1000', '9007199254740993')],
    ['sizes that do not add up', (text: string) => text.replace('"size":1000', '"size":999')],
    ['a name that leaves the folder', (text: string) => text.replace('net.onnx', '../net.onnx')],
    ['an absolute name', (text: string) => text.replace('net.onnx', '/net.onnx')],
    ['a name with a back slash', (text: string) => text.replace('net.onnx', 'a\\\\net.onnx')],
    ['a name with a drive', (text: string) => text.replace('net.onnx', 'c:net.onnx')],
    ['an empty name', (text: string) => text.replace('net.onnx', '')],
    ['no file', (text: string) => text.replace(/"files":\[.*?\]/, '"files":[]')],
    ['a seal id that is no UUIDv7', (text: string) => text.replace(/("sealId":".{14})7/, '$14')],
    ['a lone surrogate', (text: string) => text.replace('"net"', '"\\ud800"')],
    ['an array', () => '[]'],
    ['nothing', () => ''],
    ['not JSON', () => '{'],
  ])('refused: %s', (_, change) => {
    const text = change(json);
    expect(text).not.toBe(json);
    expect(() => {
      read(withJson(text));
    }).toThrow(expect.objectContaining({ code: 'SEAL_HEADER_INVALID' }));
  });

  test('refused: bytes that are not UTF-8', () => {
    const bytes = seal.bytes.slice();
    bytes[20] = 0xff;
    expect(() => {
      read(bytes);
    }).toThrow(expect.objectContaining({ code: 'SEAL_HEADER_INVALID' }));
  });

  test('two names that one system takes for one file are refused', () => {
    const files = '"files":[{"name":"Net.onnx","size":500},{"name":"net.onnx","size":500}]';
    expect(() => {
      read(withJson(json.replace(/"files":\[.*?\]/, files)));
    }).toThrow(expect.objectContaining({ code: 'SEAL_HEADER_INVALID' }));
  });

  test('a header length beyond the cap or the file is refused before it is allocated', () => {
    for (const [length, code] of [
      [SEAL_LIMITS.headerBytesMax + 1, 'SEAL_HEADER_INVALID'],
      [0xffffffff, 'SEAL_HEADER_INVALID'],
      [SEAL_LIMITS.headerBytesMax, 'SEAL_SIZE_MISMATCH'],
    ] as const) {
      const source = countingSource(
        'x',
        concatBytes(seal.bytes.subarray(0, 8), u32be(length), seal.bytes.subarray(12)),
      );
      expect(() => readSealHeader(source)).toThrow(expect.objectContaining({ code }));
      expect(Math.max(...source.reads.map((each) => each.length))).toBeLessThanOrEqual(12);
    }
  });

  test('a file that is longer or shorter than its header says is refused before a segment is read', () => {
    for (const bytes of [seal.bytes.subarray(0, -1), concatBytes(seal.bytes, new Uint8Array(1))]) {
      const source = countingSource('x', bytes);
      expect(() => readSealHeader(source)).toThrow(
        expect.objectContaining({
          code: 'SEAL_SIZE_MISMATCH',
          fields: { file: 'x', sizeBytes: bytes.length, expectedBytes: seal.bytes.length },
        }),
      );
      expect(source.reads.every(({ offset }) => offset < info.segmentsStart)).toBe(true);
    }
  });
});
