/** GGUF models (versions 2 and 3, little-endian), each file on its own. */
import type { Model, ModelEdit, TensorRef } from '../../model/types.ts';
import type { ByteSource } from '../../source/ports.ts';
import type { RewritePlan } from '../../source/rewrite.ts';
import { type Replacement, toSpliceOps } from '../../source/splice.ts';
import { sortEdits, toSpanReplacement } from '../edits.ts';
import type { ModelFormat, OpenModelOptions } from '../ports.ts';
import { SpanTensor } from '../span-tensor.ts';
import { toMetadataTexts } from './describe.ts';
import { GGUF_MAGIC, type GgufHeader, readHeader } from './header.ts';
import { toMetadataReplacements } from './metadata.ts';

export const ggufFormat: ModelFormat = {
  id: 'gguf',
  isFormat(name, head) {
    if (name.endsWith('.gguf')) return true;
    return head.length >= 4 && new DataView(head.buffer, head.byteOffset, 4).getUint32(0, true) === GGUF_MAGIC;
  },
  open: openGguf,
};

function openGguf({ source, name }: OpenModelOptions): Model {
  const header = readHeader(source);
  const tensors = header.tensors.map((tensor) => new SpanTensor(tensor, { storage: 'raw', fileIndex: 0, source }));
  let metadata: ReadonlyMap<string, string> | undefined;
  return {
    format: 'gguf',
    files: [{ name, source }],
    tensors,
    graph: null,
    functions: new Map(),
    opsets: new Map(),
    // Vocabularies are metadata, too: they are read only when somebody asks.
    get metadata() {
      metadata ??= toMetadataTexts(source, header.members);
      return metadata;
    },
    plan: (edits) => toPlan({ name, source }, header, tensors, edits),
    close() {
      source.close();
    },
  };
}

function toPlan(
  { name, source }: { readonly name: string; readonly source: ByteSource },
  header: GgufHeader,
  tensors: readonly TensorRef[],
  edits: readonly ModelEdit[],
): RewritePlan {
  const sorted = sortEdits(tensors, edits);
  const replacements: Replacement[] = [];
  for (const [tensor, apply] of sorted.tensors) {
    if (tensor.byteLength > 0) replacements.push(toSpanReplacement(source, tensor, apply));
  }
  if (sorted.metadata.size > 0) replacements.push(...toMetadataReplacements(source, header, sorted.metadata));
  return { files: [{ name, ops: toSpliceOps(source, replacements) }] };
}
