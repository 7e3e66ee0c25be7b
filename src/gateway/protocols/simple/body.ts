/** Bodies of the simple protocols: JSON, rows of text, or the bytes of the only tensor. */
import { GatewayError } from '../../../core/errors.ts';
import { GATEWAY_LIMITS } from '../../../core/limits/gateway.ts';
import { JsonReader } from '../../json/reader.ts';
import type { ModelSignature, TensorSignature } from '../../ports.ts';
import { toDatatype } from '../../tensors/datatypes.ts';
import { readNestedElements, type ReadValues } from '../../tensors/elements.ts';
import { refuse } from '../../tensors/refuse.ts';
import { checkBytes, checkShape, completeInputs, toInputDType, toText } from '../../tensors/signature.ts';
import { checkContent } from '../headers.ts';
import type { AnswerForm, Caps, DecodedRequest, RequestBytes } from '../ports.ts';
import { type JsonRoot, type JsonTensors, readJsonTensors } from './json.ts';

type Layout = AnswerForm['layout'];

/** What a protocol takes. */
export interface SimpleRules {
  readonly roots: readonly JsonRoot[];
  /** Rows of text and bare bytes, too. */
  readonly hasText: boolean;
}

const TEXT_TYPES = ['text/csv', 'application/octet-stream'];
const JSON_TYPES = ['application/json', ''];

const LAYOUTS: Readonly<Record<JsonRoot, Layout>> = {
  inputs: 'outputs',
  outputs: 'outputs',
  instances: 'predictions',
  predictions: 'predictions',
  bare: 'bare',
};

/** @throws GatewayError as EmbeddedCodec.decode does */
export function decodeSimple(
  request: RequestBytes,
  signature: ModelSignature,
  caps: Pick<Caps, 'batchMax'>,
  rules: SimpleRules,
): DecodedRequest {
  const type = checkContent(request.headers, rules.hasText ? [...JSON_TYPES, ...TEXT_TYPES] : JSON_TYPES);
  const read = readSimple(type, request.body, signature.inputs, caps.batchMax, rules.roots);
  const { inputs, items } = completeInputs(signature, read.tensors);
  const layout = rules.hasText ? toAccepted(request.headers.accept, read.layout) : read.layout;
  return {
    inputs,
    items,
    hasNegativeZero: read.hasNegativeZero,
    form: { layout, id: null, outputs: null, isBinary: false },
  };
}

/** @param declared what stands in the body: inputs of a request, or outputs of an answer */
export function readSimple(
  type: string,
  body: Uint8Array,
  declared: readonly TensorSignature[],
  batchMax: number,
  roots: readonly JsonRoot[],
): Omit<JsonTensors, 'root'> & { readonly layout: Layout } {
  if (type === 'text/csv') return { ...readCsv(body, declared, batchMax), layout: 'csv' };
  if (type === 'application/octet-stream') return { ...readBytes(body, declared, batchMax), layout: 'bytes' };
  const { root, ...read } = readJsonTensors(toReader(body), declared, roots, batchMax);
  return { ...read, layout: LAYOUTS[root] };
}

function toReader(json: Uint8Array): JsonReader {
  return new JsonReader(json, { depthMax: GATEWAY_LIMITS.jsonDepthMax, code: 'GATEWAY_INPUT_MALFORMED' });
}

/** Numbers, what stands between them, and nothing that has a meaning in JSON. */
const CSV = /^[-+0-9.eE, \t\r\n]*$/;

/** Rows of numbers as JSON spells them, without a head: one line for each row of the only tensor, its other axes flat. */
function readCsv(body: Uint8Array, declared: readonly TensorSignature[], batchMax: number): Omit<JsonTensors, 'root'> {
  const only = toOnly(declared);
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1').trim();
  if (text === '' || !CSV.test(text)) refuse('GATEWAY_INPUT_MALFORMED', 'body', { problem: 'no rows of numbers' });
  const rows = text.split(/\r?\n/);
  const shape = toRows(only, rows.length, batchMax);
  const width = shape.slice(1).reduce((product, dim) => product * dim, 1);
  const reader = toReader(Buffer.from(`[[${rows.join('],[')}]]`, 'latin1'));
  const values = readNestedElements(reader, toInputDType(only, 'body'), [rows.length, width], 'body');
  reader.finish();
  return toTensors(only, shape, values);
}

function readBytes(
  body: Uint8Array,
  declared: readonly TensorSignature[],
  batchMax: number,
): Omit<JsonTensors, 'root'> {
  const only = toOnly(declared);
  const dtype = toInputDType(only, 'body');
  const rowBytes = only.shape.slice(1).reduce<number>((product, dim) => product * (dim ?? 1), toDatatype(dtype).bytes);
  const shape = only.shape[0] === null ? toRows(only, body.length / rowBytes, batchMax) : toFixed(only);
  return toTensors(only, shape, { data: body, hasNegativeZero: checkBytes(dtype, shape, body, 'body') });
}

function toOnly(declared: readonly TensorSignature[]): TensorSignature {
  if (declared.length !== 1) refuse('GATEWAY_INPUT_NAME', 'body', { problem: 'there are several: send them as JSON' });
  return declared[0];
}

/** The shape of so many rows; axes of free length beside the first cannot be told from bytes or lines. */
function toRows(only: TensorSignature, rows: number, batchMax: number): readonly number[] {
  const shape = [rows, ...toFixed({ ...only, shape: only.shape.slice(1) })];
  if (only.shape.length === 0 || !Number.isInteger(rows)) {
    refuse('GATEWAY_INPUT_SHAPE', 'body', { expected: toText(only.shape) });
  }
  checkShape(only, shape, batchMax, 'body');
  return shape;
}

function toFixed({ shape }: TensorSignature): readonly number[] {
  return shape.map((dim) => dim ?? refuse('GATEWAY_INPUT_SHAPE', 'body', { problem: 'send it as JSON' }));
}

function toTensors(only: TensorSignature, shape: readonly number[], read: ReadValues): Omit<JsonTensors, 'root'> {
  const { name, dtype } = only;
  return { tensors: [{ name, dtype, shape, data: read.data }], hasNegativeZero: read.hasNegativeZero };
}

/** The form that `accept` asks for; that of the request when it says nothing. @throws GatewayError GATEWAY_CONTENT_TYPE */
function toAccepted(accept: string | undefined, own: Layout): Layout {
  if (accept === undefined || accept === '') return own;
  const isJson = own !== 'csv' && own !== 'bytes';
  for (const part of accept.split(',', 16)) {
    const type = part.split(';', 1)[0].trim().toLowerCase();
    if (type === '*/*') return own;
    if (type === 'application/json') return isJson ? own : 'bare';
    if (type === 'text/csv') return 'csv';
    if (type === 'application/octet-stream') return 'bytes';
  }
  throw new GatewayError('GATEWAY_CONTENT_TYPE', { fields: { at: 'accept' } });
}
