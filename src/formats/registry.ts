/** The formats, and opening a model without knowing its format. */
import { basename, dirname } from 'node:path';
import { FormatError, SourceError } from '../core/errors.ts';
import type { Model } from '../model/types.ts';
import { openFolder } from '../source/folder.ts';
import type { SourceFolder } from '../source/ports.ts';
import type { ModelFormat, OpenModelOptions } from './ports.ts';
import { ggufFormat } from './gguf/open.ts';
import { onnxFormat } from './onnx/open.ts';
import { pytorchFormat } from './pytorch/open.ts';
import { safetensorsFormat } from './safetensors/open.ts';
import { tfliteFormat } from './tflite/open.ts';

const FORMATS: readonly ModelFormat[] = [onnxFormat, safetensorsFormat, ggufFormat, tfliteFormat, pytorchFormat];

/**
 * Opens a model: reads its index, never its weights.
 *
 * Closing the model closes `source` and what was opened beside it; when this throws, `source` stays the caller's.
 * @throws FormatError FORMAT_UNKNOWN | FORMAT_FOLDER_MISSING | FORMAT_DATA_MISSING | SAFETENSORS_… | GGUF_… | ONNX_… | TFLITE_…
 * @throws SourceError when a part cannot be opened or lies outside the folder
 */
export function openModel(options: OpenModelOptions): Model {
  const head = new Uint8Array(Math.min(16, options.source.size));
  options.source.read(0, head);
  const format = FORMATS.find((candidate) => candidate.isFormat(options.name, head, options.source.size));
  if (format === undefined) throw new FormatError('FORMAT_UNKNOWN', { fields: { file: options.name } });
  return format.open({ ...options, folder: options.folder === null ? null : toDataFolder(options.folder) });
}

/** A file that the model names and the folder lacks: the path that the caller gave is right, the model is not whole. */
function toDataFolder(folder: SourceFolder): SourceFolder {
  return {
    label: folder.label,
    open(name) {
      try {
        return folder.open(name);
      } catch (cause) {
        const isMissing = cause instanceof SourceError && cause.code === 'SOURCE_NOT_FOUND';
        throw isMissing ? new FormatError('FORMAT_DATA_MISSING', { fields: { data: name }, cause }) : cause;
      }
    },
  };
}

/**
 * Opens the model at `path`, with its shards and external data from the same folder.
 *
 * The main file obeys the rule of its parts: a link is refused unless `dataRoot` is given and holds what it leads to.
 * @throws FormatError | SourceError as {@link openModel}
 */
export function openModelPath(path: string, options: { readonly dataRoot?: string | undefined } = {}): Model {
  const folder = openFolder(dirname(path), options);
  const name = basename(path);
  const source = folder.open(name);
  try {
    return openModel({ source, name, folder });
  } catch (error) {
    source.close();
    throw error;
  }
}
