/** ModelInferRequest and ModelInferResponse as far as they are read: heads of tensors, and where their values lie. */
import type { ErrorCode } from '../../../core/errors.ts';
import { GATEWAY_LIMITS } from '../../../core/limits/gateway.ts';
import { refuse } from '../../tensors/refuse.ts';
import { WireCursor } from './wire.ts';

/** UTF-8 bytes of a name. */
const NAME_BYTES_MAX = 4 * GATEWAY_LIMITS.nameCharsMax;

export interface GrpcTensor {
  /** Its place, such as `inputs[0]`. */
  readonly at: string;
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  /** The InferTensorContents message; null when the values are raw. */
  readonly contents: Uint8Array | null;
}

export interface GrpcInfer {
  readonly name: string;
  readonly version: string;
  readonly id: string;
  readonly tensors: readonly GrpcTensor[];
  /** Names in `outputs` of a request. */
  readonly wanted: readonly string[];
  /** Of each tensor, when there are any. */
  readonly raw: readonly Uint8Array[];
  /** The message without name, version and, of answers, parameters: fields that go on as they are. */
  readonly rest: readonly Uint8Array[];
  readonly hasParameters: boolean;
}

/** Numbers of fields: of requests and answers they differ. */
interface FieldNumbers {
  readonly at: 'inputs' | 'outputs';
  readonly wanted: number;
  readonly raw: number;
  readonly code: ErrorCode;
}

const REQUEST: FieldNumbers = { at: 'inputs', wanted: 6, raw: 7, code: 'GATEWAY_INPUT_MALFORMED' };
const ANSWER: FieldNumbers = { at: 'outputs', wanted: -1, raw: 6, code: 'GATEWAY_UPSTREAM_MALFORMED' };

const NAME = 1;
const VERSION = 2;
const ID = 3;
const PARAMETERS = 4;
const TENSOR = 5;

/**
 * @param parameters names that are taken; null takes them all (answers)
 * @throws GatewayError GATEWAY_INPUT_MALFORMED | GATEWAY_INPUT_SHAPE
 */
export function readInferRequest(message: Uint8Array, parameters: ReadonlySet<string> | null): GrpcInfer {
  return readInfer(message, REQUEST, parameters);
}

/** @throws GatewayError GATEWAY_UPSTREAM_MALFORMED | GATEWAY_INPUT_SHAPE */
export function readInferAnswer(message: Uint8Array): GrpcInfer {
  return readInfer(message, ANSWER, null);
}

function readInfer(message: Uint8Array, numbers: FieldNumbers, parameters: ReadonlySet<string> | null): GrpcInfer {
  const cursor = new WireCursor(message, 0, message.length, numbers.code);
  const texts: (string | null)[] = [null, null, null, null];
  const tensors: GrpcTensor[] = [];
  const wanted: string[] = [];
  const raw: Uint8Array[] = [];
  const rest: Uint8Array[] = [];
  let hasParameters = false;
  while (cursor.next()) {
    const { number } = cursor;
    if (number === NAME || number === VERSION || number === ID) {
      // Of a field that comes twice some readers take the first, others the last.
      if (texts[number] !== null) cursor.fail('given twice');
      texts[number] = cursor.text(NAME_BYTES_MAX);
    } else if (number === PARAMETERS) {
      hasParameters = true;
      checkParameter(cursor, parameters, 'parameters');
    } else if (number === TENSOR) {
      if (tensors.length === GATEWAY_LIMITS.tensorsMax) cursor.fail('too many tensors');
      tensors.push(readTensor(cursor.enter(), parameters, `${numbers.at}[${tensors.length}]`));
    } else if (number === numbers.wanted) {
      if (wanted.length === GATEWAY_LIMITS.tensorsMax) cursor.fail('too many outputs');
      wanted.push(readWanted(cursor.enter(), parameters, `outputs[${wanted.length}]`));
    } else if (number === numbers.raw) {
      if (raw.length === GATEWAY_LIMITS.tensorsMax) cursor.fail('too many values');
      raw.push(cursor.view());
    } else cursor.fail('an unknown field');
    if (number > VERSION && !(number === PARAMETERS && numbers === ANSWER)) {
      rest.push(message.subarray(cursor.fieldStart, cursor.end));
    }
  }
  if (raw.length > 0 && (raw.length !== tensors.length || tensors.some(({ contents }) => contents !== null))) {
    cursor.fail('values either raw, one for each tensor, or typed');
  }
  const [, name, version, id] = texts;
  return { name: name ?? '', version: version ?? '', id: id ?? '', tensors, wanted, raw, rest, hasParameters };
}

function readTensor(cursor: WireCursor, parameters: ReadonlySet<string> | null, at: string): GrpcTensor {
  let name: string | null = null;
  let datatype: string | null = null;
  let contents: Uint8Array | null = null;
  const shape: number[] = [];
  while (cursor.next()) {
    if (cursor.number === 1) {
      if (name !== null) cursor.fail('given twice');
      name = cursor.text(NAME_BYTES_MAX);
    } else if (cursor.number === 2) {
      if (datatype !== null) cursor.fail('given twice');
      datatype = cursor.text(NAME_BYTES_MAX);
    } else if (cursor.number === 3) readAxes(cursor, shape, at);
    else if (cursor.number === 4) checkParameter(cursor, parameters, at);
    else if (cursor.number === 5) {
      if (contents !== null) cursor.fail('given twice');
      contents = cursor.view();
    } else cursor.fail('an unknown field');
  }
  return { at, name: name ?? '', datatype: datatype ?? '', shape, contents };
}

function readAxes(cursor: WireCursor, shape: number[], at: string): void {
  cursor.scalars('varint', () => {
    if (shape.length === GATEWAY_LIMITS.rankMax) refuse('GATEWAY_INPUT_SHAPE', at, { max: GATEWAY_LIMITS.rankMax });
    // At 2^31 and above, and below 0, no axis of a tensor is.
    if (cursor.high !== 0) refuse('GATEWAY_INPUT_SHAPE', at, { problem: 'an axis that is too long' });
    shape.push(cursor.low);
  });
}

function readWanted(cursor: WireCursor, parameters: ReadonlySet<string> | null, at: string): string {
  let name = '';
  while (cursor.next()) {
    if (cursor.number === 1) name = cursor.text(NAME_BYTES_MAX);
    else if (cursor.number === 2) checkParameter(cursor, parameters, at);
    else cursor.fail('an unknown field');
  }
  return name;
}

/** One entry of a map: its key is what counts, since parameters can name shared memory and other forms of outputs. */
function checkParameter(cursor: WireCursor, parameters: ReadonlySet<string> | null, at: string): void {
  const entry = cursor.enter();
  let key = '';
  while (entry.next()) if (entry.number === 1) key = entry.text(NAME_BYTES_MAX);
  if (parameters?.has(key) === false) {
    refuse('GATEWAY_INPUT_MALFORMED', at, { problem: 'a parameter that is not taken' });
  }
}
