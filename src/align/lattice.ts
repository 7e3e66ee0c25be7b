/** A layer's weights addressed by output channel, input channel and kernel place, whatever the stored orientation. */
import { decodeBlocks, isDecodableBlock } from '../model/blocks.ts';
import { DTYPES } from '../model/dtype.ts';
import { decodeFloats, isFloatDType } from '../model/floats.ts';
import { decodeInts, type IntDType, isIntDType } from '../model/ints.ts';
import type { TensorRef } from '../model/types.ts';

/** How a tensor is laid out as a layer. */
export interface LayerShape {
  readonly tensor: TensorRef;
  /** Shape as used; same row-major order as stored. */
  readonly shape: readonly number[];
  readonly outAxis: number;
  readonly inAxis: number;
  readonly groups: number;
  /** How the input axis orders channels and places of a flattened value; undefined when nothing says. */
  readonly isInterleaved?: boolean;
  /** For each output of the original its output here, where a converter moved them; undefined where they lie alike. */
  readonly rows?: Int32Array;
}

export interface Lattice {
  readonly values: Float32Array;
  /** Entries of the output axis, and of the input axis over all groups. */
  readonly outLength: number;
  readonly inLength: number;
  /** Offsets of the kernel places from the first. */
  readonly kernel: Int32Array;
  /** Elements from one output and from one input to the next, where {@link toIndex} does no more than add them; else null. */
  readonly steps: readonly [out: number, input: number] | null;
  /** Index of kernel place 0 of (out, in), or -1 where the two are in different groups. */
  toIndex(out: number, input: number): number;
}

/** Some entries of both axes of a layer. */
export interface LatticePart {
  readonly out: Int32Array;
  readonly in: Int32Array;
}

/** Whether the elements can be read as numbers. */
export function isNumeric({ dtype }: TensorRef): boolean {
  return isFloatDType(dtype) || isIntDType(dtype) || isDecodableBlock(dtype);
}

export interface LoadLattice {
  /** The whole layer. */
  (shape: LayerShape): Lattice;
  /** Some entries of it: entry k of an axis is entry `part[axis][k]` of the layer. */
  part(shape: LayerShape, part: LatticePart): Lattice;
}

export interface LatticeChange {
  /** Changes the values of a whole layer in place. */
  readonly apply: (lattice: Lattice) => void;
  /** A part of the changed layer, from parts of the layer as it was before. */
  readonly readPart: (read: (part: LatticePart) => Lattice, part: LatticePart) => Lattice;
}

/** What is done to layers of a suspect when they are loaded, in order. */
export type LatticeChanges = ReadonlyMap<LayerShape, readonly LatticeChange[]>;

/** Elements decoded at once; whole blocks of every quantised type. */
const PIECE_ELEMENTS = 256 * 1024;

/** All elements as singles; f64 rounds, codes are exact. What is not finite as a single becomes 0. */
export function toSingles(tensor: TensorRef): Float32Array {
  const { bits } = DTYPES[tensor.dtype];
  const all = new Float32Array(tensor.elementCount);
  const numbers = new Float64Array(Math.min(PIECE_ELEMENTS, tensor.elementCount));
  const bytes = new Uint8Array(Math.ceil((numbers.length * bits) / 8));
  for (let at = 0; at < all.length; at += numbers.length) {
    const piece = numbers.subarray(0, Math.min(numbers.length, all.length - at));
    const part = bytes.subarray(0, Math.ceil((piece.length * bits) / 8));
    tensor.read((at * bits) / 8, part);
    if (isFloatDType(tensor.dtype)) decodeFloats(tensor.dtype, part, piece);
    else if (isDecodableBlock(tensor.dtype)) decodeBlocks(tensor.dtype, part, piece);
    else decodeInts(tensor.dtype as IntDType, part, piece);
    for (let i = 0; i < piece.length; i++) all[at + i] = Number.isFinite(Math.fround(piece[i])) ? piece[i] : 0;
  }
  return all;
}

/**
 * Loads a layer. Codes of quantised tensors are centred on their mean, which stands for an unknown zero point.
 */
export function toLattice(layer: LayerShape): Lattice {
  const values = toSingles(layer.tensor);
  if (isIntDType(layer.tensor.dtype)) centre(values);
  const { shape, outAxis, inAxis, rows } = layer;
  const groups = toGroups(layer);
  const strides = toStrides(shape);
  const outLength = shape[outAxis];
  const inPerGroup = shape[inAxis];
  const outPerGroup = Math.max(1, Math.floor(outLength / groups));
  return {
    values,
    outLength,
    inLength: inPerGroup * groups,
    kernel: toKernelOffsets(shape, strides, outAxis, inAxis),
    steps: groups === 1 && rows === undefined ? [strides[outAxis], strides[inAxis]] : null,
    toIndex: (out, input) => {
      const group = groups === 1 ? 0 : Math.floor(input / inPerGroup);
      if (groups > 1 && Math.floor(out / outPerGroup) !== group) return -1;
      const row = rows === undefined ? out : rows[out];
      return row * strides[outAxis] + (input - group * inPerGroup) * strides[inAxis];
    },
  };
}

/** A depthwise kernel has one input per output: there is nothing to address on that side. */
function toGroups({ shape, inAxis, groups }: LayerShape): number {
  return shape[inAxis] === 1 ? 1 : groups;
}

/** Entries of the output axis, and of the input axis over all groups. */
export function toLengths(layer: LayerShape): { readonly out: number; readonly in: number } {
  const { shape, outAxis, inAxis } = layer;
  return { out: shape[outAxis], in: shape[inAxis] * toGroups(layer) };
}

function centre(values: Float32Array): void {
  const mean = values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
  for (let i = 0; i < values.length; i++) values[i] -= mean;
}

function toStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let i = shape.length - 2; i >= 0; i--) strides[i] = strides[i + 1] * shape[i + 1];
  return strides;
}

function toKernelOffsets(shape: readonly number[], strides: readonly number[], outAxis: number, inAxis: number) {
  let offsets = [0];
  shape.forEach((length, axis) => {
    if (axis === outAxis || axis === inAxis) return;
    offsets = offsets.flatMap((base) => Array.from({ length }, (_, i) => base + i * strides[axis]));
  });
  return Int32Array.from(offsets);
}
