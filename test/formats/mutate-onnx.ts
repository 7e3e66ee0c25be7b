/** Structure-aware mutations of ONNX files: a tree of fields is changed and written again, or bytes are. */
import * as P from './proto.ts';
import type { Rng } from './random.ts';

/** A field; a message field has children, another length-delimited one has bytes. */
interface Tree {
  number: number;
  wire: number;
  value: bigint;
  bytes: Uint8Array;
  children: Tree[] | null;
  type: string;
}

/** Which length-delimited fields are messages. */
const SCHEMA: Readonly<Record<string, Readonly<Record<number, string | undefined>>>> = {
  Opset: {},
  Entry: {},
  Dimension: {},
  Model: { 7: 'Graph', 8: 'Opset', 14: 'Entry', 20: 'Training', 25: 'Function' },
  Graph: { 1: 'Node', 5: 'Tensor', 11: 'Value', 12: 'Value', 13: 'Value', 15: 'Sparse' },
  Node: { 5: 'Attribute' },
  Attribute: { 5: 'Tensor', 6: 'Graph', 10: 'Tensor', 11: 'Graph', 22: 'Sparse' },
  Tensor: { 13: 'Entry' },
  Sparse: { 1: 'Tensor', 2: 'Tensor' },
  Training: { 1: 'Graph', 2: 'Graph' },
  Function: { 7: 'Node', 12: 'Value' },
  Value: { 2: 'Type' },
  Type: { 1: 'TensorType' },
  TensorType: { 2: 'Shape' },
  Shape: { 1: 'Dimension' },
};

function parse(bytes: Uint8Array, type: string): Tree[] {
  const out: Tree[] = [];
  for (let at = 0; at < bytes.length; ) {
    const [key, afterKey] = readVarint(bytes, at);
    const number = Number(key >> 3n);
    const wire = Number(key & 7n);
    const tree: Tree = { number, wire, value: 0n, bytes: new Uint8Array(0), children: null, type };
    if (wire === 0) [tree.value, at] = readVarint(bytes, afterKey);
    else {
      const [length, start] = wire === 2 ? readVarint(bytes, afterKey) : [wire === 1 ? 8n : 4n, afterKey];
      at = start + Number(length);
      tree.bytes = bytes.slice(start, at);
      const inner = wire === 2 ? SCHEMA[type][number] : undefined;
      if (inner !== undefined) tree.children = parse(tree.bytes, inner);
    }
    out.push(tree);
  }
  return out;
}

function readVarint(bytes: Uint8Array, at: number): [bigint, number] {
  let value = 0n;
  for (let shift = 0n; ; shift += 7n, at++) {
    value |= BigInt(bytes[at] & 0x7f) << shift;
    if (bytes[at] < 0x80) return [value, at + 1];
  }
}

function write(trees: readonly Tree[]): Uint8Array {
  return P.join(
    ...trees.map((tree) => {
      if (tree.wire === 0) return P.join(P.tag(tree.number, 0), P.varint(tree.value));
      if (tree.wire !== 2) return P.join(P.tag(tree.number, tree.wire), tree.bytes);
      return P.len(tree.number, tree.children === null ? tree.bytes : write(tree.children));
    }),
  );
}

const w = (name: string, ...data: P.Part[]): P.Part => P.tensor(name, P.CODE.u8, [2], ...data);
const fn = (name: string, callee: string): P.Part =>
  P.len(25, P.str(1, name), P.str(10, 'd'), P.str(4, 'x'), P.len(7, P.str(4, callee), P.str(7, 'd')));

/** A file in which every message and storage occurs. */
const ONNX_SEED: Uint8Array = P.model(
  P.join(
    P.initializer(w('raw', P.raw(1, 2))),
    P.initializer(P.tensor('float', P.CODE.f32, [2], P.f32(4, 1), P.f32(4, 2))),
    P.initializer(P.tensor('half', P.CODE.f16, [3], P.len(5, P.varint(1), P.varint(2), P.varint(60_000)))),
    P.initializer(P.tensor('long', P.CODE.i64, [1, 2], P.int(7, -1), P.int(7, 5))),
    P.initializer(P.tensor('double', P.CODE.f64, [1], P.f64(10, 0.5))),
    P.initializer(P.tensor('unsigned', P.CODE.u64, [2], P.len(11, P.varint(7), P.varint(8)))),
    P.initializer(P.tensor('nibbles', P.CODE.i4, [3], P.int(5, 0x21), P.int(5, 3))),
    P.initializer(P.tensor('text', P.CODE.string, [2], P.str(6, 'a'), P.str(6, 'bc'))),
    P.initializer(w('outside', P.external({ location: 'w.bin', offset: '4', length: '2' }))),
    P.len(
      15,
      P.len(1, w('sparse', P.raw(1, 2))),
      P.len(2, P.tensor('', P.CODE.i64, [2], P.int(7, 0), P.int(7, 1))),
      P.int(3, 9),
    ),
    P.len(11, P.str(1, 'x'), P.len(2, P.len(1, P.int(1, 1), P.len(2, P.len(1, P.int(1, 2)), P.len(1, P.str(2, 'n')))))),
    P.node('Constant', [], ['c'], P.attribute('value', 4, P.len(5, w('', P.raw(1, 2))))),
    P.node('Constant', [], ['e'], P.attribute('value_floats', 6, P.f32(7, 1), P.f32(7, 2))),
    P.node(
      'Conv',
      ['x', 'raw'],
      ['y'],
      P.attribute('pads', 7, P.int(8, 1), P.int(8, 1)),
      P.attribute('mode', 3, P.str(4, 'm')),
    ),
    P.node('If', ['x'], ['z'], P.attribute('then_branch', 5, P.len(6, P.initializer(w('raw', P.raw(3, 4)))))),
    P.node('f', ['x'], ['q'], P.str(7, 'd')),
    P.output('y'),
  ),
  P.len(14, P.str(1, 'k'), P.str(2, 'v')),
  P.len(20, P.len(2, P.initializer(w('raw', P.raw(5, 6))))),
  fn('f', 'g'),
  fn('g', 'Relu'),
);

/** All fields, with the list that each lies in. */
function flatten(trees: Tree[], into: [Tree, Tree[]][] = []): [Tree, Tree[]][] {
  for (const tree of trees) {
    into.push([tree, trees]);
    if (tree.children !== null) flatten(tree.children, into);
  }
  return into;
}

const ODD_INTS = [0n, 1n, 2n, 3n, 6n, 7n, 15n, 27n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];
const ODD_TEXTS = [
  '',
  'raw',
  '../w.bin',
  '/etc/passwd',
  'C:\\x',
  'w.bin',
  'm.onnx',
  '-1',
  '99999999999999999999',
  '5',
  'location',
  'd',
  'f',
  'g',
  'ai.onnx',
  '__proto__',
];

type Mutation = (all: [Tree, Tree[]][], rng: Rng) => void;

const MUTATIONS: readonly Mutation[] = [
  (all, rng) => {
    const [tree, list] = rng.pick(all);
    list.splice(list.indexOf(tree), 1);
  },
  (all, rng) => {
    const [tree, list] = rng.pick(all);
    list.splice(rng.int(list.length + 1), 0, structuredClone(tree));
  },
  (all, rng) => {
    const [tree] = rng.pick(all);
    tree.number = rng.pick([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 20, 21, 999]);
  },
  (all, rng) => {
    const ints = all.filter(([tree]) => tree.wire === 0);
    rng.pick(ints)[0].value = rng.pick(ODD_INTS);
  },
  (all, rng) => {
    const texts = all.filter(([tree]) => tree.wire === 2 && tree.children === null);
    rng.pick(texts)[0].bytes = rng.next() < 0.7 ? Buffer.from(rng.pick(ODD_TEXTS)) : rng.bytes(rng.int(20));
  },
  (all, rng) => {
    const [from] = rng.pick(all);
    rng.pick(all)[1].push(structuredClone(from));
  },
  (all, rng) => {
    const [tree, list] = rng.pick(all);
    list.splice(list.indexOf(tree), 1);
    rng.pick(all)[1].unshift(tree);
  },
  (all, rng) => {
    const [tree] = rng.pick(all);
    tree.wire = rng.pick([0, 2]);
    tree.children = null;
  },
  (all, rng) => {
    const tensors = all.filter(([tree]) => tree.type === 'Tensor');
    const extra = parse(
      rng.pick([
        P.f32(4, 1),
        P.int(5, 1),
        P.int(7, 1),
        P.f64(10, 1),
        P.int(11, 1),
        P.raw(1),
        P.int(14, 1),
        P.len(3, P.int(1, 0)),
        P.int(1, 2),
        P.len(13, P.str(1, 'offset'), P.str(2, '9999')),
      ]),
      'Tensor',
    );
    rng.pick(tensors)[1].push(...extra);
  },
  (all, rng) => {
    const calls = all.filter(([tree]) => tree.type === 'Node' && tree.number === 4);
    rng.pick(calls)[0].bytes = Buffer.from(rng.pick(['f', 'g', 'Constant', 'If']));
  },
  (all, rng) => {
    const versions = all.filter(([tree]) => tree.number === 8 && tree.type === 'Model');
    if (versions.length > 0) rng.pick(versions)[1].push(...parse(P.len(8, P.int(2, rng.int(30))), 'Model'));
  },
];

/** Rare because large or deep. */
const HEAVY: readonly Mutation[] = [
  (all, rng) => {
    let body: P.Part = P.str(2, 'inner');
    for (let i = rng.int(60); i > 0; i--) body = P.node('If', [], [], P.attribute('b', 5, P.len(6, body)));
    const graphs = all.filter(([tree]) => tree.type === 'Graph');
    rng.pick(graphs)[1].push(...parse(body, 'Graph'));
  },
  (all, rng) => {
    const texts = all.filter(([tree]) => tree.wire === 2 && tree.children === null);
    rng.pick(texts)[0].bytes = Buffer.alloc(1024 * 1024 + rng.int(100), 0x61);
  },
];

export interface Mutant {
  readonly bytes: Uint8Array;
  /** True when every length still fits: the file is a well-formed protobuf message. */
  readonly framed: boolean;
}

/** One mutant of the seed: one to four changes. Seven of ten keep the framing. */
export function mutateOnnx(rng: Rng): Mutant {
  if (rng.next() < 0.7) {
    const trees = parse(ONNX_SEED, 'Model');
    for (let i = rng.int(4); i >= 0; i--) {
      const all = flatten(trees);
      if (all.length === 0) break;
      try {
        rng.pick(rng.next() < 0.02 ? HEAVY : MUTATIONS)(all, rng);
      } catch (error) {
        // Nothing of the wanted kind is left after earlier changes.
        if (!(error instanceof TypeError)) throw error;
      }
    }
    return { bytes: write(trees), framed: true };
  }
  return { bytes: mutateBytes(ONNX_SEED, rng), framed: false };
}

/** Flips, cuts, doubles, inserts and overwrites without regard for structure. */
export function mutateBytes(seed: Uint8Array, rng: Rng): Uint8Array {
  let bytes: Uint8Array = seed.slice();
  for (let i = rng.int(4); i >= 0; i--) {
    const at = rng.int(bytes.length + 1);
    switch (rng.int(5)) {
      case 0:
        bytes[at] ^= 1 << rng.int(8);
        break;
      case 1:
        bytes = bytes.slice(0, at);
        break;
      case 2:
        bytes = P.join(bytes.subarray(0, at), rng.bytes(rng.int(12)), bytes.subarray(at));
        break;
      case 3:
        bytes = P.join(bytes.subarray(0, at), bytes.subarray(rng.int(bytes.length + 1)));
        break;
      default:
        bytes.set(
          rng.pick([[0xff, 0xff, 0xff, 0xff, 0x0f], [0], [0x80, 0x80], [0x0b], [0x7b]]).slice(0, bytes.length - at),
          at,
        );
    }
  }
  return bytes;
}
