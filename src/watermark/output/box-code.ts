/** A payload as a set of boxes: four digits of six bits in each, masked by a keyed permutation. */
import { createPermutation, type Permutation } from '../../core/prf.ts';
import { WatermarkError } from '../../core/errors.ts';
import { findPayload, FRAME_BYTES, type Payload, toPayloadFrame } from '../payload.ts';
import { MARK_DOMAIN, toMarkKey } from './keys.ts';

/** Left, top, width and height, as fractions of the picture. */
export type Box = readonly [x: number, y: number, width: number, height: number];

const DIGITS = 64;
const CHUNK_BITS = 18;
/** Bits of the index: as many boxes as one digit counts. */
const BOXES_MAX = 64;
/** Where digit 0 lies and how far digits are apart: boxes that stay inside, with steps that half precision and three decimals keep. */
const LATTICE = [
  { base: 0.05, step: 0.0105 },
  { base: 0.05, step: 0.0105 },
  { base: 0.02, step: 0.004 },
  { base: 0.02, step: 0.004 },
] as const;

/**
 * The boxes of a payload, in the order of their index.
 * @throws WatermarkError WATERMARK_OUTPUT_TOO_LONG
 */
export function toBoxes(payload: Payload, key: Uint8Array): Box[] {
  const frame = toPayloadFrame(payload);
  const count = Math.ceil((8 * frame.length) / CHUNK_BITS);
  if (count > BOXES_MAX) {
    const bytesMax = Math.floor((BOXES_MAX * CHUNK_BITS) / 8) - (frame.length - payload.bytes.length);
    throw new WatermarkError('WATERMARK_OUTPUT_TOO_LONG', { fields: { bytes: payload.bytes.length, bytesMax } });
  }
  const permutation = toPermutation(key);
  const bits = [...frame].flatMap((byte) => Array.from({ length: 8 }, (_, bit) => (byte >> (7 - bit)) & 1));
  return Array.from({ length: count }, (_, index) => {
    let chunk = 0;
    for (let bit = 0; bit < CHUNK_BITS; bit++) chunk = 2 * chunk + (bits[index * CHUNK_BITS + bit] ?? 0);
    return toBox(permutation.forward(index * 2 ** CHUNK_BITS + chunk));
  });
}

function toPermutation(key: Uint8Array): Permutation {
  return createPermutation(toMarkKey(key, 'boxes'), MARK_DOMAIN.boxes, DIGITS ** 4);
}

function toBox(code: number): Box {
  const digit = (at: number): number => Math.floor(code / DIGITS ** (3 - at)) % DIGITS;
  const value = (at: number): number => LATTICE[at].base + digit(at) * LATTICE[at].step;
  return [value(0), value(1), value(2), value(3)];
}

/** The code of a box that lies on the lattice, within `tolerance` of a step; undefined for all others. */
function findCode(box: Box, tolerance: number): number | undefined {
  let code = 0;
  for (const [at, { base, step }] of LATTICE.entries()) {
    const exact = (box[at] - base) / step;
    const digit = Math.round(exact);
    if (!(Math.abs(exact - digit) <= tolerance) || digit < 0 || digit >= DIGITS) return undefined;
    code = code * DIGITS + digit;
  }
  return code;
}

/** Recorded as they were computed, and rounded or in half precision. */
const TOLERANCES = [0.02, 0.3];

export interface BoxReading {
  readonly payload: Payload;
  /** Rows that lie on the lattice and belong to the payload. */
  readonly rows: number;
}

/**
 * The payload among boxes of a recording, in any order, with any others between them; undefined when it is not whole.
 * Of several boxes with one index, that which occurs most often is tried first: over many inputs, the mark always does.
 */
export function findBoxPayload(boxes: Iterable<Box>, key: Uint8Array): BoxReading | undefined {
  const list = [...boxes];
  const permutation = toPermutation(key);
  for (const tolerance of TOLERANCES) {
    const counts = new Map<number, number>();
    for (const box of list) {
      const code = findCode(box, tolerance);
      if (code !== undefined) counts.set(code, (counts.get(code) ?? 0) + 1);
    }
    const found = findFrame(counts, permutation);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Chunks of one index, those that occur most often first. */
type Candidates = readonly (readonly { readonly chunk: number; readonly count: number }[])[];

/** Chunks that are tried for one index, and combinations in all. */
const CHUNKS_MAX = 4;
const TRIES_MAX = 4096;
/** The head of a frame, which says how long it is, ends in this chunk. */
const HEAD_CHUNKS = 2;

function findFrame(counts: ReadonlyMap<number, number>, permutation: Permutation): BoxReading | undefined {
  const candidates = toCandidates(counts, permutation);
  let tries = 0;
  const search = (chosen: readonly number[]): BoxReading | undefined => {
    const needed = chosen.length < HEAD_CHUNKS ? HEAD_CHUNKS : countChunks(chosen);
    if (needed > BOXES_MAX || ++tries > TRIES_MAX) return undefined;
    if (chosen.length === needed) return toReading(chosen, candidates);
    for (const at of candidates[chosen.length].keys()) {
      const found = search([...chosen, at]);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  const toChunks = (chosen: readonly number[]): number[] => chosen.map((at, index) => candidates[index][at].chunk);
  const countChunks = (chosen: readonly number[]): number => {
    const head = Buffer.from(toBytes(toChunks(chosen.slice(0, HEAD_CHUNKS))));
    return Math.ceil((8 * (head.readUIntBE(1, 3) + FRAME_BYTES)) / CHUNK_BITS);
  };
  const toReading = (chosen: readonly number[], from: Candidates): BoxReading | undefined => {
    const payload = findPayload(toBytes(toChunks(chosen)));
    const rows = chosen.reduce((sum, at, index) => sum + from[index][at].count, 0);
    return payload === undefined ? undefined : { payload, rows };
  };
  return search([]);
}

function toCandidates(counts: ReadonlyMap<number, number>, permutation: Permutation): Candidates {
  const lists: { chunk: number; count: number }[][] = Array.from({ length: BOXES_MAX }, () => []);
  for (const [code, count] of counts) {
    const plain = permutation.inverse(code);
    lists[Math.floor(plain / 2 ** CHUNK_BITS)].push({ chunk: plain % 2 ** CHUNK_BITS, count });
  }
  return lists.map((list) => list.sort((a, b) => b.count - a.count).slice(0, CHUNKS_MAX));
}

/** The whole bytes of chunks in a row. */
function toBytes(chunks: readonly number[]): Uint8Array {
  const bits = chunks.flatMap((chunk) =>
    Array.from({ length: CHUNK_BITS }, (_, bit) => Math.floor(chunk / 2 ** (CHUNK_BITS - 1 - bit)) % 2),
  );
  return Uint8Array.from({ length: Math.floor(bits.length / 8) }, (_, i) =>
    bits.slice(8 * i, 8 * i + 8).reduce((sum, bit) => 2 * sum + bit, 0),
  );
}
