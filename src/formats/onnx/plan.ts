/** The rewrite of an ONNX model: edited tensors, metadata entries, and the length prefixes around them. */
import { concatBytes, utf8 } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import type { ModelEdit, ModelFile, TensorRef } from '../../model/types.ts';
import type { RewritePlan } from '../../source/rewrite.ts';
import { type Replacement, toSpliceOps } from '../../source/splice.ts';
import { type ApplyEdit, sortEdits, toSpanReplacement } from '../edits.ts';
import type { PlacedTensor } from './context.ts';
import { type FramedReplacement, withLengthPrefixes } from './splice.ts';
import { TypedTensor, toTypedReplacementOps } from './typed-tensor.ts';
import { toLengthVarint, toTag } from './varint.ts';
import { type Frame, WIRE } from './wire.ts';

/** One entry of ModelProto.metadata_props with its span, tag included. */
export interface MetadataEntry {
  readonly key: string;
  readonly value: string;
  readonly start: number;
  readonly end: number;
}

export interface PlanInput {
  readonly files: readonly ModelFile[];
  readonly root: Frame;
  readonly tensors: readonly TensorRef[];
  readonly placed: readonly PlacedTensor[];
  readonly metadata: readonly MetadataEntry[];
}

export const METADATA_NUMBER = 14;

/** @throws FormatError FORMAT_TENSOR_MISSING | FORMAT_EDIT_CONFLICT | FORMAT_EDIT_UNSUPPORTED */
export function toOnnxPlan(input: PlanInput, edits: readonly ModelEdit[]): RewritePlan {
  const sorted = sortEdits(input.tensors, edits);
  const main: FramedReplacement[] = [];
  const others = input.files.map((): Replacement[] => []);
  const frames = new Map(sorted.tensors.size === 0 ? [] : input.placed.map(({ tensor, frame }) => [tensor, frame]));
  for (const [tensor, apply] of sorted.tensors) {
    if (tensor.byteLength === 0) continue;
    if (tensor.fileIndex === 0) main.push(...toReplacements(input, tensor, apply, frames.get(tensor)!));
    else others[tensor.fileIndex].push(toSpanReplacement(input.files[tensor.fileIndex].source, tensor, apply));
  }
  for (const [key, value] of sorted.metadata) main.push(...toMetadataReplacements(input, key, value));
  others[0].push(...withLengthPrefixes(main));
  return { files: input.files.map(({ name, source }, i) => ({ name, ops: toSpliceOps(source, others[i]) })) };
}

function toReplacements(
  input: PlanInput,
  tensor: TensorRef,
  apply: ApplyEdit,
  frame: Frame,
): readonly FramedReplacement[] {
  const { source } = input.files[0];
  if (!(tensor instanceof TypedTensor)) return [{ ...toSpanReplacement(source, tensor, apply), frame }];
  const { segments } = tensor.values;
  if (tensor.isStoredPlainly) {
    const { start, end } = segments[0];
    return [{ ...toSpanReplacement(source, { start, end, dtype: tensor.dtype }, apply), frame }];
  }
  if (tensor.start < frame.start || tensor.end > frame.end) {
    // Protobuf merges a message that occurs twice; its entries then lie in two messages of different length.
    throw new FormatError('FORMAT_EDIT_UNSUPPORTED', { fields: { tensor: tensor.name } });
  }
  return segments.map(({ tagStart, end }, i) => ({
    start: tagStart,
    end,
    ops: i === 0 ? toTypedReplacementOps(tensor, apply) : [],
    frame,
  }));
}

function toMetadataReplacements(input: PlanInput, key: string, value: string | null): readonly FramedReplacement[] {
  const present = input.metadata.filter((entry) => entry.key === key);
  const frame = input.root;
  const last = present.at(-1);
  const isSame = value === null ? last === undefined : present.length === 1 && last?.value === value;
  if (isSame) return [];
  const removed = present.map(({ start, end }): FramedReplacement => ({ start, end, ops: [], frame }));
  if (value === null) return removed;
  const ops = [{ kind: 'bytes' as const, bytes: toEntryField(key, value) }];
  // A new entry goes to the end of the file, where no other field changes its meaning.
  if (last === undefined) return [{ start: frame.end, end: frame.end, ops, frame }];
  return [...removed.slice(0, -1), { ...removed[removed.length - 1], ops }];
}

function toEntryField(key: string, value: string): Uint8Array {
  const text = (number: number, content: string): Uint8Array => {
    const bytes = utf8(content);
    return concatBytes(toTag(number, WIRE.bytes), toLengthVarint(bytes.length), bytes);
  };
  const body = concatBytes(text(1, key), text(2, value));
  return concatBytes(toTag(METADATA_NUMBER, WIRE.bytes), toLengthVarint(body.length), body);
}
