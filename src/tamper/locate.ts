/** From a differing leaf to tensor, rows, element and bit (docs/spec/baseline.md 6). */
import { hashLeaf } from '../core/merkle.ts';
import { TamperError } from '../core/errors.ts';
import { findCodeBit } from '../model/blocks.ts';
import { DTYPES, type DType, isBlockDType, toBlockSize } from '../model/dtype.ts';
import { type Change, type ChangeList, toBitSeverity, toChange } from './changes.ts';
import { findFlippedBit } from './flip.ts';
import { isSameHash, LEAF_BYTES, toLeafCrc, toLeafHash } from './leaves.ts';

/** The tensor that a range of logical bytes belongs to. */
export interface LocatedTensor {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** A leaf that differs from its record in the baseline. */
export interface LeafDifference {
  /** Null for a gap, and for stored bytes that are not the logical ones. */
  readonly tensor: LocatedTensor | null;
  /** Byte offset in the tensor's logical bytes of the range that was cut into leaves. */
  readonly rangeStart: number;
  /** Leaf table of the range in the baseline. */
  readonly expected: Uint8Array;
  readonly leaf: number;
  /** The leaf as it is now. */
  readonly bytes: Uint8Array;
  /** Name of the file, and offset of the leaf in it; null where leaves are logical. */
  readonly file: string | null;
  readonly fileOffset: number | null;
  /** Reads the original bytes of the leaf, where a reference is at hand. */
  readonly readReference: ((leafOffset: number, into: Uint8Array) => void) | null;
  readonly detail: string | null;
}

/** First and last row that the elements [first, last] lie in; null for scalars. */
function toRows(tensor: LocatedTensor, first: number, last: number): readonly [number, number] | null {
  const perRow = tensor.shape.slice(1).reduce((product, dim) => product * dim, 1);
  if (tensor.shape.length === 0 || perRow === 0) return null;
  return [Math.floor(first / perRow), Math.floor(last / perRow)];
}

/** Elements that bytes [start, end) of the logical bytes touch. */
function toElements(tensor: LocatedTensor, start: number, end: number): readonly [number, number] | null {
  const { bits } = DTYPES[tensor.dtype];
  if (bits === 0) return null;
  return [Math.floor((start * 8) / bits), Math.floor((end * 8 - 1) / bits)];
}

/** The run of bits that is reported as one thing. */
interface Unit {
  /** Different for every unit of a tensor. */
  readonly id: number;
  /** Null for a byte of a block's scales, which belong to all its elements. */
  readonly element: number | null;
  /** Row-major index of an element that lies in the same row. */
  readonly near: number;
  /** The bit's number in the element, or in the byte of scales, 0 = least significant. */
  readonly bit: number;
}

/** What bit `position` of the logical bytes belongs to; null outside of tensors and for types without a fixed size. */
function toUnit(tensor: LocatedTensor | null, position: number): Unit | null {
  if (tensor === null || DTYPES[tensor.dtype].bits === 0) return null;
  if (!isBlockDType(tensor.dtype)) {
    const { bits } = DTYPES[tensor.dtype];
    const element = Math.floor(position / bits);
    return { id: element, element, near: element, bit: position - element * bits };
  }
  const { elements, bytes } = toBlockSize(tensor.dtype);
  const block = Math.floor(position / (bytes * 8));
  const code = findCodeBit(tensor.dtype, position - block * bytes * 8);
  const near = block * elements + (code?.element ?? 0);
  if (code !== undefined) return { id: near, element: near, near, bit: code.bit };
  return { id: -1 - Math.floor(position / 8), element: null, near, bit: position % 8 };
}

function toLeafRows(difference: LeafDifference): readonly [number, number] | null {
  const { tensor, rangeStart, leaf, bytes } = difference;
  if (tensor === null) return null;
  const start = rangeStart + leaf * LEAF_BYTES;
  const elements = toElements(tensor, start, start + bytes.length);
  return elements === null ? null : toRows(tensor, elements[0], elements[1]);
}

/** Everything that is known about one changed element, or one byte of scales or outside of tensors. */
function toPointChange(
  difference: LeafDifference,
  kind: 'bit-flip' | 'weights-changed',
  bitsInLeaf: readonly number[],
): Change {
  const { tensor, rangeStart, leaf, file, fileOffset, detail } = difference;
  const firstByte = Math.floor(bitsInLeaf[0] / 8);
  const place = { leaf, file, offset: fileOffset === null ? null : fileOffset + firstByte, detail };
  const base = (rangeStart + leaf * LEAF_BYTES) * 8;
  const first = toUnit(tensor, base + bitsInLeaf[0]);
  if (tensor === null || first === null) {
    const bits = bitsInLeaf.map((at) => at - firstByte * 8);
    const known = { ...place, tensor: tensor?.name ?? null, bits, bit: bits.length === 1 ? bits[0] : null };
    return toChange({
      kind: tensor === null && kind !== 'bit-flip' ? 'container-changed' : kind,
      severity: tensor === null ? 'low' : 'medium',
      ...known,
    });
  }
  const bits = bitsInLeaf.map((at) => toUnit(tensor, base + at)?.bit ?? 0);
  const isScale = first.element === null;
  return toChange({
    kind,
    severity: isScale || bits.some((bit) => toBitSeverity(tensor.dtype, bit) === 'high') ? 'high' : 'medium',
    ...place,
    tensor: tensor.name,
    rows: toRows(tensor, first.near, first.near),
    element: first.element,
    bits,
    bit: bits.length === 1 ? bits[0] : null,
    detail: isScale ? 'scale of a quantised block' : detail,
  });
}

/** Positions of all differing bits of a leaf, grouped by element (by byte in scales and outside of tensors). */
function toChangedBits(difference: LeafDifference, original: Uint8Array): Map<number, number[]> {
  const { tensor, rangeStart, leaf, bytes } = difference;
  const base = (rangeStart + leaf * LEAF_BYTES) * 8;
  const groups = new Map<number, number[]>();
  for (let at = 0; at < bytes.length; at++) {
    const xor = bytes[at] ^ original[at];
    for (let bit = 0; xor >> bit !== 0; bit++) {
      if (((xor >> bit) & 1) === 0) continue;
      const position = at * 8 + bit;
      const group = toUnit(tensor, base + position)?.id ?? at;
      const list = groups.get(group);
      if (list === undefined) groups.set(group, [position]);
      else list.push(position);
    }
  }
  return groups;
}

function readOriginal(difference: LeafDifference, read: (leafOffset: number, into: Uint8Array) => void): Uint8Array {
  const original = new Uint8Array(difference.bytes.length);
  read(difference.leaf * LEAF_BYTES, original);
  if (!isSameHash(hashLeaf(original), toLeafHash(difference.expected, difference.leaf))) {
    throw new TamperError('TAMPER_REFERENCE_MISMATCH', {
      fields: { tensor: difference.tensor?.name ?? null, leaf: difference.leaf },
    });
  }
  return original;
}

/**
 * Adds what can be proven about one differing leaf: with a reference every changed element and bit; else element and
 * bit where exactly one bit changed; else the leaf and its rows.
 * @throws TamperError TAMPER_REFERENCE_MISMATCH
 */
export function addLeafChanges(list: ChangeList, difference: LeafDifference): void {
  const { tensor, expected, leaf, bytes, file, fileOffset, detail, readReference } = difference;
  if (readReference !== null) {
    const groups = toChangedBits(difference, readOriginal(difference, readReference));
    for (const bits of groups.values()) {
      list.add(
        toPointChange(difference, groups.size === 1 && bits.length === 1 ? 'bit-flip' : 'weights-changed', bits),
      );
      list.elementsChanged += tensor === null ? 0 : 1;
      list.bitsChanged += bits.length;
    }
    return;
  }
  const flip = findFlippedBit(bytes, { hash: toLeafHash(expected, leaf), crc: toLeafCrc(expected, leaf) });
  if (flip !== undefined) {
    list.add(toPointChange(difference, 'bit-flip', [flip.byte * 8 + flip.bit]));
    list.elementsChanged += tensor === null ? 0 : 1;
    list.bitsChanged += 1;
    return;
  }
  list.add(
    toChange({
      kind: tensor === null ? 'container-changed' : 'weights-changed',
      severity: tensor === null ? 'low' : 'high',
      tensor: tensor?.name ?? null,
      rows: toLeafRows(difference),
      leaf,
      file,
      offset: fileOffset,
      detail,
    }),
  );
}
