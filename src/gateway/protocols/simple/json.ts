/** Tensors as nested arrays of JSON: by name (`inputs`, `outputs`), row by row (`instances`, `predictions`), or bare. */
import { GATEWAY_LIMITS } from '../../../core/limits/gateway.ts';
import type { JsonReader, Mark } from '../../json/reader.ts';
import type { NamedTensor, TensorSignature } from '../../ports.ts';
import { countWithin, type ReadValues, readInto, readNestedElements, Sink } from '../../tensors/elements.ts';
import { refuse } from '../../tensors/refuse.ts';
import { checkShape, toInputDType } from '../../tensors/signature.ts';

export type JsonRoot = 'inputs' | 'outputs' | 'instances' | 'predictions' | 'bare';

export interface JsonTensors {
  readonly root: JsonRoot;
  /** By index of what was declared; undefined for those that are missing. */
  readonly tensors: readonly (NamedTensor | undefined)[];
  readonly hasNegativeZero: boolean;
}

interface Draft {
  readonly declared: readonly TensorSignature[];
  readonly batchMax: number;
  readonly tensors: (NamedTensor | undefined)[];
  hasNegativeZero: boolean;
}

/**
 * Reads the whole text.
 * @param roots forms that are taken here
 * @throws GatewayError GATEWAY_INPUT_MALFORMED | GATEWAY_INPUT_NAME | GATEWAY_INPUT_DTYPE | GATEWAY_INPUT_SHAPE |
 *   GATEWAY_INPUT_VALUE | GATEWAY_BATCH_TOO_LARGE
 */
export function readJsonTensors(
  reader: JsonReader,
  declared: readonly TensorSignature[],
  roots: readonly JsonRoot[],
  batchMax: number,
): JsonTensors {
  const draft: Draft = { declared, batchMax, tensors: declared.map(() => undefined), hasNegativeZero: false };
  const root = reader.peek() === 'object' ? readMembers(reader, draft, roots) : readBare(reader, draft, roots);
  reader.finish();
  return { root, tensors: draft.tensors, hasNegativeZero: draft.hasNegativeZero };
}

function readBare(reader: JsonReader, draft: Draft, roots: readonly JsonRoot[]): JsonRoot {
  if (!roots.includes('bare')) refuse('GATEWAY_INPUT_MALFORMED', 'body', { problem: 'no object' });
  readOnly(reader, draft, 'body');
  return 'bare';
}

function readMembers(reader: JsonReader, draft: Draft, roots: readonly JsonRoot[]): JsonRoot {
  let root: JsonRoot | null = null;
  let hasParameters = false;
  reader.enterObject();
  for (let key = reader.nextKey(); key !== null; key = reader.nextKey()) {
    if (key === 'parameters' && !hasParameters) {
      hasParameters = true;
      readNoParameters(reader);
      continue;
    }
    if (key === 'bare' || !roots.includes(key as JsonRoot) || root !== null) {
      refuse('GATEWAY_INPUT_MALFORMED', 'body', { problem: 'a member that is not taken' });
    }
    root = key as JsonRoot;
    if (root === 'inputs' || root === 'outputs') readColumns(reader, draft, root);
    else readRows(reader, draft, root);
  }
  if (root === null) refuse('GATEWAY_INPUT_MALFORMED', 'body', { problem: 'no tensors in it' });
  return root;
}

/** Models held here have no parameters; that one was not looked at must not go unnoticed. */
function readNoParameters(reader: JsonReader): void {
  if (reader.peek() === 'null') {
    reader.skip();
    return;
  }
  reader.enterObject();
  if (reader.nextKey() !== null) refuse('GATEWAY_INPUT_MALFORMED', 'parameters', { problem: 'not taken' });
}

function readColumns(reader: JsonReader, draft: Draft, at: string): void {
  if (reader.peek() !== 'object') {
    readOnly(reader, draft, at);
    return;
  }
  reader.enterObject();
  for (let name = reader.nextKey(); name !== null; name = reader.nextKey()) {
    readTensor(reader, draft, findIndex(draft, name, at), at);
  }
}

/** A tensor without a name: there is one alone. */
function readOnly(reader: JsonReader, draft: Draft, at: string): void {
  if (draft.declared.length !== 1) refuse('GATEWAY_INPUT_NAME', at, { problem: 'there are several: each by its name' });
  readTensor(reader, draft, 0, at);
}

function findIndex({ declared, tensors }: Draft, name: string, at: string): number {
  const index = declared.findIndex((tensor) => tensor.name === name);
  if (index < 0) refuse('GATEWAY_INPUT_NAME', at, { problem: 'none of the model' });
  if (tensors[index] !== undefined) refuse('GATEWAY_INPUT_NAME', at, { problem: 'given twice' });
  return index;
}

function readTensor(reader: JsonReader, draft: Draft, index: number, at: string): void {
  const declared = draft.declared[index];
  const dtype = toInputDType(declared, at);
  const shape = measure(reader, declared.shape.length, at);
  checkShape(declared, shape, draft.batchMax, at);
  keep(draft, index, shape, readNestedElements(reader, dtype, shape, at));
}

function keep(draft: Draft, index: number, shape: readonly number[], { data, hasNegativeZero }: ReadValues): void {
  const { name, dtype } = draft.declared[index];
  draft.tensors[index] = { name, dtype, shape, data };
  draft.hasNegativeZero ||= hasNegativeZero;
}

/** Lengths of the axes along the first elements; the reader then stands where it stood. */
function measure(reader: JsonReader, rank: number, at: string): number[] {
  reader.peek();
  const start = reader.at;
  const shape = new Array<number>(rank).fill(0);
  measureAxis(reader, shape, 0, at);
  reader.at = start;
  return shape;
}

function measureAxis(reader: JsonReader, shape: number[], axis: number, at: string): void {
  if (axis === shape.length) {
    reader.skip();
    return;
  }
  if (reader.peek() !== 'array') refuse('GATEWAY_INPUT_SHAPE', at, { problem: 'fewer axes than the model has' });
  reader.enterArray();
  for (; reader.nextElement(); shape[axis]++) {
    if (shape[axis] === 0) measureAxis(reader, shape, axis + 1, at);
    else reader.skip();
  }
}

/** Rows one after the other: of the only tensor, or objects with a row of each. */
function readRows(reader: JsonReader, draft: Draft, at: string): void {
  if (reader.peek() !== 'array') refuse('GATEWAY_INPUT_MALFORMED', at, { problem: 'no array' });
  const start = reader.mark();
  reader.enterArray();
  const isNamed = reader.nextElement() && reader.peek() === 'object';
  if (!isNamed) {
    reader.rewind(start);
    readOnly(reader, draft, at);
    return;
  }
  const first = reader.at;
  const sinks = openSinks(reader, draft, start, first, at);
  reader.rewind(start);
  reader.enterArray();
  for (let row = 0; reader.nextElement(); row++) readNamedRow(reader, draft, sinks, `${at}[${row}]`);
  sinks.forEach(({ shape, sink }, index) => {
    keep(draft, index, shape, sink.finish());
  });
}

interface RowSink {
  readonly shape: readonly number[];
  readonly sink: Sink;
}

/** One for each tensor, of the shape that the first row has. */
function openSinks(reader: JsonReader, draft: Draft, start: Mark, first: number, at: string): readonly RowSink[] {
  reader.rewind(start);
  const rows = measure(reader, 1, at)[0];
  reader.at = first;
  const shapes = new Map<number, readonly number[]>();
  reader.enterObject();
  for (let name = reader.nextKey(); name !== null; name = reader.nextKey()) {
    const index = findIndex(draft, name, at);
    const { shape } = draft.declared[index];
    if (shape.length === 0 || shape[0] !== null)
      refuse('GATEWAY_INPUT_SHAPE', at, { problem: 'the model has no rows' });
    if (shapes.has(index)) refuse('GATEWAY_INPUT_NAME', at, { problem: 'given twice' });
    shapes.set(index, [rows, ...measure(reader, shape.length - 1, at)]);
    reader.skip();
  }
  return draft.declared.map((declared, index) => {
    const shape = shapes.get(index);
    if (shape === undefined) refuse('GATEWAY_INPUT_NAME', at, { problem: 'missing', name: declared.name });
    checkShape(declared, shape, draft.batchMax, at);
    reader.rewind(start);
    return { shape, sink: new Sink(toInputDType(declared, at), countWithin(reader, shape, at), at) };
  });
}

function readNamedRow(reader: JsonReader, draft: Draft, sinks: readonly RowSink[], at: string): void {
  if (reader.peek() !== 'object') refuse('GATEWAY_INPUT_MALFORMED', at, { problem: 'no object' });
  const seen = new Set<number>();
  reader.enterObject();
  for (let name = reader.nextKey(); name !== null; name = reader.nextKey()) {
    const index = findIndex(draft, name, at);
    if (seen.has(index) || seen.size === GATEWAY_LIMITS.tensorsMax) {
      refuse('GATEWAY_INPUT_NAME', at, { problem: 'given twice' });
    }
    seen.add(index);
    const { shape, sink } = sinks[index];
    readInto(reader, shape.slice(1), sink, at);
  }
  if (seen.size !== sinks.length) refuse('GATEWAY_INPUT_NAME', at, { problem: 'missing' });
}
