import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type FlatTable, ref, scalar, table, tables, writeFlat } from '../../../test/formats/flat-writer.ts';
import { findCode, openBytes, runPlan } from '../../../test/formats/models.ts';
import { toTfliteSeed } from '../../../test/formats/mutate-tflite.ts';
import { toRng } from '../../../test/formats/random.ts';
import { TFLITE_TYPE, type TinyTensor, toTfliteRoot } from '../../../test/formats/tflite.ts';
import { memoryFolder } from '../../../test/memory-folder.ts';
import { describeWithShared, sharedData } from '../../../test/shared-data.ts';
import type { Model, ModelEdit } from '../../model/types.ts';

const folder = memoryFolder({ 'w.bin': Uint8Array.from({ length: 64 }, (_, i) => i) });
const open = (bytes: Uint8Array): Model => openBytes(bytes, 'm.tflite', folder);
const seed = writeFlat(toTfliteSeed()).bytes;
const invert: ModelEdit = {
  kind: 'tensor',
  tensor: 'conv.w',
  apply: (_, chunk) => {
    chunk.forEach((byte, i) => (chunk[i] = byte ^ 0xff));
  },
};
const set = (key: string, value: string | null): ModelEdit => ({ kind: 'metadata', key, value });

/** Name, type and bytes of every tensor. */
function readTensors(model: Model): unknown[] {
  return model.tensors.map((tensor) => {
    const bytes = Buffer.alloc(tensor.byteLength);
    tensor.read(0, bytes);
    return [tensor.name, tensor.dtype, tensor.shape, bytes.toString('hex')];
  });
}

/** The graph without its tensors, whose places differ. */
function toGraph({ graph }: Model): unknown {
  const { inputs, nodes, outputs, values } = graph!;
  return { inputs, nodes, outputs, values };
}

describe('a plan without edits', () => {
  test('reproduces 500 odd but legal layouts', () => {
    for (let i = 0; i < 500; i++) {
      const rng = toRng(90_000 + i);
      const { bytes } = writeFlat(toTfliteSeed(), {
        sharesFieldLists: rng.int(2) === 0,
        gapBytes: rng.pick([0, 4, 8, 20, 36]),
        trailing: rng.bytes(rng.int(50)),
      });
      expect(Buffer.compare(runPlan(open(bytes).plan([])), bytes), `layout ${i}`).toBe(0);
    }
  });

  test('keeps data that is aligned to 4 bytes, and external files', () => {
    const root = toTfliteRoot({
      subgraphs: [
        {
          tensors: [{ name: 'w', type: TFLITE_TYPE.i8, shape: [3], data: Uint8Array.of(1, 2, 3) }],
          inputs: [],
          outputs: [],
          operators: [],
        },
      ],
      dataAlignBytes: 4,
    });
    const { bytes } = writeFlat(root);
    expect(runPlan(open(bytes).plan([]))).toEqual(bytes);
    const plan = open(seed).plan([]);
    expect(plan.files.map(({ name }) => name)).toEqual(['m.tflite', 'w.bin']);
    expect([...runPlan(plan, 1)].slice(0, 3)).toEqual([0, 1, 2]);
  });
});

describe('tensor edits', () => {
  test('change the bytes of the tensor alone', () => {
    const model = open(seed);
    const { start, end } = model.tensors[0];
    const edited = runPlan(model.plan([invert]));
    expect(edited.length).toBe(seed.length);
    edited.forEach((byte, at) => {
      if (byte !== (at >= start && at < end ? seed[at] ^ 0xff : seed[at])) throw new Error(`byte ${at}`);
    });
  });

  test('reach external buffers', () => {
    const zero: ModelEdit = { kind: 'tensor', tensor: 'outside', apply: (_, chunk) => void chunk.fill(0) };
    const plan = open(seed).plan([zero]);
    expect(runPlan(plan)).toEqual(seed);
    expect([...runPlan(plan, 1)].slice(6, 18)).toEqual([6, 7, 0, 0, 0, 0, 0, 0, 0, 0, 16, 17]);
  });

  test('of two tensors in one buffer, and of texts, are refused', () => {
    const edit = (tensor: string): ModelEdit => ({ ...invert, tensor });
    expect(findCode(() => open(seed).plan([edit('fc.w'), edit('fc.tied')]))).toBe('FORMAT_EDIT_CONFLICT');
    expect(findCode(() => open(seed).plan([edit('labels')]))).toBe('FORMAT_EDIT_UNSUPPORTED');
  });
});

describe('metadata edits', () => {
  const edit = (bytes: Uint8Array, ...edits: readonly ModelEdit[]): Uint8Array => runPlan(open(bytes).plan(edits));

  test('set, replace and remove entries; tensors and graph stay', () => {
    const once = edit(seed, set('owner', 'acme ☃'), set('min_runtime_version', '2.0.0'));
    expect([...open(once).metadata]).toEqual([
      ['owner', 'acme ☃'],
      ['min_runtime_version', '2.0.0'],
    ]);
    const twice = edit(once, set('owner', null), set('note', ''));
    expect([...open(twice).metadata]).toEqual([
      ['min_runtime_version', '2.0.0'],
      ['note', ''],
    ]);
    for (const bytes of [once, twice]) {
      expect(readTensors(open(bytes))).toEqual(readTensors(open(seed)));
      expect(toGraph(open(bytes))).toEqual(toGraph(open(seed)));
      expect([...open(bytes).functions.keys()]).toEqual(['tflite::branch']);
    }
  });

  test('put new tables in front and leave every byte behind them as it was', () => {
    const edited = edit(seed, set('owner', 'acme'), invert);
    const shift = edited.length - seed.length;
    expect(shift % 64).toBe(0);
    const expected = runPlan(open(seed).plan([invert]));
    expect(Buffer.compare(edited.subarray(8 + shift), expected.subarray(8))).toBe(0);
    expect(Buffer.from(edited.subarray(4, 8)).toString()).toBe('TFL3');
  });

  test('that change nothing leave the file alone', () => {
    expect(edit(seed, set('min_runtime_version', '1.5.0'), set('absent', null))).toEqual(seed);
  });

  test('work where nothing has metadata yet', () => {
    const w: TinyTensor = { name: 'w', type: TFLITE_TYPE.i8, shape: [1], data: Uint8Array.of(1) };
    const root = toTfliteRoot({ subgraphs: [{ tensors: [w], inputs: [], outputs: [], operators: [] }] });
    for (const field of [1, 3]) root.fields.delete(field);
    const edited = edit(writeFlat(root).bytes, set('a', 'b'));
    expect([...open(edited).metadata]).toEqual([['a', 'b']]);
    expect(readTensors(open(edited))).toEqual([['w', 'i8', [1], '01']]);
  });

  test('move the offsets of data that lies beyond the tables', () => {
    const trailing = Uint8Array.from({ length: 40 }, (_, i) => 100 + i);
    const write = (offset: number): Uint8Array => writeFlat(toBeyond(offset), { trailing }).bytes;
    const bytes = write(write(2).length - 40);
    const edited = edit(bytes, set('owner', 'acme'));
    expect(edited.length).toBeGreaterThan(bytes.length);
    expect(readTensors(open(edited))).toEqual(readTensors(open(bytes)));
    expect(readTensors(open(edited))).toEqual([['w', 'i8', [4], '64656667']]);
  });

  test('are refused where the root has fields that nobody here knows', () => {
    const root = toTfliteSeed();
    root.fields.set(12, ref(table({})));
    expect(findCode(() => open(writeFlat(root).bytes).plan([set('a', 'b')]))).toBe('FORMAT_EDIT_UNSUPPORTED');
  });

  function toBeyond(offset: number): FlatTable {
    const w: TinyTensor = { name: 'w', type: TFLITE_TYPE.i8, shape: [4], fields: { 2: scalar('u32', 1) } };
    const root = toTfliteRoot({ subgraphs: [{ tensors: [w], inputs: [], outputs: [], operators: [] }] });
    root.fields.set(4, tables([table({}), table({ 1: scalar('u64', offset), 2: scalar('u64', 4) })]));
    return root;
  }
});

describeWithShared('published models', () => {
  const names = existsSync(sharedData('models'))
    ? readdirSync(sharedData('models')).filter((name) => name.endsWith('.tflite'))
    : [];
  test.each(names)('%s: byte-exact without edits, and whole after one of metadata', (name) => {
    const bytes = new Uint8Array(readFileSync(sharedData('models', name)));
    expect(Buffer.compare(runPlan(open(bytes).plan([])), bytes)).toBe(0);
    const edited = open(runPlan(open(bytes).plan([set('owner', 'acme')])));
    expect(edited.metadata.get('owner')).toBe('acme');
    expect(readTensors(edited)).toEqual(readTensors(open(bytes)));
    expect(toGraph(edited)).toEqual(toGraph(open(bytes)));
  });
});
