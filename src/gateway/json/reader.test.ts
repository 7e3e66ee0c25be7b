/** The reader against JSON.parse: the same values, and never more than it. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { utf8 } from '../../core/bytes.ts';
import { JsonReader } from './reader.ts';

const OPTIONS = { depthMax: 16, code: 'GATEWAY_INPUT_MALFORMED' } as const;

const toReader = (text: string): JsonReader => new JsonReader(utf8(text), OPTIONS);

/** The value as the reader's tokens say it. */
function readValue(reader: JsonReader): unknown {
  switch (reader.peek()) {
    case 'object': {
      const members: [string, unknown][] = [];
      reader.enterObject();
      for (let key = reader.nextKey(); key !== null; key = reader.nextKey()) members.push([key, readValue(reader)]);
      return Object.fromEntries(members);
    }
    case 'array': {
      const elements: unknown[] = [];
      reader.enterArray();
      while (reader.nextElement()) elements.push(readValue(reader));
      return elements;
    }
    case 'string':
      return reader.readString();
    case 'number':
      return reader.readNumber();
    case 'null':
      reader.skip();
      return null;
    default:
      return reader.readBoolean();
  }
}

function readWhole(text: string): unknown {
  const reader = toReader(text);
  const value = readValue(reader);
  reader.finish();
  return value;
}

function skipWhole(text: string): void {
  const reader = toReader(text);
  reader.skip();
  reader.finish();
}

// biome-ignore format: one list
const MALFORMED = [
  '', ' ', '{', '[', '"', '{"a"', '{"a":', '{"a":1', '{"a":1,', '{"a":1,}', '{,}', '[1,]', '[,1]', '[1 2]', '{"a" 1}', "{'a':1}",
  '{a:1}', '01', '-', '+1', '.5', '1.', '1.e5', '1e', '1e+', '0x10', 'NaN', 'Infinity', '-Infinity', 'nul', 'True', 'truee',
  '"\\x41"', '"\\u12g4"', '"\\u\u00104"', '"\n"', '"\t"', '1 2', '[1]]', '{}}', '\ufeff1', '\u00a01', '[1}', '{"a":1]', '"\\', '"\\u00',
  '/* c */ 1', '[1,,2]', '--1', '1e5.5', '\u000b1',
];

describe('a reader of JSON', () => {
  test.each(MALFORMED)('refuses %j, read or skipped, as JSON.parse does', (text) => {
    expect(() => JSON.parse(text) as unknown).toThrow();
    const code = { code: 'GATEWAY_INPUT_MALFORMED' };
    expect(() => readWhole(text)).toThrow(expect.objectContaining(code));
    expect(() => {
      skipWhole(text);
    }).toThrow(expect.objectContaining(code));
  });

  test('reads every JSON value as JSON.parse does', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6, noUnicodeString: false }), (text) => {
        skipWhole(text);
        expect(readWhole(text)).toEqual(JSON.parse(text));
      }),
      { numRuns: 500 },
    );
  });

  test('reads names as JSON.parse does, whichever came before', () => {
    const name = fc.oneof(
      fc.string({ maxLength: 30 }),
      fc.string({ unit: 'binary', maxLength: 12 }),
      fc.constantFrom('data', 'date', ''),
    );
    fc.assert(
      fc.property(fc.array(name, { minLength: 1, maxLength: 6 }), (names) => {
        for (const one of [...names, ...names]) {
          const text = JSON.stringify(one);
          const reader = new JsonReader(Buffer.from(` ${text}`).subarray(1), {
            depthMax: 1,
            code: 'GATEWAY_INPUT_MALFORMED',
          });
          expect(reader.readName()).toBe(Buffer.from(JSON.parse(text) as string).toString());
        }
      }),
      { numRuns: 3000 },
    );
  });

  test('reads every spelling of a number as JSON.parse does, to the last bit', () => {
    const digits = (min: number): fc.Arbitrary<string> =>
      fc.array(fc.integer({ min: 0, max: 9 }), { minLength: min, maxLength: 22 }).map((list) => list.join(''));
    const spelling = fc
      .tuple(
        fc.constantFrom('', '-'),
        fc.oneof(
          fc.constant('0'),
          digits(0).map((rest) => `7${rest}`),
        ),
        digits(1),
        fc.integer({ min: -330, max: 330 }),
        fc.constantFrom(0, 1, 2, 3),
      )
      .map(
        ([sign, whole, fraction, exponent, form]) =>
          `${sign}${whole}${form & 1 ? `.${fraction}` : ''}${form & 2 ? `e${exponent}` : ''}`,
      );
    fc.assert(
      fc.property(spelling, (text) => {
        expect(Object.is(readWhole(text), JSON.parse(text))).toBe(true);
      }),
      { numRuns: 3000 },
    );
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const text = Object.is(value, -0) ? '-0' : String(value);
        expect(Object.is(readWhole(text), value)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  test('reads singles as the double that JSON.parse gives, rounded once more', () => {
    const single = (text: string): number => toReader(text).readSingle();
    const spelling = fc.oneof(
      fc.float({ noNaN: true, noDefaultInfinity: true }).map(String),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
      // Next to the middle between two singles, where the second rounding could go either way.
      fc.tuple(fc.integer({ min: 0, max: 0x7f7ffffe }), fc.integer({ min: -3, max: 3 })).map(([code, step]) => {
        const view = new DataView(new ArrayBuffer(8));
        view.setUint32(0, code);
        const low = view.getFloat32(0);
        view.setUint32(0, code + 1);
        view.setFloat64(0, (low + view.getFloat32(0)) / 2);
        view.setBigInt64(0, view.getBigInt64(0) + BigInt(step));
        return String(view.getFloat64(0));
      }),
    );
    fc.assert(
      fc.property(spelling, (text) => {
        expect(Object.is(single(text), Math.fround(JSON.parse(text) as number))).toBe(true);
      }),
      { numRuns: 5000 },
    );
  });

  test('takes what JSON.parse takes and refuses what it refuses, for texts with one character changed', () => {
    const base = '{"a":[1,-2.5e3,"x\\n\\u00e9",true,null],"b":{"c":{}}}';
    fc.assert(
      fc.property(
        fc.nat(base.length - 1),
        fc.constantFrom(...' ,:{}[]"\\eE+-.0tfn\u0001/'.split('')),
        (at, character) => {
          const text = base.slice(0, at) + character + base.slice(at + 1);
          let isValid = true;
          try {
            JSON.parse(text);
          } catch {
            isValid = false;
          }
          let isTaken = true;
          try {
            skipWhole(text);
          } catch {
            isTaken = false;
          }
          expect(isTaken).toBe(isValid);
        },
      ),
      { numRuns: 2000 },
    );
  });

  test('has a depth, for arrays and objects, read or skipped', () => {
    const deep = (depth: number): string => '[{"a":'.repeat(depth / 2) + '1' + '}]'.repeat(depth / 2);
    expect(() => {
      skipWhole(deep(16));
    }).not.toThrow();
    expect(() => {
      skipWhole(deep(18));
    }).toThrow(expect.objectContaining({ code: 'GATEWAY_INPUT_MALFORMED' }));
    expect(() => readWhole(deep(18))).toThrow(
      expect.objectContaining({ fields: expect.objectContaining({ max: 16 }) as unknown }),
    );
  });

  test('says how an integer was written', () => {
    const reader = toReader('[12, 1.0, 1e2, -9007199254740993]');
    reader.enterArray();
    const seen: unknown[] = [];
    while (reader.nextElement()) {
      reader.readNumber();
      seen.push([reader.isInteger, reader.numberText()]);
    }
    expect(seen).toEqual([
      [true, '12'],
      [false, '1.0'],
      [false, '1e2'],
      [true, '-9007199254740993'],
    ]);
  });
});
