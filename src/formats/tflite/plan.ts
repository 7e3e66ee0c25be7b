/** The rewrite of a TFLite model: edited tensors in place, metadata by new tables in front. */
import type { ModelEdit } from '../../model/types.ts';
import type { RewritePlan } from '../../source/rewrite.ts';
import { type Replacement, toSpliceOps } from '../../source/splice.ts';
import { sortEdits, toSpanReplacement } from '../edits.ts';
import type { TfliteContext } from './context.ts';
import type { Table } from './flat.ts';
import { toMetadataReplacements } from './front.ts';
import type { MetadataEntry } from './metadata.ts';

export interface PlanInput {
  readonly context: TfliteContext;
  readonly model: Table;
  readonly metadata: readonly MetadataEntry[];
}

/** @throws FormatError FORMAT_TENSOR_MISSING | FORMAT_EDIT_CONFLICT | FORMAT_EDIT_UNSUPPORTED */
export function toTflitePlan({ context, model, metadata }: PlanInput, edits: readonly ModelEdit[]): RewritePlan {
  const { files, tensors } = context;
  const sorted = sortEdits(tensors, edits);
  const replacements = files.map((): Replacement[] => []);
  for (const [tensor, apply] of sorted.tensors) {
    if (tensor.byteLength === 0) continue;
    replacements[tensor.fileIndex].push(toSpanReplacement(files[tensor.fileIndex].source, tensor, apply));
  }
  replacements[0].push(...toMetadataReplacements(context, model, metadata, sorted.metadata));
  return { files: files.map(({ name, source }, i) => ({ name, ops: toSpliceOps(source, replacements[i]) })) };
}
