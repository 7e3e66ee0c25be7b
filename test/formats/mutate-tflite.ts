/** Structure-aware mutations of TFLite files: the tree of tables is changed and written again, or the numbers of a file are. */
import {
  type FlatField,
  type FlatNode,
  type FlatScalar,
  type FlatTable,
  list,
  ref,
  scalar,
  table,
  tables,
  text,
  writeFlat,
} from './flat-writer.ts';
import { mutateBytes, type Mutant } from './mutate-onnx.ts';
import type { Rng } from './random.ts';
import { TFLITE_OP, TFLITE_TYPE, type TinyTensor, toTfliteRoot } from './tflite.ts';

const bytes = (count: number): Uint8Array => Uint8Array.from({ length: count }, (_, i) => i);
const floats = (...values: readonly number[]): Uint8Array => new Uint8Array(new Float32Array(values).buffer);
const { f32, i8, i32, string, variant } = TFLITE_TYPE;

/** Two texts, "ab" and "c", as a string tensor stores them. */
export const STRING_DATA = new Uint8Array(
  Buffer.concat([Buffer.from(new Int32Array([2, 16, 18, 19]).buffer), Buffer.from('abc')]),
);

/** Sparsity of a [2, 3] matrix whose rows are dense. */
const toSparsity = (): FlatField =>
  ref(
    table({
      0: list('i32', 0, 1),
      2: tables([
        table({ 1: scalar('i32', 2) }),
        table({ 0: scalar('i8', 1), 2: scalar('u8', 1), 3: toIndexes(0, 1, 2), 4: scalar('u8', 3), 5: toShort(0, 2) }),
      ]),
    }),
  );
const toIndexes = (...values: readonly number[]): FlatField => ref(table({ 0: list('i32', ...values) }));
const toShort = (...values: readonly number[]): FlatField => ref(table({ 0: list('u8', ...values) }));

const shared = floats(1, 2);

/** Tensors of the main graph, one of every storage. */
const toTensors = (): TinyTensor[] => [
  { name: 'input', type: f32, shape: [1, 4, 4, 2], signature: [-1, 4, 4, 2] },
  {
    name: 'conv.w',
    type: i8,
    shape: [2, 1, 1, 2],
    data: bytes(4),
    scales: [0.5, 0.25],
    zeroPoints: [0, 0],
    dimension: 0,
  },
  { name: 'conv.b', type: i32, shape: [2], data: bytes(8) },
  { name: 'conv', type: f32, shape: [1, 4, 4, 2] },
  { name: 'fc.w', type: f32, shape: [1, 2], data: shared },
  { name: 'fc.tied', type: f32, shape: [2], data: shared },
  { name: 'labels', type: string, shape: [2], data: STRING_DATA },
  { name: 'sparse', type: f32, shape: [2, 3], data: floats(3, 4), fields: { 6: toSparsity() } },
  { type: variant, shape: [], fields: { 9: tables([table({ 0: list('i32', 2), 1: scalar('i8', 0) })]) } },
  { name: 'outside', type: f32, shape: [2], fields: { 10: scalar('u32', 7) } },
  { name: 'out', type: f32, shape: [1, 1] },
];

/** A model in which every table occurs; "w.bin" of its folder holds an external buffer. */
export function toTfliteSeed(): FlatTable {
  const external = table({
    0: scalar('u32', 7),
    1: scalar('u32', 0),
    2: scalar('u64', 8),
    3: scalar('u64', 8),
    4: text('unpacked'),
  });
  const signature = table({
    0: tables([table({ 0: text('x'), 1: scalar('u32', 0) })]),
    1: tables([table({ 0: text('y'), 1: scalar('u32', 10) })]),
    2: text('serving_default'),
    4: scalar('u32', 0),
  });
  return toTfliteRoot({
    subgraphs: [
      {
        name: 'main',
        tensors: toTensors(),
        inputs: [0],
        outputs: [10],
        operators: [
          {
            code: TFLITE_OP.CONV_2D,
            inputs: [0, 1, 2],
            outputs: [3],
            options: {
              type: 1,
              fields: { 0: scalar('i8', 1), 1: scalar('i32', 1), 2: scalar('i32', 1), 3: scalar('i8', 3) },
            },
          },
          {
            code: TFLITE_OP.RESHAPE,
            inputs: [3],
            outputs: [3],
            options: { type: 17, fields: { 0: list('i32', 1, 32) } },
          },
          { code: TFLITE_OP.CUSTOM, custom: 'Mine', inputs: [3, -1], outputs: [8], customOptions: bytes(5) },
          {
            code: TFLITE_OP.IF,
            inputs: [3],
            outputs: [10],
            options: { type: 92, fields: { 0: scalar('i32', 1), 1: scalar('i32', 1) } },
          },
        ],
      },
      {
        name: 'branch',
        tensors: [
          { name: 'x', type: f32, shape: [1] },
          { name: 'w', type: f32, shape: [1], data: floats(9) },
        ],
        inputs: [0],
        outputs: [0],
        operators: [],
      },
    ],
    metadata: { min_runtime_version: '1.5.0\0\0\0' },
    fields: {
      5: list('i32', 1),
      7: tables([signature]),
      8: tables([table({ 0: text('w.bin') })]),
      9: tables([external]),
    },
  });
}

/** Every node once, parents first. */
function listNodes(root: FlatNode): FlatNode[] {
  const found = new Set<FlatNode>([root]);
  for (const node of found) {
    if (node.kind === 'tables') node.items.forEach((item) => found.add(item));
    if (node.kind === 'table') for (const field of node.fields.values()) if (field.kind === 'ref') found.add(field.to);
  }
  return [...found];
}

const ODD: readonly number[] = [
  0,
  1,
  2,
  3,
  7,
  9,
  10,
  15,
  32,
  100,
  127,
  128,
  255,
  65_535,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  -1,
  -2,
];
const KINDS: readonly FlatScalar[] = ['i8', 'u8', 'i32', 'u32', 'u64', 'f32'];

type Mutation = (node: FlatNode, nodes: readonly FlatNode[], rng: Rng) => void;

const MUTATIONS: readonly Mutation[] = [
  // A number becomes another.
  (node, _nodes, rng) => {
    if (node.kind !== 'table' || node.fields.size === 0) return;
    const [slot, field] = rng.pick([...node.fields]);
    if (field.kind !== 'ref') node.fields.set(slot, { ...field, value: rng.pick(ODD) });
  },
  // A field goes, comes, or becomes one of another kind.
  (node, nodes, rng) => {
    if (node.kind !== 'table') return;
    const slot = rng.int(12);
    const change = rng.int(3);
    if (change === 0) node.fields.delete(slot);
    else if (change === 1) node.fields.set(slot, ref(rng.pick(nodes)));
    else node.fields.set(slot, scalar(rng.pick(KINDS), rng.pick(ODD)));
  },
  // A list changes in length or content.
  (node, _nodes, rng) => {
    if (node.kind === 'list') {
      const values = [...node.values];
      if (rng.int(3) === 0) values.pop();
      else if (rng.int(2) === 0) values.push(rng.pick(ODD));
      else if (values.length > 0) values[rng.int(values.length)] = rng.pick(ODD);
      Object.assign(node, { values });
    }
    if (node.kind === 'tables') {
      if (rng.int(2) === 0) node.items.splice(rng.int(node.items.length + 1), 1);
      else if (node.items.length > 0) node.items.push(rng.pick(node.items));
    }
  },
  // Data grows, shrinks or loses its place.
  (node, _nodes, rng) => {
    if (node.kind === 'data') Object.assign(node, { bytes: rng.bytes(rng.int(40)), alignBytes: rng.pick([4, 8, 16]) });
    if (node.kind === 'text')
      Object.assign(node, { text: rng.pick(['', 'w.bin', '../w.bin', 'packed', '\u0000', 'é']) });
  },
  // The data of a buffer is given by offset and size.
  (node, _nodes, rng) => {
    if (node.kind !== 'table') return;
    node.fields.set(1, scalar('u64', rng.pick([0, 1, 2, 64, 400, 2 ** 40])));
    node.fields.set(2, scalar('u64', rng.pick([0, 4, 8, 16, 2 ** 52])));
    if (rng.int(2) === 0) node.fields.delete(0);
  },
];

/** Changes one number that holds a file together. */
function mutateSite(file: ReturnType<typeof writeFlat>, rng: Rng): Uint8Array {
  const out = Buffer.from(file.bytes);
  const site = rng.pick(file.sites);
  const old = out.readUIntLE(site.at, Math.min(site.bytes, 4));
  const near = old + rng.pick([1, -1, 2, -2, 4, -4, 8, 64, -64]);
  const value = rng.pick([near, near, rng.pick(ODD), out.length - site.at, rng.int(out.length)]);
  out.writeUIntLE(
    ((value % 2 ** (8 * Math.min(site.bytes, 4))) + 2 ** 32) % 2 ** (8 * Math.min(site.bytes, 4)),
    site.at,
    Math.min(site.bytes, 4),
  );
  return new Uint8Array(out);
}

/**
 * One mutant of the seed. Six of ten are well-formed FlatBuffers whose content is wrong, three have one structural number
 * changed, one is damaged anywhere.
 * @param crowdedShare how often a file with more than is read comes instead; it is large
 */
export function mutateTflite(rng: Rng, crowdedShare = 0): Mutant {
  if (rng.next() < crowdedShare) return { bytes: toCrowded(), framed: true };
  const root = toTfliteSeed();
  const trailing = rng.next() < 0.2 ? rng.bytes(rng.int(40)) : new Uint8Array(0);
  const options = { trailing, sharesFieldLists: rng.next() < 0.7, gapBytes: rng.pick([0, 0, 4, 12]) };
  const kind = rng.next();
  if (kind < 0.3) return { bytes: mutateSite(writeFlat(root, options), rng), framed: false };
  if (kind < 0.4) return { bytes: mutateBytes(writeFlat(root, options).bytes, rng), framed: false };
  for (let i = rng.int(3); i >= 0; i--) {
    const nodes = listNodes(root);
    rng.pick(MUTATIONS)(rng.pick(nodes), nodes, rng);
  }
  return { bytes: writeFlat(root, options).bytes, framed: true };
}

/** One empty buffer, a million times: the file has 5 MB, an index of it would have hundreds. */
function toCrowded(): Uint8Array {
  const root = toTfliteSeed();
  const buffers = root.fields.get(4)!;
  const { bytes, places, sites } = writeFlat(root);
  const end = Math.ceil(bytes.length / 4) * 4;
  const out = Buffer.alloc(end + 4 + 4 * CROWD + 12);
  out.set(bytes);
  // The offset of the root's list of buffers leads to a list behind everything, whose entries lead to one table.
  const list = buffers.kind === 'ref' ? places.get(buffers.to)! : 0;
  const at = sites.find((site) => site.what === 'offset' && bytes[site.at] === list - site.at)!.at;
  out.writeUInt32LE(end - at, at);
  out.writeUInt32LE(CROWD, end);
  const tableAt = out.length - 4;
  for (let i = 0, slot = end + 4; i < CROWD; i++, slot += 4) out.writeUInt32LE(tableAt - slot, slot);
  out.writeUInt16LE(4, tableAt - 4);
  out.writeUInt16LE(4, tableAt - 2);
  out.writeInt32LE(4, tableAt);
  return out;
}

const CROWD = 1_200_000;
