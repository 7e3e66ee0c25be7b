/** Inference requests of the Open Inference Protocol in JSON, values left where they are until they are asked for. */
import { GATEWAY_LIMITS } from '../../../core/limits/gateway.ts';
import type { JsonReader } from '../../json/reader.ts';
import type { ReadValues } from '../../tensors/elements.ts';
import { refuse } from '../../tensors/refuse.ts';
import type { WantedOutput } from '../ports.ts';

/** One input as it is read. */
export interface InputDraft {
  /** Its place, such as `inputs[0]`, for errors. */
  readonly at: string;
  name: string | null;
  datatype: string | null;
  shape: readonly number[] | null;
  /** Of the binary extension; -1 when the values stand in the JSON. */
  binaryBytes: number;
  /** Where `data` begins; -1 without. */
  dataAt: number;
  /** What `onData` made of it. */
  values: ReadValues | null;
}

export interface OipRequest {
  readonly id: string | null;
  readonly inputs: readonly InputDraft[];
  readonly outputs: readonly WantedOutput[] | null;
  readonly isBinary: boolean;
}

/** What reading depends on. */
export interface OipRules {
  /** Names of parameters that are taken beside those of the binary extension; all others could reach round the gateway. */
  readonly parameters: ReadonlySet<string>;
  /** Stands before `data` of an input whose head is known; reads it, or leaves it to be skipped. */
  readonly onData: ((draft: InputDraft, reader: JsonReader) => void) | null;
}

interface Parameters {
  binaryBytes: number;
  isBinary: boolean | null;
}

/** @throws GatewayError GATEWAY_INPUT_MALFORMED | GATEWAY_INPUT_NAME; what `onData` throws */
export function readOipRequest(reader: JsonReader, rules: OipRules): OipRequest {
  let id: string | null = null;
  let inputs: InputDraft[] | null = null;
  let outputs: { name: string; isBinary: boolean | null }[] | null = null;
  let parameters: Parameters | null = null;
  reader.enterObject();
  for (let key = reader.nextKey(); key !== null; key = reader.nextKey()) {
    if (key === 'inputs') {
      if (inputs !== null) twice(key);
      inputs = readInputs(reader, rules);
    } else if (key === 'outputs') {
      if (outputs !== null) twice(key);
      outputs = readOutputs(reader, rules);
    } else if (key === 'id') {
      if (id !== null) twice(key);
      id = readText(reader, key);
    } else if (key === 'parameters') {
      if (parameters !== null) twice(key);
      parameters = readParameters(reader, rules, 'parameters', 'binary_data_output');
    } else skipOther(reader, key, 'body');
  }
  reader.finish();
  if (inputs === null || inputs.length === 0) refuse('GATEWAY_INPUT_MALFORMED', 'inputs', { problem: 'missing' });
  const isBinary = parameters?.isBinary ?? false;
  const wanted = outputs?.map(({ name, isBinary: own }) => ({ name, isBinary: own ?? isBinary })) ?? null;
  return { id, inputs, outputs: wanted, isBinary };
}

function readInputs(reader: JsonReader, rules: OipRules): InputDraft[] {
  const drafts: InputDraft[] = [];
  if (reader.peek() !== 'array') refuse('GATEWAY_INPUT_MALFORMED', 'inputs', { problem: 'no array' });
  reader.enterArray();
  while (reader.nextElement()) {
    if (drafts.length === GATEWAY_LIMITS.tensorsMax) tooMany('inputs');
    drafts.push(readInput(reader, rules, `inputs[${drafts.length}]`));
  }
  return drafts;
}

function readInput(reader: JsonReader, rules: OipRules, at: string): InputDraft {
  const draft: InputDraft = { at, name: null, datatype: null, shape: null, binaryBytes: -1, dataAt: -1, values: null };
  let hasParameters = false;
  if (reader.peek() !== 'object') refuse('GATEWAY_INPUT_MALFORMED', at, { problem: 'no object' });
  reader.enterObject();
  for (let key = reader.nextKey(); key !== null; key = reader.nextKey()) {
    if (key === 'name') {
      if (draft.name !== null) twice(at);
      draft.name = readText(reader, at, true);
    } else if (key === 'shape') {
      if (draft.shape !== null) twice(at);
      draft.shape = readShape(reader, at);
    } else if (key === 'datatype') {
      if (draft.datatype !== null) twice(at);
      draft.datatype = readText(reader, at, true);
    } else if (key === 'parameters') {
      if (hasParameters) twice(at);
      hasParameters = true;
      draft.binaryBytes = readParameters(reader, rules, at, 'binary_data_size').binaryBytes;
    } else if (key === 'data') {
      if (draft.dataAt >= 0) twice(at);
      reader.peek();
      draft.dataAt = reader.at;
      if (rules.onData !== null && isHeadKnown(draft)) rules.onData(draft, reader);
      if (draft.values === null) reader.skip();
    } else skipOther(reader, key, at);
  }
  if (!isHeadKnown(draft)) refuse('GATEWAY_INPUT_MALFORMED', at, { problem: 'name, shape or datatype is missing' });
  if (draft.dataAt >= 0 === draft.binaryBytes >= 0) {
    refuse('GATEWAY_INPUT_MALFORMED', at, { problem: 'either data or binary_data_size' });
  }
  return draft;
}

function isHeadKnown(draft: InputDraft): boolean {
  return draft.name !== null && draft.datatype !== null && draft.shape !== null;
}

function readOutputs(reader: JsonReader, rules: OipRules): { name: string; isBinary: boolean | null }[] {
  const wanted: { name: string; isBinary: boolean | null }[] = [];
  if (reader.peek() !== 'array') refuse('GATEWAY_INPUT_MALFORMED', 'outputs', { problem: 'no array' });
  reader.enterArray();
  while (reader.nextElement()) {
    if (wanted.length === GATEWAY_LIMITS.tensorsMax) tooMany('outputs');
    const output = readOutput(reader, rules, `outputs[${wanted.length}]`);
    if (wanted.some(({ name }) => name === output.name)) twice('outputs');
    wanted.push(output);
  }
  return wanted;
}

function readOutput(reader: JsonReader, rules: OipRules, at: string): { name: string; isBinary: boolean | null } {
  let name: string | null = null;
  let parameters: Parameters | null = null;
  if (reader.peek() !== 'object') refuse('GATEWAY_INPUT_MALFORMED', at, { problem: 'no object' });
  reader.enterObject();
  for (let key = reader.nextKey(); key !== null; key = reader.nextKey()) {
    if (key === 'name') {
      if (name !== null) twice(at);
      name = readText(reader, at);
    } else if (key === 'parameters') {
      if (parameters !== null) twice(at);
      parameters = readParameters(reader, rules, at, 'binary_data');
    } else skipOther(reader, key, at);
  }
  if (name === null) refuse('GATEWAY_INPUT_MALFORMED', at, { problem: 'name is missing' });
  return { name, isBinary: parameters?.isBinary ?? null };
}

const MEMBERS: ReadonlySet<string> = new Set([
  'INPUTS',
  'OUTPUTS',
  'ID',
  'PARAMETERS',
  'NAME',
  'SHAPE',
  'DATATYPE',
  'DATA',
]);

/** Members that nobody knows may be there; of those in other letters some servers read `Inputs` as `inputs`. */
function skipOther(reader: JsonReader, key: string, at: string): void {
  // Upper case: the long s is one of "s", too.
  if (!/^[a-z]*$/.test(key) && MEMBERS.has(key.toUpperCase())) {
    refuse('GATEWAY_INPUT_MALFORMED', at, { problem: 'a member in other letters' });
  }
  reader.skip();
}

/** @param own the parameter of the binary extension that belongs here */
function readParameters(
  reader: JsonReader,
  rules: OipRules,
  at: string,
  own: 'binary_data_output' | 'binary_data' | 'binary_data_size',
): Parameters {
  const found: Parameters = { binaryBytes: -1, isBinary: null };
  let members = 0;
  if (reader.peek() !== 'object') refuse('GATEWAY_INPUT_MALFORMED', at, { problem: 'parameters are no object' });
  reader.enterObject();
  for (let key = reader.nextKey(); key !== null; key = reader.nextKey()) {
    if (++members > GATEWAY_LIMITS.membersMax) tooMany(at);
    if (key !== own) {
      if (!rules.parameters.has(key))
        refuse('GATEWAY_INPUT_MALFORMED', at, { problem: 'a parameter that is not taken' });
      reader.skip();
    } else if (own === 'binary_data_size') {
      if (found.binaryBytes >= 0) twice(at);
      found.binaryBytes = readCount(reader, at);
    } else {
      const kind = reader.peek();
      if (found.isBinary !== null) twice(at);
      if (kind !== 'true' && kind !== 'false') refuse('GATEWAY_INPUT_MALFORMED', at, { problem: 'no truth value' });
      found.isBinary = reader.readBoolean();
    }
  }
  return found;
}

/** A whole number of 0 or more. */
function readCount(reader: JsonReader, at: string): number {
  if (reader.peek() !== 'number') refuse('GATEWAY_INPUT_MALFORMED', at, { problem: 'no number' });
  const value = reader.readNumber();
  if (!reader.isInteger || !Number.isSafeInteger(value) || value < 0) {
    refuse('GATEWAY_INPUT_MALFORMED', at, { problem: 'no whole number' });
  }
  return value;
}

/** Axes of a tensor. @throws GatewayError GATEWAY_INPUT_MALFORMED | GATEWAY_INPUT_SHAPE for too many */
export function readShape(reader: JsonReader, at: string): readonly number[] {
  const shape: number[] = [];
  if (reader.peek() !== 'array') refuse('GATEWAY_INPUT_MALFORMED', at, { problem: 'shape is no array' });
  reader.enterArray();
  while (reader.nextElement()) {
    if (shape.length === GATEWAY_LIMITS.rankMax) refuse('GATEWAY_INPUT_SHAPE', at, { max: GATEWAY_LIMITS.rankMax });
    shape.push(readCount(reader, at));
  }
  return shape;
}

/** @param isName one of few, such as the names of tensors */
export function readText(reader: JsonReader, at: string, isName = false): string {
  if (reader.peek() !== 'string') refuse('GATEWAY_INPUT_MALFORMED', at, { problem: 'no text' });
  const text = isName ? reader.readName() : reader.readString();
  if (text.length > GATEWAY_LIMITS.nameCharsMax) {
    refuse('GATEWAY_INPUT_MALFORMED', at, { problem: 'too long', max: GATEWAY_LIMITS.nameCharsMax });
  }
  return text;
}

function twice(at: string): never {
  refuse('GATEWAY_INPUT_MALFORMED', at, { problem: 'given twice' });
}

function tooMany(at: string): never {
  refuse('GATEWAY_INPUT_MALFORMED', at, { problem: 'too many', max: GATEWAY_LIMITS.tensorsMax });
}
