/** Structure-aware mutations of GGUF files: fields are changed and written again, or bytes are. */
import * as G from './gguf.ts';
import { mutateBytes, type Mutant } from './mutate-onnx.ts';
import type { Rng } from './random.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Tensor = Mutable<G.TensorSpec>;

interface Draft extends Mutable<Omit<G.GgufSpec, 'entries' | 'tensors'>> {
  entries: G.Entry[];
  tensors: Tensor[];
}

const text = (key: string, value: string): G.Entry => G.stringEntry(key, value);
const words = G.join(...['a', 'bc', '', 'def'].map(G.text));
const nested = (depth: number): Uint8Array =>
  depth === 0
    ? G.join(G.u32(G.TYPE.u16), G.u64(1), Uint8Array.of(1, 2))
    : G.join(G.u32(G.TYPE.array), G.u64(1), nested(depth - 1));

/** One entry of every type. */
const ENTRIES: readonly G.Entry[] = [
  text('general.architecture', 'tiny'),
  G.alignment(32),
  G.entry('u8', G.TYPE.u8, G.u8(1)),
  G.entry('i16', G.TYPE.i16, Uint8Array.of(1, 2)),
  G.entry('f32', G.TYPE.f32, G.f32(0.5)),
  G.entry('flag', G.TYPE.bool, G.u8(1)),
  G.entry('u64', G.TYPE.u64, G.u64(2n ** 60n)),
  G.arrayEntry('words', G.TYPE.string, 4, words),
  G.arrayEntry('flags', G.TYPE.bool, 3, Uint8Array.of(0, 1, 1)),
  G.entry('nested', G.TYPE.array, nested(3)),
];

const filled = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 7) & 0xff);
const TENSORS: readonly G.TensorSpec[] = [
  { name: 'w', dims: [3, 2], type: G.GGML.f32, data: filled(24) },
  { name: 'q', dims: [64, 2], type: G.GGML.q4_0, data: filled(72) },
  { name: 'k', dims: [256], type: G.GGML.q4_k, data: filled(144) },
  { name: 'none', dims: [0, 5], type: G.GGML.i32, data: filled(0) },
  { name: 'h', dims: [2, 2, 2, 1], type: G.GGML.f16, data: filled(16) },
];

const ODD_NUMBERS = [
  0n,
  1n,
  3n,
  16n,
  31n,
  33n,
  256n,
  2n ** 31n,
  2n ** 32n,
  2n ** 50n,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n - 32n,
];
const ODD_NAMES = [
  '',
  'w',
  'q',
  'a\0b',
  '__proto__',
  'x'.repeat(64),
  'x'.repeat(1025),
  Uint8Array.of(0xc3, 0x28),
] as const;
const ODD_ENTRIES: readonly G.Entry[] = [
  G.alignment(0),
  G.alignment(24),
  G.alignment(8),
  G.alignment(2 ** 30),
  G.entry('general.alignment', G.TYPE.u64, G.u64(32)),
  G.entry('odd', G.TYPE.bool, G.u8(2)),
  G.stringEntry('odd', Uint8Array.of(0xff)),
  G.entry('odd', G.TYPE.array, nested(8)),
  G.entry('odd', 13, G.u8(0)),
  G.arrayEntry('odd', 99, 0, G.u8(0)),
  G.stringEntry('', 'x'),
  G.stringEntry('a\0b', 'x'),
];

type Mutation = (draft: Draft, rng: Rng) => void;
const pickTensor = (draft: Draft, rng: Rng): Tensor | undefined => draft.tensors.at(rng.int(draft.tensors.length));

/** The header stays as long as its counts and lengths say. */
const FRAMED: readonly Mutation[] = [
  (draft, rng) => void draft.entries.splice(rng.int(draft.entries.length), 1),
  (draft, rng) => void draft.entries.push(rng.pick(rng.next() < 0.3 ? ENTRIES : ODD_ENTRIES)),
  (draft, rng) => {
    const at = rng.int(draft.entries.length);
    if (draft.entries.length > 0) draft.entries[at] = { ...draft.entries[at], key: rng.pick(ODD_NAMES) };
  },
  (draft, rng) => void draft.entries.reverse().splice(0, rng.int(2)),
  (draft, rng) => void draft.tensors.splice(rng.int(draft.tensors.length), 1),
  (draft, rng) => void draft.tensors.push({ ...rng.pick(TENSORS) }),
  (draft, rng) => {
    const tensor = pickTensor(draft, rng);
    if (tensor) tensor.name = rng.pick(ODD_NAMES);
  },
  (draft, rng) => {
    const tensor = pickTensor(draft, rng);
    if (tensor) tensor.type = rng.pick([0, 1, 2, 4, 8, 12, 15, 30, 31, 39, 42, 43, 99, 0xffffffff]);
  },
  (draft, rng) => {
    const tensor = pickTensor(draft, rng);
    if (tensor) tensor.dims = tensor.dims.map((dim) => (rng.next() < 0.5 ? rng.pick(ODD_NUMBERS) : dim));
  },
  (draft, rng) => {
    const tensor = pickTensor(draft, rng);
    if (tensor) tensor.dims = [...tensor.dims, ...Array.from({ length: rng.int(4) }, () => 1)].slice(rng.int(2));
  },
  (draft, rng) => {
    const tensor = pickTensor(draft, rng);
    if (tensor) tensor.offset = rng.pick([...ODD_NUMBERS, 32n, 64n, 96n, 128n]);
  },
  (draft, rng) => {
    const tensor = pickTensor(draft, rng);
    if (tensor) tensor.data = filled(rng.int(200));
  },
  (draft, rng) => {
    draft.fill = rng.int(256);
    draft.isUnpadded = rng.next() < 0.5;
  },
  (draft, rng) => {
    draft.tail = filled(rng.int(50));
  },
  (draft, rng) => {
    draft.align = rng.pick([1, 8, 64]);
    if (rng.next() < 0.7)
      draft.entries = [...draft.entries.filter(({ key }) => key !== 'general.alignment'), G.alignment(draft.align)];
  },
  (draft, rng) => {
    draft.version = rng.pick([2, 2, 3, 0, 1, 4, 0x02000000, 0x03000000]);
  },
];

/** Counts, ranks and lengths that lie. */
const UNFRAMED: readonly Mutation[] = [
  (draft, rng) => {
    draft.tensorCount = rng.pick([...ODD_NUMBERS, BigInt(draft.tensors.length + 1), BigInt(draft.tensors.length - 1)]);
  },
  (draft, rng) => {
    draft.entryCount = rng.pick([...ODD_NUMBERS, BigInt(draft.entries.length + 1), BigInt(draft.entries.length - 1)]);
  },
  (draft, rng) => {
    const tensor = pickTensor(draft, rng);
    if (tensor) tensor.rank = rng.pick([0, 1, 3, 4, 5, 0xffffffff]);
  },
  (draft, rng) => {
    const at = rng.int(draft.entries.length);
    if (draft.entries.length > 0) draft.entries[at] = { ...draft.entries[at], type: rng.int(15) };
  },
  (draft, rng) => void draft.entries.push(G.entry('odd', G.TYPE.string, G.u64(rng.pick(ODD_NUMBERS)))),
  (draft, rng) => void draft.entries.push(G.arrayEntry('odd', rng.int(13), rng.pick(ODD_NUMBERS), filled(rng.int(20)))),
  (draft, rng) => {
    draft.magic = rng.pick([Buffer.from('GGML'), Buffer.from('FUGG'), filled(4)]);
  },
];

let crowded: Uint8Array | undefined;

/** Empty tensors named "000000" and up, more than an index is kept for; written in one piece, as they are many. */
export function toCrowdedGguf(count = 170_000): Uint8Array {
  if (crowded !== undefined) return crowded;
  const info = Buffer.from(G.join(G.text('000000'), G.u32(1), G.u64(0), G.u32(G.GGML.f32), G.u64(0)));
  const head = G.gguf({ tensorCount: count });
  const out = Buffer.alloc(Math.ceil((head.length + count * info.length) / 32) * 32);
  out.set(head);
  for (let i = 0; i < count; i++) {
    const at = head.length + i * info.length;
    info.copy(out, at);
    out.write(String(i).padStart(6, '0'), at + 8);
  }
  crowded = new Uint8Array(out.buffer, out.byteOffset, out.length);
  return crowded;
}

/**
 * One mutant of a small file. Two of three keep the framing: every count and length fits what follows.
 * @param crowdedShare how often a header of more tensors than are kept comes instead; it is large
 */
export function mutateGguf(rng: Rng, crowdedShare = 0): Mutant {
  if (rng.next() < crowdedShare) return { bytes: toCrowdedGguf(), framed: true };
  const draft: Draft = { entries: [...ENTRIES], tensors: TENSORS.map((tensor) => ({ ...tensor })) };
  const kind = rng.next();
  if (kind < 0.15) return { bytes: mutateBytes(G.gguf(draft), rng), framed: false };
  for (let i = rng.int(3); i >= 0; i--) rng.pick(FRAMED)(draft, rng);
  if (kind < 0.35) rng.pick(UNFRAMED)(draft, rng);
  return { bytes: G.gguf(draft), framed: kind >= 0.35 };
}
