import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findCode, openBytes, runPlan } from '../../../test/formats/models.ts';
import { arbitraryModel, graph, ODD, w } from '../../../test/formats/odd-onnx.ts';
import * as P from '../../../test/formats/proto.ts';
import type { Model, ModelEdit, TensorRef } from '../../model/types.ts';

const open = (bytes: Uint8Array): Model => openBytes(bytes, 'm.onnx');
const readAll = (tensor: TensorRef): Uint8Array => {
  const bytes = new Uint8Array(tensor.byteLength);
  tensor.read(0, bytes);
  return bytes;
};
const find = (model: Model, name: string): TensorRef => model.tensors.find((tensor) => tensor.name === name)!;
const packed = (number: number, ...values: (number | bigint)[]): P.Part =>
  P.len(number, ...values.map((value) => P.varint(value)));

/** Sets every byte of a tensor to what `bytes` holds, in any cut. */
const setTo = (tensor: string, bytes: Uint8Array): ModelEdit => ({
  kind: 'tensor',
  tensor,
  apply: (offset, chunk) => {
    chunk.set(bytes.subarray(offset, offset + chunk.length));
  },
});

describe('byte-exact writing', () => {
  test.each(ODD)('%s: read, and reproduced byte for byte', (_, bytes) => {
    const model = open(bytes);
    expect([...readAll(find(model, 'w'))]).toEqual([1, 2]);
    expect(runPlan(model.plan([]))).toEqual(bytes);
  });

  test.each(ODD)('%s: an edit leaves every other byte', (_, bytes) => {
    const model = open(bytes);
    const { start, end } = find(model, 'w');
    const out = runPlan(model.plan([setTo('w', Uint8Array.of(7, 8))]));
    const expected = bytes.slice();
    expected.set([7, 8], start);
    expect(end - start).toBe(2);
    expect(out).toEqual(expected);
  });

  test('the same graph twice is refused: which of two weights counts would be open', () => {
    expect(findCode(() => open(P.join(P.model(graph), P.len(7, graph))))).toBe('ONNX_DUPLICATE_NAME');
  });

  test('two names that are not UTF-8 stay two names', () => {
    const named = (byte: number): P.Part => P.len(5, P.int(2, 2), P.int(1, 0), P.len(8, Uint8Array.of(byte)), P.raw());
    expect(open(P.model(P.join(named(0xff), named(0xfe)))).tensors.map(({ name }) => name)).toEqual([
      '\udcff',
      '\udcfe',
    ]);
  });
});

describe('edits of typed fields', () => {
  const inSubgraph = (body: P.Part): Uint8Array =>
    P.model(
      P.node('If', ['x'], ['y'], P.attribute('b', 5, P.len(6, P.join(P.initializer(body), P.output('o'))))),
      P.str(3, 'after'),
    );

  test('values that need more bytes move what follows and the lengths around, nothing else', () => {
    const bytes = inSubgraph(P.tensor('w', P.CODE.i64, [3], packed(7, 1, 2, 3), P.str(12, 'doc')));
    const model = open(bytes);
    const values = new Uint8Array(BigInt64Array.of(-1n, 2n ** 62n, 0n).buffer);
    const out = runPlan(model.plan([setTo('y.b/w', values)]));
    const expected = inSubgraph(P.tensor('w', P.CODE.i64, [3], packed(7, -1n, 2n ** 62n, 0n), P.str(12, 'doc')));
    expect(out).toEqual(expected);
  });

  test('unpacked entries stay unpacked, scattered ones are gathered at the first', () => {
    const body = (...data: P.Part[]): Uint8Array => P.model(P.initializer(P.tensor('w', P.CODE.i8, [3], ...data)));
    const model = open(body(P.int(5, 1), P.str(12, 'doc'), P.int(5, -2), packed(5, 3)));
    const out = runPlan(model.plan([setTo('w', Uint8Array.of(4, 0xfb, 6))]));
    expect(out).toEqual(body(P.int(5, 4), P.int(5, -5), P.int(5, 6), P.str(12, 'doc')));
  });

  test('an edit without effect keeps a canonical file as it is, for every typed field', () => {
    const rows: [keyof typeof P.CODE, number, P.Part][] = [
      ['f32', 2, P.join(P.f32(4, 1), P.f32(4, 2))],
      ['f64', 1, P.len(10, new Uint8Array(8))],
      ['c64', 1, P.join(P.f32(4, 1), P.f32(4, 2))],
      ['i32', 2, packed(5, -1, 1)],
      ['i16', 2, packed(5, -1, 1)],
      ['u16', 2, packed(5, 65535, 1)],
      ['bool', 2, packed(5, 0, 1)],
      ['f16', 2, packed(5, 0xbc00, 1)],
      ['i4', 2, packed(5, 0xf1)],
      ['i64', 2, packed(7, -1n, 1)],
      ['u32', 2, packed(11, 4294967295, 1)],
      ['u64', 2, packed(11, 2n ** 64n - 1n, 1)],
    ];
    for (const [dtype, count, data] of rows) {
      const bytes = P.model(P.initializer(P.tensor('w', P.CODE[dtype], [count], data)));
      const touch: ModelEdit = { kind: 'tensor', tensor: 'w', apply: () => undefined };
      expect(runPlan(open(bytes).plan([touch])), dtype).toEqual(bytes);
    }
  });

  test('large fields are encoded block by block and read back', () => {
    const count = 100_000;
    const before = P.len(5, Buffer.concat(Array.from({ length: count }, (_, i) => P.varint(i % 60_000))));
    const model = open(P.model(P.initializer(P.tensor('w', P.CODE.bf16, [count], before))));
    const values = new Uint8Array(Uint16Array.from({ length: count }, (_, i) => (i * 7919) % 65_536).buffer);
    const after = open(runPlan(model.plan([setTo('w', values)])));
    expect(Buffer.compare(readAll(after.tensors[0]), values)).toBe(0);
  });

  test('a tensor whose message occurs in two parts with scattered entries is not edited', () => {
    const part = (...data: P.Part[]): P.Part => P.len(5, ...data);
    const bytes = P.model(
      P.node(
        'Constant',
        [],
        ['c'],
        P.len(5, P.str(1, 'value'), P.int(20, 4), part(P.tensor('', 6, [2], P.int(5, 1))), part(P.int(5, 2))),
      ),
    );
    const model = open(bytes);
    expect(readAll(model.tensors[0])[4]).toBe(2);
    expect(findCode(() => model.plan([setTo('c', new Uint8Array(8))]))).toBe('FORMAT_EDIT_UNSUPPORTED');
  });

  test('strings and missing tensors are refused, edits of one tensor run in order', () => {
    const bytes = P.model(P.join(P.initializer(P.tensor('s', P.CODE.string, [1], P.str(6, 'a'))), P.initializer(w)));
    const model = open(bytes);
    const add: ModelEdit = { kind: 'tensor', tensor: 'w', apply: (_, chunk) => void (chunk[0] = chunk[0] * 2 + 1) };
    expect(findCode(() => model.plan([setTo('s', new Uint8Array(5))]))).toBe('FORMAT_EDIT_UNSUPPORTED');
    expect(findCode(() => model.plan([setTo('v', new Uint8Array(5))]))).toBe('FORMAT_TENSOR_MISSING');
    expect([...readAll(find(open(runPlan(model.plan([add, add]))), 'w'))]).toEqual([7, 2]);
  });
});

describe('metadata edits', () => {
  const entry = (key: string, value: string): P.Part => P.len(14, P.str(1, key), P.str(2, value));

  test('are in place, at the end or gone, and leave the rest', () => {
    const bytes = P.join(entry('a', '1'), P.model(graph), entry('b', '2'), entry('a', '3'));
    const model = open(bytes);
    expect([...model.metadata]).toEqual([
      ['a', '3'],
      ['b', '2'],
    ]);
    const set = (key: string, value: string | null): ModelEdit => ({ kind: 'metadata', key, value });
    expect(runPlan(model.plan([set('b', 'two'), set('c', 'new')]))).toEqual(
      P.join(entry('a', '1'), P.model(graph), entry('b', 'two'), entry('a', '3'), entry('c', 'new')),
    );
    expect(runPlan(model.plan([set('a', '3')]))).toEqual(P.join(P.model(graph), entry('b', '2'), entry('a', '3')));
    expect(runPlan(model.plan([set('a', null), set('z', null)]))).toEqual(P.join(P.model(graph), entry('b', '2')));
    expect(runPlan(model.plan([set('b', '2')]))).toEqual(bytes);
  });
});

describe('properties', () => {
  const numRuns = process.env.SLOW === '1' ? 20_000 : 1000;

  test('a plan without edits reproduces 1,000 random legal encodings', () => {
    fc.assert(
      fc.property(arbitraryModel, (bytes) => {
        expect(Buffer.compare(runPlan(open(bytes).plan([])), bytes)).toBe(0);
      }),
      { numRuns },
    );
  });

  test('bytes outside edited spans and the length prefixes around them never change', () => {
    const edited = fc.subarray(['a', 'y.then/b', 'c'], { minLength: 1 });
    fc.assert(
      fc.property(arbitraryModel, edited, fc.uint8Array({ minLength: 160, maxLength: 160 }), (bytes, names, values) => {
        const before = open(bytes);
        const out = runPlan(before.plan(names.map((name) => setTo(name, values))));
        const after = open(out);
        for (const tensor of before.tensors) {
          const expected = names.includes(tensor.name) ? values.slice(0, tensor.byteLength) : readAll(tensor);
          expect(readAll(find(after, tensor.name))).toEqual(expected);
        }
        expect(maskEdited(out, after, names)).toEqual(maskEdited(bytes, before, names));
      }),
      { numRuns },
    );
  });
});

/** The file without the stored bytes of `names` and without every length on the way to them, by a walk of its own. */
function maskEdited(bytes: Uint8Array, model: Model, names: readonly string[]): string {
  const spans = names.map((name) => find(model, name)).filter(({ byteLength }) => byteLength > 0);
  const cuts: [number, number][] = spans.map(({ start, end }) => [start, end]);
  const walk = (from: number, to: number): void => {
    for (let at = from; at < to; ) {
      const [key, afterKey] = readVarint(bytes, at);
      const wire = key & 7;
      if (wire !== 2) {
        at = wire === 0 ? readVarint(bytes, afterKey)[1] : afterKey + (wire === 1 ? 8 : 4);
        continue;
      }
      const [length, start] = readVarint(bytes, afterKey);
      const end = start + length;
      if (spans.some((span) => span.start >= start && span.end <= end)) {
        cuts.push([afterKey, start]);
        if (!spans.some((span) => span.start === start)) walk(start, end);
      }
      at = end;
    }
  };
  walk(0, bytes.length);
  const kept = bytes.slice();
  const isCut = new Uint8Array(bytes.length);
  for (const [start, end] of cuts) isCut.fill(1, start, end);
  return Buffer.from(kept.filter((_, i) => isCut[i] === 0)).toString('hex');
}

function readVarint(bytes: Uint8Array, at: number): [number, number] {
  let value = 0;
  for (let i = 0; ; i++) {
    value += (bytes[at + i] & 0x7f) * 2 ** (7 * i);
    if (bytes[at + i] < 0x80) return [value, at + i + 1];
  }
}
