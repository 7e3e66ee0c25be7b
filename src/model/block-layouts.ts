/** Where the codes and scales of ggml's quantised blocks lie. @see ggml-common.h and ggml-quants.c of ggml */
import { type BlockDType, toBlockSize } from './dtype.ts';
import { toHalf } from './floats.ts';

/** A run of bits of every code: element e has `bits` bits of byte `bytes[e]`, from bit `shifts[e]` up. */
interface CodeField {
  readonly bytes: Uint8Array;
  readonly shifts: Uint8Array;
  readonly bits: number;
}

/** The line that turns a code of group g into a value: steps[g] · code + offsets[g], each operation rounded to f32. */
export interface BlockLines {
  readonly steps: Float32Array;
  readonly offsets: Float32Array;
}

export interface BlockLayout {
  /** Elements of a block, and how many neighbours share a step. */
  readonly elements: number;
  readonly groupElements: number;
  /** Bytes of a block. */
  readonly bytes: number;
  readonly low: CodeField;
  readonly high: CodeField | null;
  /** A stored code c stands for (c XOR flip) - bias. */
  readonly flip: number;
  readonly bias: number;
  /** Range of codes that quantisers write. */
  readonly codeMin: number;
  readonly codeMax: number;
  readonly hasOffsets: boolean;
  /** Fills `into` from the block at `at`. */
  readLines(bytes: Uint8Array, at: number, into: BlockLines): void;
}

const half = (bytes: Uint8Array, at: number): number => toHalf(bytes[at] | (bytes[at + 1] << 8));

function toField(elements: number, bits: number, place: (element: number) => readonly [number, number]): CodeField {
  const places = Array.from({ length: elements }, (_, element) => place(element));
  return { bytes: Uint8Array.from(places, ([byte]) => byte), shifts: Uint8Array.from(places, ([, s]) => s), bits };
}

/** Two codes a byte: the first half of each run of 2 · `count` elements lies in the low nibbles. */
const nibbles = (elements: number, start: number, count: number): CodeField =>
  toField(elements, 4, (e) => [
    start + Math.floor(e / (2 * count)) * count + (e % count),
    4 * (Math.floor(e / count) % 2),
  ]);

/** Bit planes: each byte of a run of `count` holds `bits` bits of 8 / `bits` elements that lie `count` apart. */
const planes = (elements: number, start: number, count: number, bits: number): CodeField =>
  toField(elements, bits, (e) => [
    start + Math.floor((e * bits) / (8 * count)) * count + (e % count),
    bits * (Math.floor(e / count) % (8 / bits)),
  ]);

type Rest = Pick<BlockLayout, 'groupElements' | 'low' | 'high' | 'bias' | 'codeMin' | 'codeMax' | 'readLines'>;

const toLayout = (dtype: BlockDType, hasOffsets: boolean, rest: Rest): BlockLayout => ({
  ...toBlockSize(dtype),
  ...rest,
  flip: dtype === 'q8_0' ? 0x80 : 0,
  hasOffsets,
});

/** Blocks of 32 with one scale in front, and for the `_1` kinds one minimum. */
function toSimple(dtype: 'q4_0' | 'q4_1' | 'q5_0' | 'q5_1' | 'q8_0'): BlockLayout {
  const hasOffsets = dtype === 'q4_1' || dtype === 'q5_1';
  const bits = Number(dtype[1]);
  const highAt = hasOffsets ? 4 : 2;
  const codesAt = bits === 5 ? highAt + 4 : highAt;
  const bias = hasOffsets ? 0 : 2 ** (bits - 1);
  return toLayout(dtype, hasOffsets, {
    groupElements: 32,
    low: bits === 8 ? toField(32, 8, (e) => [codesAt + e, 0]) : nibbles(32, codesAt, 16),
    high: bits === 5 ? toField(32, 1, (e) => [highAt + (e >> 3), e & 7]) : null,
    bias,
    // The quantiser of q8_0 never writes -128, and some kernels take its absolute value in eight bits.
    codeMin: bits === 8 ? -127 : -bias,
    codeMax: 2 ** bits - 1 - bias,
    readLines: (bytes, at, { steps, offsets }) => {
      steps[0] = half(bytes, at);
      offsets[0] = hasOffsets ? half(bytes, at + 2) : 0;
    },
  });
}

const q2k = toLayout('q2_k', true, {
  groupElements: 16,
  low: planes(256, 16, 32, 2),
  high: null,
  bias: 0,
  codeMin: 0,
  codeMax: 3,
  readLines: (bytes, at, { steps, offsets }) => {
    const scale = half(bytes, at + 80);
    const minimum = half(bytes, at + 82);
    for (let group = 0; group < 16; group++) {
      const packed = bytes[at + group];
      steps[group] = scale * (packed & 15);
      offsets[group] = -(minimum * (packed >> 4));
    }
  },
});

const q3k = toLayout('q3_k', false, {
  groupElements: 16,
  low: planes(256, 32, 32, 2),
  high: planes(256, 0, 32, 1),
  bias: 4,
  codeMin: -4,
  codeMax: 3,
  readLines: (bytes, at, { steps }) => {
    const scale = half(bytes, at + 108);
    for (let group = 0; group < 16; group++) {
      const low = (bytes[at + 96 + (group & 7)] >> (group < 8 ? 0 : 4)) & 15;
      const high = (bytes[at + 104 + (group & 3)] >> (2 * (group >> 2))) & 3;
      steps[group] = scale * ((low | (high << 4)) - 32);
    }
  },
});

/** q4_k and q5_k: eight scales and minima of six bits each in twelve bytes. */
function readPackedLines(bytes: Uint8Array, at: number, { steps, offsets }: BlockLines): void {
  const scale = half(bytes, at);
  const minimum = half(bytes, at + 2);
  for (let group = 0; group < 8; group++) {
    const near = bytes[at + 4 + group];
    const far = bytes[at + 8 + group];
    const before = bytes[at + group];
    const isFirst = group < 4;
    steps[group] = scale * (isFirst ? near & 63 : (far & 15) | ((before >> 6) << 4));
    offsets[group] = -(minimum * (isFirst ? far & 63 : (far >> 4) | ((near >> 6) << 4)));
  }
}

const q4k = toLayout('q4_k', true, {
  groupElements: 32,
  low: nibbles(256, 16, 32),
  high: null,
  bias: 0,
  codeMin: 0,
  codeMax: 15,
  readLines: readPackedLines,
});

const q5k = toLayout('q5_k', true, {
  groupElements: 32,
  low: nibbles(256, 48, 32),
  high: planes(256, 16, 32, 1),
  bias: 0,
  codeMin: 0,
  codeMax: 31,
  readLines: readPackedLines,
});

const q6k = toLayout('q6_k', false, {
  groupElements: 16,
  low: nibbles(256, 0, 64),
  high: planes(256, 128, 32, 2),
  bias: 32,
  codeMin: -32,
  codeMax: 31,
  readLines: (bytes, at, { steps }) => {
    const scale = half(bytes, at + 208);
    for (let group = 0; group < 16; group++) steps[group] = scale * ((bytes[at + 192 + group] << 24) >> 24);
  },
});

/** Layouts of the types that can be decoded and written back. */
export const BLOCK_LAYOUTS: ReadonlyMap<BlockDType, BlockLayout> = new Map<BlockDType, BlockLayout>([
  ['q4_0', toSimple('q4_0')],
  ['q4_1', toSimple('q4_1')],
  ['q5_0', toSimple('q5_0')],
  ['q5_1', toSimple('q5_1')],
  ['q8_0', toSimple('q8_0')],
  ['q2_k', q2k],
  ['q3_k', q3k],
  ['q4_k', q4k],
  ['q5_k', q5k],
  ['q6_k', q6k],
]);
