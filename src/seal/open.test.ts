import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  bufferSink,
  countingSource,
  fixedClock,
  makeTestSeal,
  seededBytes,
  seededRandom,
} from '../../test/fakes/seal-kit.ts';
import { toHex } from '../core/bytes.ts';
import {
  openSeal,
  openSealBuffer,
  openSealSource,
  openSealTo,
  readSealHeader,
  sealBuffer,
  sealFiles,
  sealSource,
} from './index.ts';

const PER_SEGMENT = 64 * 1024 - 32;
const RUNS = process.env.SLOW === '1' ? 300 : 30;
const long = makeTestSeal({ seed: 3, length: 5 * PER_SEGMENT + 4321 });

function openToBytes(bytes: Uint8Array, dek: Uint8Array): Uint8Array {
  const sink = bufferSink();
  openSealTo({ source: countingSource('x', bytes), dek, sinkFor: () => sink });
  return sink.bytes();
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

describe('open after seal', () => {
  test.each([
    0,
    1,
    PER_SEGMENT - 1,
    PER_SEGMENT,
    PER_SEGMENT + 1,
    2 * PER_SEGMENT,
    3 * PER_SEGMENT + 5,
  ])('%i bytes come back, streamed and by random access', (length) => {
    const { bytes, dek, plaintext } = makeTestSeal({ seed: length, length });
    expect(isSame(openToBytes(bytes, dek), plaintext)).toBe(true);
    const source = openSealSource({ source: countingSource('x', bytes), dek });
    const into = new Uint8Array(length);
    source.read(0, into);
    expect(isSame(into, plaintext)).toBe(true);
  });

  test('any range in any order is the plaintext there', () => {
    const source = openSealSource({ source: countingSource('x', long.bytes), dek: long.dek });
    fc.assert(
      fc.property(fc.nat(source.size), fc.nat(3 * PER_SEGMENT), (offset, length) => {
        const into = new Uint8Array(Math.min(length, source.size - offset));
        source.read(offset, into);
        return isSame(into, long.plaintext.subarray(offset, offset + into.length));
      }),
      { numRuns: RUNS, seed: 5 },
    );
  });

  test('sealing twice gives different bytes: IVs are drawn, never derived', () => {
    const random = seededRandom(1);
    const seal = (): Uint8Array => {
      const sink = bufferSink();
      const model = { name: 'net' };
      const source = countingSource('net.onnx', new Uint8Array(10));
      sealSource({ source, sink, dek: long.dek, model, format: 'onnx', clock: fixedClock(), random });
      return sink.bytes();
    };
    expect(toHex(seal())).not.toBe(toHex(seal()));
  });

  test('progress counts every plaintext byte', () => {
    let total = 0;
    const steps: unknown[] = [];
    const progress = {
      step: (...step: unknown[]) => steps.push(step),
      advance: (amount: number) => {
        total += amount;
      },
      done: () => steps.push('done'),
    };
    openSealTo({ source: countingSource('x', long.bytes), dek: long.dek, sinkFor: () => bufferSink(), progress });
    expect(total).toBe(long.plaintext.length);
    expect(steps).toEqual([['open', long.plaintext.length, 'bytes'], 'done']);
  });
});

describe('buffer to buffer', () => {
  const bytes = long.plaintext;
  const base = { name: 'net.onnx', bytes, dek: long.dek, model: { name: 'net' }, format: 'onnx', clock: fixedClock() };
  const seal = (into?: Uint8Array): ReturnType<typeof sealBuffer> =>
    sealBuffer({ ...base, random: seededRandom(2003), segmentBytes: 65536, ...(into === undefined ? {} : { into }) });

  test('gives the bytes that streaming gives, and opens them', () => {
    const { sealed, header, sealedBytes } = seal();
    const sink = bufferSink();
    const streamed = sealSource({
      ...base,
      source: countingSource('net.onnx', bytes),
      sink,
      random: seededRandom(2003),
      segmentBytes: 65536,
    });
    expect(header).toEqual(streamed.header);
    expect(sealedBytes).toBe(sealed.length);
    expect(isSame(sealed, sink.bytes())).toBe(true);
    expect(isSame(openSealBuffer({ sealed, dek: long.dek }), bytes)).toBe(true);
    expect(isSame(openToBytes(sealed, long.dek), bytes)).toBe(true);
  });

  test('writes to given memory and refuses too little of it', () => {
    const memory = new Uint8Array(bytes.length + 4096);
    const { sealed } = seal(memory);
    expect(sealed.buffer).toBe(memory.buffer);
    const into = new Uint8Array(bytes.length);
    expect(openSealBuffer({ sealed, dek: long.dek, into }).buffer).toBe(into.buffer);
    expect(isSame(into, bytes)).toBe(true);
    expect(() => seal(new Uint8Array(bytes.length))).toThrow(TypeError);
    expect(() => openSealBuffer({ sealed, dek: long.dek, into: into.subarray(1) })).toThrow(TypeError);
  });

  test('leaves nothing in the given memory when a late segment fails', () => {
    const sealed = long.bytes.slice();
    sealed[sealed.length - 1] ^= 1;
    const into = new Uint8Array(bytes.length).fill(0xee);
    expect(() => openSealBuffer({ sealed, dek: long.dek, into })).toThrow(
      expect.objectContaining({ code: 'SEAL_AUTH_FAILED' }),
    );
    expect(into.every((byte) => byte === 0)).toBe(true);
  });
});

describe('reading by need', () => {
  test('a range of 4 KiB touches at most two segments, wherever it lies', () => {
    const { segmentsStart } = readSealHeader(countingSource('x', long.bytes));
    for (let offset = 0; offset + 4096 <= long.plaintext.length; offset += 1013) {
      const sealed = countingSource('x', long.bytes);
      const source = openSealSource({ source: sealed, dek: long.dek });
      source.read(offset, new Uint8Array(4096));
      const segmentReads = sealed.reads.filter((each) => each.offset >= segmentsStart);
      expect(segmentReads.length).toBeLessThanOrEqual(2);
      source.close();
    }
  });

  test('reads in one place decrypt once; sequential reads decrypt each segment once', () => {
    const sealed = countingSource('x', long.bytes);
    const source = openSealSource({ source: sealed, dek: long.dek });
    const before = sealed.reads.length;
    for (let at = 0; at + 1000 < PER_SEGMENT; at += 1000) source.read(at, new Uint8Array(1000));
    expect(sealed.reads.length - before).toBe(1);
    for (let at = 0; at + 1000 < source.size; at += 1000) source.read(at, new Uint8Array(1000));
    expect(sealed.reads.length - before).toBe(6);
  });

  test('a wrong key is refused at the header: no segment is read', () => {
    for (const open of [openSeal, openSealSource, openSealTo]) {
      const sealed = countingSource('x', long.bytes);
      const { segmentsStart } = readSealHeader(countingSource('x', long.bytes));
      const options = { source: sealed, dek: seededBytes(99, 32), sinkFor: () => bufferSink() };
      expect(() => open(options)).toThrow(expect.objectContaining({ code: 'SEAL_AUTH_FAILED' }));
      expect(sealed.reads.every(({ offset }) => offset < segmentsStart)).toBe(true);
    }
  });

  test('a bad segment releases nothing, the good ones stay readable', () => {
    const bytes = long.bytes.slice();
    const { segmentsStart } = readSealHeader(countingSource('x', bytes));
    bytes[segmentsStart + 2 * 65536 + 100] ^= 1;
    const source = openSealSource({ source: countingSource('x', bytes), dek: long.dek });
    const into = new Uint8Array(500).fill(0xee);
    expect(() => {
      source.read(2 * PER_SEGMENT + 50, into);
    }).toThrow(expect.objectContaining({ code: 'SEAL_AUTH_FAILED' }));
    expect(into.every((byte) => byte === 0xee)).toBe(true);
    source.read(3 * PER_SEGMENT, into);
    expect(isSame(into, long.plaintext.subarray(3 * PER_SEGMENT, 3 * PER_SEGMENT + 500))).toBe(true);
  });

  test('all failures look alike: one code, one message, no fields', () => {
    const flipped = long.bytes.slice();
    flipped[flipped.length - 1] ^= 1;
    const headerTag = long.bytes.slice();
    headerTag[readSealHeader(countingSource('x', long.bytes)).segmentsStart - 1] ^= 1;
    const errors = [
      [long.bytes, seededBytes(1, 32)],
      [flipped, long.dek],
      [headerTag, long.dek],
    ].map(([bytes, dek]) => {
      try {
        return openToBytes(bytes, dek);
      } catch (error) {
        const { code, message, fields, cause } = error as Error & { code: string; fields: object };
        return JSON.stringify({ code, message, fields, cause });
      }
    });
    expect(new Set(errors).size).toBe(1);
  });

  test('closing closes the sealed file and ends all reading', () => {
    const sealed = countingSource('x', long.bytes);
    const source = openSealSource({ source: sealed, dek: long.dek });
    source.read(0, new Uint8Array(10));
    source.close();
    expect(sealed.isClosed).toBe(true);
    expect(() => {
      source.read(0, new Uint8Array(10));
    }).toThrow(TypeError);
  });

  test('ranges outside the plaintext are refused', () => {
    const source = openSealSource({ source: countingSource('x', long.bytes), dek: long.dek });
    for (const offset of [-1, 0.5, source.size - 9, source.size + 1]) {
      expect(() => {
        source.read(offset, new Uint8Array(10));
      }).toThrow(expect.objectContaining({ code: 'SOURCE_SHORT_READ' }));
    }
  });
});

describe('a model of several files', () => {
  const files = [
    { name: 'net.onnx', bytes: seededBytes(21, 70_000) },
    { name: 'empty.bin', bytes: new Uint8Array() },
    { name: 'data/weights.bin', bytes: seededBytes(22, 150_000) },
    { name: 'tail.bin', bytes: new Uint8Array() },
  ];
  const seal = makeTestSeal({ seed: 20, files });

  test('is one seal; each file reads by its own name, from its own offset', () => {
    const opened = openSeal({ source: countingSource('net.seal', seal.bytes), dek: seal.dek });
    expect(opened.main.label).toBe('net.onnx');
    for (const { name, bytes } of files) {
      const source = opened.folder.open(name);
      expect(source.size).toBe(bytes.length);
      const into = new Uint8Array(bytes.length);
      source.read(0, into);
      expect(isSame(into, bytes)).toBe(true);
      expect(() => {
        source.read(bytes.length - 1, new Uint8Array(2));
      }).toThrow(expect.objectContaining({ code: 'SOURCE_SHORT_READ' }));
    }
    expect(opened.folder.open('data/weights.bin').label).toBe('weights.bin');
    expect(() => opened.folder.open('absent.bin')).toThrow(expect.objectContaining({ code: 'SOURCE_NOT_FOUND' }));
    expect(() => opened.folder.open('../net.onnx')).toThrow(expect.objectContaining({ code: 'SOURCE_OUTSIDE_FOLDER' }));
    opened.main.close();
    expect(() => {
      opened.folder.open('net.onnx').read(0, new Uint8Array(1));
    }).toThrow(TypeError);
  });

  test('streams out file by file, empty ones too', () => {
    const sinks = new Map<string, ReturnType<typeof bufferSink>>();
    openSealTo({
      source: countingSource('x', seal.bytes),
      dek: seal.dek,
      sinkFor: (name) => {
        const sink = bufferSink();
        sinks.set(name, sink);
        return sink;
      },
    });
    expect([...sinks.keys()]).toEqual(files.map(({ name }) => name));
    for (const { name, bytes } of files) expect(isSame(sinks.get(name)!.bytes(), bytes)).toBe(true);
  });

  test('only empty files: every sink is made and the end is checked', () => {
    const empty = makeTestSeal({
      files: [
        { name: 'a', bytes: new Uint8Array() },
        { name: 'b', bytes: new Uint8Array() },
      ],
    });
    const names: string[] = [];
    const open = (bytes: Uint8Array): void => {
      const sinkFor = (name: string): ReturnType<typeof bufferSink> => {
        names.push(name);
        return bufferSink();
      };
      openSealTo({ source: countingSource('x', bytes), dek: empty.dek, sinkFor });
    };
    open(empty.bytes);
    expect(names).toEqual(['a', 'b']);
    const flipped = empty.bytes.slice();
    flipped[flipped.length - 1] ^= 1;
    expect(() => {
      open(flipped);
    }).toThrow(expect.objectContaining({ code: 'SEAL_AUTH_FAILED' }));
  });

  test.each([
    ['../x'],
    ['/x'],
    ['a//b'],
    ['a/./b'],
    ['a\\b'],
    ['C:x'],
    [''],
    ['a\u0000b'],
    ['x'.repeat(1025)],
  ])('the name %j cannot be sealed', (name) => {
    expect(() => makeTestSeal({ files: [{ name, bytes: new Uint8Array(1) }] })).toThrow(
      expect.objectContaining({ code: 'SEAL_NAME_REFUSED' }),
    );
  });

  test('names that differ in case only cannot be sealed together; too many long names do not fit', () => {
    const file = (name: string): { name: string; bytes: Uint8Array } => ({ name, bytes: new Uint8Array(1) });
    expect(() => makeTestSeal({ files: [file('A'), file('a')] })).toThrow(
      expect.objectContaining({ code: 'SEAL_NAME_REFUSED' }),
    );
    const many = Array.from({ length: 1200 }, (_, i) => file(`${'n'.repeat(1000)}${i}`));
    expect(() => makeTestSeal({ files: many })).toThrow(expect.objectContaining({ code: 'SEAL_HEADER_INVALID' }));
  });
});

describe("a caller's mistakes", () => {
  const base = {
    files: [{ name: 'a', source: countingSource('a', new Uint8Array(1)) }],
    sink: bufferSink(),
    dek: long.dek,
    model: { name: 'm' },
    format: 'onnx',
    clock: fixedClock(),
    random: seededRandom(1),
  };
  test.each([
    ['a key of 16 bytes', { dek: new Uint8Array(16) }],
    ['no file', { files: [] }],
    ['segments of 1 KiB', { segmentBytes: 1024 }],
    ['segments of 5 MiB', { segmentBytes: 5 * 1024 * 1024 }],
  ])('%s is a TypeError', (_, change) => {
    expect(() => sealFiles({ ...base, ...change })).toThrow(TypeError);
  });
});
