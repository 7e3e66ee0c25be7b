/** safetensors models, of one file or of shards with an index. */
import { FormatError, SourceError } from '../../core/errors.ts';
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import type { Model, ModelEdit, ModelFile, TensorRef } from '../../model/types.ts';
import type { ByteSource, SourceFolder } from '../../source/ports.ts';
import type { FileRewrite, RewritePlan } from '../../source/rewrite.ts';
import { type Replacement, toSpliceOps } from '../../source/splice.ts';
import { sortEdits, toSpanReplacement } from '../edits.ts';
import type { ModelFormat, OpenModelOptions } from '../ports.ts';
import { SpanTensor } from '../span-tensor.ts';
import { readHeader, type SafetensorsHeader } from './header.ts';
import { toMetadataReplacements } from './metadata.ts';
import { readShardIndex } from './shard-index.ts';

const INDEX_SUFFIX = '.safetensors.index.json';
const SETTINGS_NAME = 'config.json';

export const safetensorsFormat: ModelFormat = {
  id: 'safetensors',
  isFormat(name, head, sizeBytes) {
    if (name.endsWith('.safetensors') || name.endsWith(INDEX_SUFFIX)) return true;
    if (head.length < 9 || head[8] !== 0x7b) return false;
    const headerBytes = new DataView(head.buffer, head.byteOffset, 8).getBigUint64(0, true);
    return headerBytes + 8n <= BigInt(sizeBytes);
  },
  open(options) {
    return options.name.endsWith(INDEX_SUFFIX) ? openSharded(options) : openSingle(options);
  },
};

/** One safetensors file of the model, and the place of its file in `Model.files`. */
interface Part {
  readonly fileIndex: number;
  readonly source: ByteSource;
  readonly header: SafetensorsHeader;
}

function openSingle({ source, name, folder }: OpenModelOptions): Model {
  const part = { fileIndex: 0, source, header: readHeader(source) };
  return toModel([{ name, source }], [part], folder);
}

function openSharded({ source, name, folder }: OpenModelOptions): Model {
  const shardOf = readShardIndex(source);
  if (folder === null) throw new FormatError('FORMAT_FOLDER_MISSING', { fields: { file: source.label } });
  const names = [...new Set(shardOf.values())];
  if (names.length > FORMAT_LIMITS.filesMax) {
    throw new FormatError('FORMAT_FILE_COUNT', { fields: { file: source.label, offset: 0, files: names.length } });
  }
  const files: ModelFile[] = [{ name, source }];
  try {
    const parts = names.map((shard) => openShard(folder, shard, files));
    assertIndexMatches(shardOf, names, parts, source.label);
    return toModel(files, parts, folder);
  } catch (error) {
    for (const file of files.slice(1)) file.source.close();
    throw error;
  }
}

function openShard(folder: SourceFolder, shard: string, files: ModelFile[]): Part {
  const source = folder.open(shard);
  files.push({ name: shard, source });
  return { fileIndex: files.length - 1, source, header: readHeader(source) };
}

/** Every name must be where the index says, and nowhere else: loaders that skip the index would read other weights. */
function assertIndexMatches(
  shardOf: ReadonlyMap<string, string>,
  names: readonly string[],
  parts: readonly Part[],
  file: string,
): void {
  const found = new Set<string>();
  parts.forEach(({ header }, i) => {
    for (const { name, entryStart } of header.tensors) {
      const isMisplaced = found.has(name) || (shardOf.get(name) ?? names[i]) !== names[i];
      if (isMisplaced) {
        throw new FormatError('SAFETENSORS_INDEX_MISMATCH', {
          fields: { file: names[i], offset: entryStart, tensor: name },
        });
      }
      found.add(name);
    }
  });
  for (const name of shardOf.keys()) {
    if (!found.has(name)) {
      throw new FormatError('SAFETENSORS_INDEX_MISMATCH', { fields: { file, offset: 0, tensor: name } });
    }
  }
}

function toModel(files: readonly ModelFile[], parts: readonly Part[], folder: SourceFolder | null): Model {
  const tensors: TensorRef[] = [];
  for (const { fileIndex, source, header } of parts) {
    const place = { storage: 'raw', fileIndex, source } as const;
    for (const tensor of header.tensors) tensors.push(new SpanTensor(tensor, place));
  }
  const members = parts.at(0)?.header.metadata?.members ?? [];
  return {
    format: 'safetensors',
    files,
    tensors,
    graph: null,
    functions: new Map(),
    opsets: new Map(),
    metadata: new Map(members.map(({ key, value }) => [key, value])),
    readSettings: () => (folder === null ? null : readSettings(folder)),
    plan: (edits) => toPlan(files, parts, tensors, edits),
    close() {
      for (const { source } of files) source.close();
    },
  };
}

/** What lies beside the weights need not be there, nor be readable: nothing depends on it but the choice of channels. */
function readSettings(folder: SourceFolder): string | null {
  try {
    const source = folder.open(SETTINGS_NAME);
    try {
      if (source.size > FORMAT_LIMITS.settingsBytesMax) return null;
      const bytes = new Uint8Array(source.size);
      source.read(0, bytes);
      return new TextDecoder().decode(bytes);
    } finally {
      source.close();
    }
  } catch (error) {
    // A folder of `openModelPath` calls a missing file missing data.
    if (error instanceof SourceError || error instanceof FormatError) return null;
    throw error;
  }
}

function toPlan(
  files: readonly ModelFile[],
  parts: readonly Part[],
  tensors: readonly TensorRef[],
  edits: readonly ModelEdit[],
): RewritePlan {
  const sorted = sortEdits(tensors, edits);
  const replacements = files.map((): Replacement[] => []);
  for (const [tensor, apply] of sorted.tensors) {
    if (tensor.byteLength === 0) continue;
    replacements[tensor.fileIndex].push(toSpanReplacement(files[tensor.fileIndex].source, tensor, apply));
  }
  const first = parts.at(0);
  if (sorted.metadata.size > 0 && first === undefined) throw new FormatError('FORMAT_EDIT_UNSUPPORTED');
  if (sorted.metadata.size > 0 && first !== undefined) {
    replacements[first.fileIndex].push(...toMetadataReplacements(first.source, first.header, sorted.metadata));
  }
  return {
    files: files.map(({ name, source }, i): FileRewrite => ({ name, ops: toSpliceOps(source, replacements[i]) })),
  };
}
