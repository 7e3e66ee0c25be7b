/** The formats, and opening a model without knowing its format. */
import { basename, dirname } from 'node:path';
import { FormatError } from '../core/errors.ts';
import type { Model } from '../model/types.ts';
import { openFolder } from '../source/folder.ts';
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
 * @throws FormatError FORMAT_UNKNOWN | FORMAT_FOLDER_MISSING | SAFETENSORS_… | GGUF_… | ONNX_… | TFLITE_… |
 *   PYTORCH_…
 * @throws SourceError when a part cannot be opened or lies outside the folder
 */
export function openModel(options: OpenModelOptions): Model {
  const head = new Uint8Array(Math.min(16, options.source.size));
  options.source.read(0, head);
  const format = FORMATS.find((candidate) => candidate.isFormat(options.name, head, options.source.size));
  if (format === undefined) throw new FormatError('FORMAT_UNKNOWN', { fields: { file: options.name } });
  return format.open(options);
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
