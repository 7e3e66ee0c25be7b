/** Reads output marks from recorded outputs, lists those of a file, and takes them out. */
import { join } from 'node:path';
import { WatermarkError } from '../../core/errors.ts';
import { LIMITS } from '../../core/limits.ts';
import { WATERMARK_LIMITS } from '../../core/limits/watermark.ts';
import { readArrays } from '../../fidelity/index.ts';
import type { RuntimeTensor } from '../../model/runtime.ts';
import { openFileSource } from '../../source/index.ts';
import {
  editOutputMarkRemoval,
  listOutputMarks,
  type MarkId,
  type OutputMark,
  type OutputReading,
  parseOutputMark,
  readOutputMark,
  type Recording,
} from '../../watermark/index.ts';
import { openAnyModel, type OpenAnyOptions, openPlainModel } from '../open-model.ts';
import type { Services } from '../services.ts';
import type { Session } from '../session.ts';
import { writeCopy, type WrittenCopy } from '../write-copy.ts';

export interface ReadMarksOptions {
  /** Absolute paths of recordings: npz, npy, JSON, or a folder of npy files named as the outputs. */
  readonly recordings: readonly string[];
  /** Absolute paths of mark files. */
  readonly marks: readonly string[];
  /** Tries beside those of this call, made with other keys or recordings. */
  readonly furtherTrials: number;
}

export interface MarkReading {
  readonly recording: string;
  readonly mark: string;
  readonly id: string;
  readonly reading: OutputReading;
}

/**
 * Every mark in every recording; each pair is one trial.
 * @throws WatermarkError WATERMARK_MARK_FILE_MALFORMED | WATERMARK_RECORDING_MALFORMED; RuntimeError DATA_…; SourceError
 */
export function readMarks(services: Services, options: ReadMarksOptions): readonly MarkReading[] {
  const { storage } = services;
  const marks = options.marks.map((path): readonly [string, OutputMark] => [path, parseOutputMark(storage.read(path))]);
  const trials = marks.length * options.recordings.length + options.furtherTrials;
  return options.recordings.flatMap((path) => {
    const recording = readRecording(services, path);
    return marks.map(([markPath, mark]) => {
      return { recording: path, mark: markPath, id: mark.id, reading: readOutputMark(recording, mark, trials) };
    });
  });
}

/**
 * JSON is { "name": nested arrays of numbers }; npy and npz are told by their first bytes; a folder has one npy for each output,
 * as `modelward run` writes them.
 */
export function readRecording(services: Services, path: string): Recording {
  if (services.isFolder(path)) return readFolder(path, services.storage.list(path));
  const source = openFileSource(path);
  const first = new Uint8Array(Math.min(1, source.size));
  source.read(0, first);
  if (first[0] === 0x93 || first[0] === 0x50) return readArrays(source);
  try {
    if (source.size > LIMITS.jsonBytesMax) throw toMalformed('the JSON is too large');
    const bytes = new Uint8Array(source.size);
    source.read(0, bytes);
    return parseRecording(Buffer.from(bytes).toString('utf8'));
  } finally {
    source.close();
  }
}

function readFolder(path: string, entries: readonly string[]): Recording {
  const names = entries.filter((entry) => entry.endsWith('.npy')).map((entry) => entry.slice(0, -'.npy'.length));
  if (names.length === 0 || names.length > WATERMARK_LIMITS.recordingOutputsMax) {
    throw toMalformed(`a folder of answers has 1 to ${WATERMARK_LIMITS.recordingOutputsMax} npy files`);
  }
  return new Map(names.map((name) => [name, readArray(join(path, `${name}.npy`))]));
}

function readArray(path: string): RuntimeTensor {
  const array = readArrays(openFileSource(path)).get('');
  if (array === undefined) throw toMalformed('a file of a folder is no npy');
  return array;
}

function toMalformed(problem: string): WatermarkError {
  return new WatermarkError('WATERMARK_RECORDING_MALFORMED', { fields: { problem } });
}

function parseRecording(text: string): Recording {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw toMalformed('it is neither npy, npz nor JSON');
  }
  if (Array.isArray(json)) return new Map([['', toTensor(json)]]);
  if (typeof json !== 'object' || json === null) throw toMalformed('JSON of outputs is { "name": [numbers] }');
  return new Map(Object.entries(json).map(([name, value]) => [name, toTensor(value)]));
}

/** Nested arrays of equal lengths, as f64. */
function toTensor(value: unknown): RuntimeTensor {
  const shape: number[] = [];
  for (let at = value; Array.isArray(at); at = (at as unknown[])[0]) shape.push(at.length);
  const count = shape.reduce((product, length) => product * length, 1);
  if (shape.length > 32 || count > WATERMARK_LIMITS.recordingElementsMax) throw toMalformed('the array is too large');
  const values = new Float64Array(count);
  let filled = 0;
  const fill = (part: unknown, depth: number): void => {
    if (depth === shape.length) {
      if (typeof part !== 'number') throw toMalformed('an element is not a number');
      values[filled++] = part;
      return;
    }
    if (!Array.isArray(part) || part.length !== shape[depth]) throw toMalformed('rows have different lengths');
    for (const inner of part) fill(inner, depth + 1);
  };
  fill(value, 0);
  return { dtype: 'f64', shape, data: new Uint8Array(values.buffer) };
}

/** Marks in the outputs of a model, plain or sealed, by the names of their nodes. @throws WorkflowError ENVELOPE_NOT_FOUND; SealError; FormatError | SourceError */
export async function listMarks(
  services: Services,
  openSession: () => Session,
  options: OpenAnyOptions,
): Promise<readonly MarkId[]> {
  const { model } = await openAnyModel(services, () => openSession().recorder, options);
  try {
    return listOutputMarks(model);
  } finally {
    model.close();
  }
}

export interface RemoveMarkOptions {
  /** Absolute path of the model. */
  readonly path: string;
  readonly dataRoot?: string | undefined;
  readonly out: string;
  /** Absolute path of the mark file. */
  readonly markPath: string;
  readonly force: boolean;
}

/** @throws WorkflowError MODEL_SEALED; WatermarkError WATERMARK_OUTPUT_ABSENT | WATERMARK_LABEL_DAMAGED; FormatError | SourceError */
export function removeOutputMark(services: Services, options: RemoveMarkOptions): WrittenCopy {
  const mark = parseOutputMark(services.storage.read(options.markPath));
  const model = openPlainModel(options.path, options.dataRoot);
  try {
    return writeCopy(services, options, editOutputMarkRemoval(model, mark).toRewrite());
  } finally {
    model.close();
  }
}
