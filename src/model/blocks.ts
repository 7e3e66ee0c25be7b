/** Quantised blocks to and from numbers: decoding, writing back with the scales kept, and moving codes by whole steps. */
import { BLOCK_LAYOUTS, type BlockLayout, type BlockLines } from './block-layouts.ts';
import { type BlockDType, type DType, isBlockDType, toBlockSize } from './dtype.ts';
import { assertPackedLength } from './packed.ts';

/** Whether the type is a quantised one whose elements can be read and written back as numbers. */
export function isDecodableBlock(dtype: DType): dtype is BlockDType {
  return isBlockDType(dtype) && BLOCK_LAYOUTS.has(dtype);
}

function toLayout(dtype: BlockDType): BlockLayout {
  const layout = BLOCK_LAYOUTS.get(dtype);
  if (layout === undefined) throw new TypeError(`blocks of ${dtype} cannot be decoded`);
  return layout;
}

const toLines = ({ elements, groupElements }: BlockLayout): BlockLines => ({
  steps: new Float32Array(elements / groupElements),
  offsets: new Float32Array(elements / groupElements),
});

function readCode({ low, high, flip, bias }: BlockLayout, bytes: Uint8Array, at: number, element: number): number {
  let code = (bytes[at + low.bytes[element]] >> low.shifts[element]) & ((1 << low.bits) - 1);
  if (high !== null) {
    const top = (bytes[at + high.bytes[element]] >> high.shifts[element]) & ((1 << high.bits) - 1);
    code |= top << low.bits;
  }
  return (code ^ flip) - bias;
}

function writeCode(layout: BlockLayout, bytes: Uint8Array, at: number, element: number, code: number): void {
  const stored = (code + layout.bias) ^ layout.flip;
  putBits(layout.low, bytes, at, element, stored);
  if (layout.high !== null) putBits(layout.high, bytes, at, element, stored >> layout.low.bits);
}

function putBits(field: BlockLayout['low'], bytes: Uint8Array, at: number, element: number, value: number): void {
  const place = at + field.bytes[element];
  const mask = ((1 << field.bits) - 1) << field.shifts[element];
  bytes[place] = (bytes[place] & ~mask) | ((value << field.shifts[element]) & mask);
}

/** step · code + offset in f32 arithmetic, as the reference decoders compute it. */
function toValue({ hasOffsets }: BlockLayout, { steps, offsets }: BlockLines, group: number, code: number): number {
  const product = Math.fround(steps[group] * code);
  return hasOffsets ? Math.fround(product + offsets[group]) : product;
}

/**
 * Decodes whole blocks; every value is the f32 that the reference computes.
 * @param bytes the blocks of `into.length` elements
 * @throws TypeError when `bytes` has another length, or the type cannot be decoded
 */
export function decodeBlocks(dtype: BlockDType, bytes: Uint8Array, into: Float32Array | Float64Array): void {
  assertPackedLength(dtype, bytes, into.length);
  const layout = toLayout(dtype);
  const lines = toLines(layout);
  let index = 0;
  for (let at = 0; at < bytes.length; at += layout.bytes) {
    layout.readLines(bytes, at, lines);
    for (let element = 0; element < layout.elements; element++) {
      const group = Math.floor(element / layout.groupElements);
      into[index++] = toValue(layout, lines, group, readCode(layout, bytes, at, element));
    }
  }
}

/**
 * Writes changed values back into the blocks that they were decoded from. Scales and minima stay; the code of a changed
 * value becomes the one that decodes nearest to it, within the range that quantisers use. A value that equals what its
 * code decodes to keeps it, so blocks without a change keep their bytes; so does one that is no number, and one in a
 * group whose step is zero or no number.
 * @param bytes the blocks of `values.length` elements, changed in place
 * @throws TypeError when `bytes` has another length, or the type cannot be decoded
 */
export function encodeBlocks(dtype: BlockDType, values: ArrayLike<number>, bytes: Uint8Array): void {
  assertPackedLength(dtype, bytes, values.length);
  rewriteCodes(dtype, bytes, { first: 0, count: values.length }, (index, code, { value, step, offset }) => {
    if (values[index] === value || Number.isNaN(values[index])) return code;
    return Math.round((values[index] - offset) / step);
  });
}

/**
 * Moves the codes of elements [first, first + count) of whole blocks by `toSteps` codes each, up to the ends of the
 * range that quantisers use. Scales, and codes that do not move, keep their bits.
 * @param toSteps whole steps for the element `first + index`, given the value of one step (it may be negative)
 * @throws TypeError when the type cannot be decoded
 */
export function moveCodes(
  dtype: BlockDType,
  bytes: Uint8Array,
  { first, count }: { readonly first: number; readonly count: number },
  toSteps: (index: number, step: number) => number,
): void {
  rewriteCodes(dtype, bytes, { first, count }, (index, code, { step }) => code + toSteps(index, step));
}

/** Element and bit of its code (0 = lowest) that one bit of a block holds. */
export interface CodeBit {
  readonly element: number;
  readonly bit: number;
}

const codeBits = new Map<BlockDType, readonly (CodeBit | undefined)[]>();

/** What each bit of a block holds, made on first use. */
function toCodeBits(layout: BlockLayout): (CodeBit | undefined)[] {
  const table = new Array<CodeBit | undefined>(layout.bytes * 8).fill(undefined);
  const add = (field: BlockLayout['low'], firstBit: number): void => {
    for (let element = 0; element < layout.elements; element++) {
      const start = field.bytes[element] * 8 + field.shifts[element];
      for (let bit = 0; bit < field.bits; bit++) table[start + bit] = { element, bit: firstBit + bit };
    }
  };
  add(layout.low, 0);
  if (layout.high !== null) add(layout.high, layout.low.bits);
  return table;
}

/**
 * What bit `position` of a block (byte · 8 + bit of the byte) holds of a code; undefined where it belongs to scales, or
 * the type cannot be decoded.
 */
export function findCodeBit(dtype: BlockDType, position: number): CodeBit | undefined {
  const layout = BLOCK_LAYOUTS.get(dtype);
  if (layout === undefined) return undefined;
  const table = codeBits.get(dtype) ?? toCodeBits(layout);
  codeBits.set(dtype, table);
  return table[position];
}

interface CodeLine {
  readonly value: number;
  readonly step: number;
  readonly offset: number;
}

/** Replaces codes where `change` says another one; groups whose step is zero or no number are left alone. */
function rewriteCodes(
  dtype: BlockDType,
  bytes: Uint8Array,
  { first, count }: { readonly first: number; readonly count: number },
  change: (index: number, code: number, line: CodeLine) => number,
): void {
  const layout = toLayout(dtype);
  const size = toBlockSize(dtype);
  const lines = toLines(layout);
  let lineOf = -1;
  for (let index = 0; index < count; index++) {
    const block = Math.floor((first + index) / size.elements);
    const element = (first + index) % size.elements;
    const at = block * size.bytes;
    if (block !== lineOf) layout.readLines(bytes, at, lines);
    lineOf = block;
    const group = Math.floor(element / layout.groupElements);
    const [step, offset] = [lines.steps[group], layout.hasOffsets ? lines.offsets[group] : 0];
    if (step === 0 || !Number.isFinite(step) || !Number.isFinite(offset)) continue;
    const code = readCode(layout, bytes, at, element);
    const wanted = change(index, code, { value: toValue(layout, lines, group, code), step, offset });
    if (wanted === code) continue;
    // A code outside the usual range may stay, or move towards it.
    const low = Math.min(code, layout.codeMin);
    writeCode(layout, bytes, at, element, Math.min(layout.codeMax, Math.max(low, wanted)));
  }
}
