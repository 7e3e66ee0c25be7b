/** Structure-aware mutations of PyTorch archives: opcodes of the pickle, members and records of the zip, and bytes. */
import { mutateBytes, type Mutant } from './mutate-onnx.ts';
import * as K from './pickle.ts';
import type { Rng } from './random.ts';
import { type ArchiveOptions, type Fields, type TestMember, toPadding, writeZip } from './zip.ts';

const DATA = new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer);
const BYTES = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);

/** One token is one opcode with its argument, so that tokens can be moved, doubled and dropped. */
type Tokens = Uint8Array[];

const tensorTokens = (key: string, type: string, count: number, size: number[], stride: number[]): Tokens => [
  K.global('torch._utils', '_rebuild_tensor_v2'),
  K.MARK,
  K.MARK,
  K.text('storage'),
  K.global('torch', type),
  K.text(key),
  K.text('cpu'),
  K.int(count),
  K.raw('t'),
  K.raw('Q'),
  K.int(0),
  K.MARK,
  ...size.map(K.int),
  K.raw('t'),
  K.MARK,
  ...stride.map(K.int),
  K.raw('t'),
  K.FALSE,
  K.global('collections', 'OrderedDict'),
  K.EMPTY_TUPLE,
  K.REDUCE,
  K.raw('t'),
  K.REDUCE,
];

/** A state_dict of three tensors, one a transposed view, one a parameter. */
function toTokens(): Tokens {
  return [
    K.proto(2),
    K.raw('}'),
    K.put(0),
    K.MARK,
    K.text('w'),
    ...tensorTokens('0', 'FloatStorage', 6, [2, 3], [3, 1]),
    K.put(1),
    K.text('tied'),
    K.get(1),
    K.text('t'),
    ...tensorTokens('0', 'FloatStorage', 6, [3, 2], [1, 3]),
    K.text('p'),
    K.global('torch._utils', '_rebuild_parameter'),
    ...tensorTokens('1', 'ByteStorage', 8, [2, 2, 2], [4, 2, 1]),
    K.TRUE,
    K.NONE,
    Uint8Array.of(0x87),
    K.REDUCE,
    K.raw('u'),
    K.STOP,
  ];
}

const ODD_TOKENS: readonly Uint8Array[] = [
  ...[0, 1, 3, 7, 255, -1, 2 ** 31, 2 ** 40, 2 ** 52].map(K.int),
  K.int(2n ** 60n),
  ...['w', '0', '1', '9', 'storage', '../data.pkl', '', 'x'.repeat(20_000)].map(K.text),
  K.NONE,
  K.TRUE,
  K.MARK,
  K.POP,
  K.REDUCE,
  K.BUILD,
  K.NEWOBJ,
  K.STACK_GLOBAL,
  K.EMPTY_TUPLE,
  K.raw('t'),
  K.raw('Q'),
  K.raw('2'),
  K.raw('s'),
  K.raw('a'),
  K.raw('1'),
  K.get(9),
  K.put(0),
  K.raw('I12x\n'),
  K.raw(`L${'9'.repeat(70_000)}L\n`),
  K.raw("S'a'\n"),
  K.raw('F1e9\n'),
  K.global('torch', 'IntStorage'),
  K.global('torch', 'QUInt4x2Storage'),
  K.global('torch.storage', 'UntypedStorage'),
  K.global('torch._utils', '_rebuild_qtensor'),
  K.global('acme.layers', 'Box'),
  K.global('os', 'system'),
  K.inst('builtins', 'eval'),
  Uint8Array.of(0x82, 1),
  Uint8Array.of(0xff),
  Uint8Array.of(0x58, 255, 255, 255, 255),
  Uint8Array.of(0x95, 1, 0, 0, 0, 0, 0, 0, 0),
  K.proto(9),
];

type TokenMutation = (tokens: Tokens, rng: Rng) => void;

const TOKEN_MUTATIONS: readonly TokenMutation[] = [
  (tokens, rng) => void tokens.splice(rng.int(tokens.length), 1),
  (tokens, rng) => void tokens.splice(rng.int(tokens.length), 0, rng.pick(tokens)),
  (tokens, rng) => void tokens.splice(rng.int(tokens.length), 0, rng.pick(ODD_TOKENS)),
  (tokens, rng) => {
    tokens[rng.int(tokens.length)] = rng.pick(ODD_TOKENS);
  },
  (tokens, rng) => {
    // Numbers by numbers: sizes, strides, counts and offsets stay what they are, and only their values are odd.
    const places = tokens.flatMap((token, i) => (token[0] === 0x4b ? [i] : []));
    if (places.length > 0) tokens[rng.pick(places)] = K.int(rng.pick([0, 1, 2, 4, 5, 7, 9, 2 ** 33, -1]));
  },
  (tokens, rng) => {
    const [a, b] = [rng.int(tokens.length), rng.int(tokens.length)];
    [tokens[a], tokens[b]] = [tokens[b], tokens[a]];
  },
  (tokens, rng) => void tokens.splice(rng.int(tokens.length)),
  (tokens) => void tokens.push(K.POP, K.STOP),
  (tokens, rng) => void tokens.splice(4, 0, ...Array.from({ length: rng.int(300) }, () => K.raw(']'))),
  (tokens) => {
    // Nested deeper than is followed: the root becomes a list in a list in …
    tokens.splice(-1, 0, ...Array.from({ length: 120 }, () => Uint8Array.of(0x85)));
  },
  (tokens) => {
    const size = tokens.findIndex((token, i) => token[0] === 0x4b && tokens[i - 1] === K.MARK);
    tokens.splice(size, 5, K.int(2n ** 40n), K.raw('t'), K.MARK, K.int(0));
  },
];

interface Draft {
  readonly members: TestMember[];
  readonly options: { -readonly [K in keyof ArchiveOptions]: ArchiveOptions[K] };
}

function toDraft(pickle: Uint8Array): Draft {
  const members: TestMember[] = [
    { name: 'm/data.pkl', content: pickle },
    { name: 'm/byteorder', content: K.raw('little') },
    { name: 'm/data/0', content: DATA },
    { name: 'm/data/1', content: BYTES, descriptor: 0 },
    { name: 'm/version', content: K.raw('3\n') },
  ];
  return { members, options: {} };
}

const change = (draft: Draft, rng: Rng, with_: (member: TestMember) => Partial<TestMember>): void => {
  const i = rng.int(draft.members.length);
  draft.members[i] = { ...draft.members[i], ...with_(draft.members[i]) };
};

const ODD_FIELDS: readonly Partial<Fields>[] = [
  { flags: 0x809 },
  { flags: 0x820 },
  { flags: 0 },
  { method: 8 },
  { method: 12 },
  { crc: 1 },
  { size: 1 },
  { size: 0xffffffff },
  { packed: 1 },
  { packed: 0x7fffffff },
  { size: 4_000_000_000, packed: 4_000_000_000 },
  { offset: 0 },
  { offset: 90 },
  { offset: 0xfffffff },
  { disk: 1 },
  { extra: Uint8Array.of(1, 0, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0) },
  { extra: Uint8Array.of(1, 0, 9) },
  { extra: Uint8Array.of(0x75, 0x70, 1, 0, 1) },
  { name: Uint8Array.of(0x6d, 0x2f, 0xff) },
  { name: 'm/data/7' },
];

const ODD_NAMES = ['../x', '/abs', 'm/data/0', 'M/Data/0', 'n/other', 'm\\x', 'm/data.pkl', 'm/constants.pkl', ''];

type DraftMutation = (draft: Draft, rng: Rng) => void;

const DRAFT_MUTATIONS: readonly DraftMutation[] = [
  (draft, rng) => void draft.members.splice(rng.int(draft.members.length), 1),
  (draft, rng) => void draft.members.push(rng.pick(draft.members)),
  (draft, rng) => void draft.members.reverse().splice(rng.int(2), 0),
  (draft, rng) => {
    change(draft, rng, () => ({ name: rng.pick(ODD_NAMES) }));
  },
  (draft, rng) => {
    change(draft, rng, () => ({ deflate: true }));
  },
  (draft, rng) => {
    change(draft, rng, ({ content }) => ({
      deflate: true,
      central: { size: content.length + 1 + rng.int(2) * 9_000_000 },
    }));
  },
  (draft, rng) => {
    change(draft, rng, () => ({ central: rng.pick(ODD_FIELDS) }));
  },
  (draft, rng) => {
    change(draft, rng, () => ({ local: rng.pick(ODD_FIELDS) }));
  },
  (draft, rng) => {
    const fields = rng.pick(ODD_FIELDS);
    change(draft, rng, () => ({ central: fields, local: fields }));
  },
  (draft, rng) => {
    change(draft, rng, () => ({ descriptor: rng.pick([0, 12, 16, 20, 24] as const) }));
  },
  (draft, rng) => {
    change(draft, rng, () => ({ local: { extra: toPadding(rng.int(60)) } }));
  },
  (draft, rng) => {
    change(draft, rng, () => ({ before: rng.bytes(rng.int(9)), after: rng.bytes(rng.int(30)) }));
  },
  (draft, rng) => {
    change(draft, rng, ({ content }) => ({ content: content.slice(0, rng.int(content.length)) }));
  },
  (draft, rng) => {
    draft.members[1] = { ...draft.members[1], content: K.raw(rng.pick(['big', '', 'little\n', 'x'.repeat(400)])) };
  },
  (draft, rng) => {
    draft.options.zip64 = false;
    draft.options.end = rng.pick([{}, { count: 0xffff }, { count: 4 }, { size: 9 }, { offset: 1 }, { disk: 1 }]);
  },
  (draft, rng) => {
    draft.options.end64 = rng.pick([
      { count: 1e9 },
      { countHere: 1 },
      { size: 2 ** 40 },
      { offset: 3 },
      { recordSize: 45 },
    ]);
    if (rng.int(2) === 0) draft.options.end = { count: 0xffff, size: 0xffffffff, offset: 0xffffffff };
  },
  (draft, rng) => {
    draft.options.locator = rng.pick([{ offset: 5 }, { disks: 9 }]);
  },
  (draft, rng) => {
    const odd = rng.bytes(1 + rng.int(20));
    Object.assign(draft.options, rng.pick([{ prefix: odd }, { suffix: odd }, { comment: odd }, { gap: odd }]));
  },
];

/** One mutant of a small archive, and what was changed in it. */
export interface TorchMutant extends Mutant {
  readonly level: 'opcodes' | 'archive' | 'bytes';
}

/** What stands in front of the mutated opcodes: a payload for scans, or nothing. */
export interface MutateOptions {
  readonly front?: Uint8Array;
}

function mutatePickle(rng: Rng, front: Uint8Array | undefined): Uint8Array {
  const [head, ...tokens] = toTokens();
  for (let i = rng.int(4); i >= 0; i--) if (tokens.length > 0) rng.pick(TOKEN_MUTATIONS)(tokens, rng);
  return K.join(head, ...(front === undefined ? [] : [front]), ...tokens);
}

/** Makes it a TorchScript archive, one time in three of an object that only its own loader can build. */
function makeScript(draft: Draft, rng: Rng, front: Uint8Array = new Uint8Array(0)): void {
  draft.members.push({ name: 'm/constants.pkl', content: K.pickle(K.EMPTY_TUPLE) });
  if (rng.int(3) > 0) return;
  const tokens = toTokens();
  tokens.splice(1, 0, front, K.call('acme.layers', 'Box'), K.POP);
  draft.members[0] = { name: 'm/data.pkl', content: K.join(...tokens) };
}

/** Six of ten change opcodes and leave the archive as it is; two change the archive; two change bytes of anything. */
export function mutateTorch(rng: Rng, { front }: MutateOptions = {}): TorchMutant {
  const kind = rng.next();
  const pickle =
    kind < 0.6
      ? mutatePickle(rng, front)
      : K.join(K.proto(2), ...(front === undefined ? [] : [front]), ...toTokens().slice(1));
  const draft = toDraft(pickle);
  if (kind >= 0.6 && kind < 0.8)
    for (let i = rng.int(2); i >= 0; i--) if (draft.members.length > 0) rng.pick(DRAFT_MUTATIONS)(draft, rng);
  if (kind < 0.03) makeScript(draft, rng, front);
  const bytes = writeZip(draft.members, draft.options);
  if (kind < 0.6) return { bytes, level: 'opcodes', framed: true };
  if (kind < 0.8) return { bytes, level: 'archive', framed: false };
  const seed = kind < 0.97 ? bytes : rng.pick([pickle, LEGACY, TAR]);
  return { bytes: mutateBytes(seed, rng), level: 'bytes', framed: false };
}

const LEGACY = K.join(K.proto(2), Uint8Array.of(0x8a, 0x0a), Buffer.from('6cfc9c46f9206aa85019', 'hex'), K.STOP);
const TAR = toTar('pickle', K.pickle(K.NONE));

/** A tar archive of one file, as Python writes it. */
function toTar(name: string, content: Uint8Array): Uint8Array {
  const header = Buffer.alloc(512);
  header.write(name);
  header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
  header.write('        ', 148);
  header.write('0', 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return K.join(header, content, new Uint8Array(512 - (content.length % 512)), new Uint8Array(1024));
}
