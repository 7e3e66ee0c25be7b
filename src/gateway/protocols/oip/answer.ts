/** Answers of servers that speak the Open Inference Protocol: read as far as needed, and written anew where that is. */
import { GatewayError } from '../../../core/errors.ts';
import { GATEWAY_LIMITS } from '../../../core/limits/gateway.ts';
import { JsonReader } from '../../json/reader.ts';
import { checkOutputHeads, checkOutputs, type OutputHead } from '../../output/caps.ts';
import { applyPolicy, isRestricting } from '../../output/policy.ts';
import type { GatewayAnswer, NamedTensor } from '../../ports.ts';
import { findTensorDType, type TensorDType, toDatatype } from '../../tensors/datatypes.ts';
import { readElements } from '../../tensors/elements.ts';
import { hashTensors } from '../../tensors/hash.ts';
import type { AnswerExtras, AnsweringModel, AnswerRules } from '../ports.ts';
import { LENGTH_HEADER, type OipBody } from './body.ts';
import { encodeOip, toHeadText } from './encode.ts';
import { readShape, readText } from './request.ts';

interface Span {
  readonly start: number;
  readonly end: number;
}

interface OutputDraft extends OutputHead {
  /** Of its values in the JSON; -1 when they are binary. */
  readonly dataAt: number;
  readonly binaryBytes: number;
}

interface OipAnswer {
  readonly name: string | null;
  readonly version: string | null;
  readonly id: Span | null;
  readonly outputs: Span;
  readonly drafts: readonly OutputDraft[];
  /** It has members beside those four. */
  readonly hasMore: boolean;
}

/** @throws GatewayError as ProxyCodec.toAnswer does */
export function toOipAnswer(body: OipBody, rules: AnswerRules): GatewayAnswer {
  const reader = new JsonReader(body.json, {
    depthMax: GATEWAY_LIMITS.jsonDepthMax,
    code: 'GATEWAY_UPSTREAM_MALFORMED',
  });
  const answer = readAnswer(reader);
  checkOutputHeads(answer.drafts, rules.signature, rules.items);
  checkBinary(answer.drafts, body);
  if (isRestricting(rules.policy)) return toRestricted(answer, reader, body, rules);
  const model = toAnswering(answer, rules);
  const parameters = toParameters(answer, reader, body, rules);
  const isSame = answer.name === model.name && (answer.version ?? '') === model.version;
  const json =
    isSame && !answer.hasMore && parameters === undefined ? body.json : rename(answer, body, { model, parameters });
  return toAnswer(json, body.binary);
}

/** What stands within the answer: nothing where outputs are texts, or so much JSON that reading it would hold others up. */
function toParameters(
  answer: OipAnswer,
  reader: JsonReader,
  body: OipBody,
  { inBand }: AnswerRules,
): AnswerExtras['parameters'] {
  if (inBand === undefined || body.json.length > GATEWAY_LIMITS.loopJsonBytesMax) return undefined;
  if (answer.drafts.some(({ dtype }) => dtype === 'string')) return undefined;
  return inBand(hashTensors(toTensors(answer, reader, body)));
}

/** Under the caller's name; the version is the server's own when none was asked for. */
function toAnswering({ version }: OipAnswer, { model }: AnswerRules): AnsweringModel {
  return model.version === '' ? { name: model.name, version: version ?? '' } : model;
}

/** Tensors of the answer as the policy leaves them. */
function toRestricted(answer: OipAnswer, reader: JsonReader, body: OipBody, rules: AnswerRules): GatewayAnswer {
  const outputs = toTensors(answer, reader, body);
  checkOutputs(outputs, rules.signature, rules.items, rules.answerBytesMax);
  const visible = applyPolicy(outputs, rules.policy, rules.signature);
  const wanted = answer.drafts.map(({ name, dataAt }) => ({ name, isBinary: dataAt < 0 }));
  const id = answer.id === null ? null : readAt(reader, answer.id.start, () => reader.readString());
  const form = { layout: 'oip', id, outputs: wanted, isBinary: false } as const;
  const parameters = rules.inBand?.(hashTensors(visible));
  return encodeOip(form, toAnswering(answer, rules), visible, { parameters, decimals: rules.policy.decimals });
}

function toTensors(answer: OipAnswer, reader: JsonReader, body: OipBody): NamedTensor[] {
  let at = 0;
  return answer.drafts.map(({ name, dtype, shape, dataAt, binaryBytes }) => {
    if (dtype === 'string') throw new GatewayError('GATEWAY_ANSWER_SHAPE', { fields: { at: name } });
    if (dataAt >= 0) {
      const values = readAt(reader, dataAt, () => readElements(reader, dtype as TensorDType, shape, name));
      return { name, dtype, shape, data: values.data };
    }
    const data = body.binary!.subarray(at, at + binaryBytes);
    at += binaryBytes;
    return { name, dtype, shape, data };
  });
}

function readAt<T>(reader: JsonReader, at: number, read: () => T): T {
  reader.at = at;
  return read();
}

/** The answer with our model's name, and of its other members those that callers know. */
function rename(
  answer: OipAnswer,
  body: OipBody,
  { model, parameters }: { readonly model: AnsweringModel; readonly parameters: AnswerExtras['parameters'] },
): Uint8Array {
  const head = toHeadText(model, parameters);
  const parts: Uint8Array[] = [Buffer.from(`{${head}`)];
  if (answer.id !== null) parts.push(Buffer.from(',"id":'), cut(body.json, answer.id));
  parts.push(Buffer.from(',"outputs":'), cut(body.json, answer.outputs), Buffer.from('}'));
  return Buffer.concat(parts);
}

const cut = (json: Uint8Array, { start, end }: Span): Uint8Array => json.subarray(start, end);

function toAnswer(json: Uint8Array, binary: Uint8Array | null): GatewayAnswer {
  if (binary === null || binary.length === 0) {
    return { status: 200, headers: [['content-type', 'application/json']], body: json };
  }
  // Mostly the two lie side by side in the answer as it came.
  const isWhole = json.buffer === binary.buffer && json.byteOffset + json.length === binary.byteOffset;
  return {
    status: 200,
    headers: [
      ['content-type', 'application/octet-stream'],
      [LENGTH_HEADER, String(json.length)],
    ],
    body: isWhole
      ? new Uint8Array(json.buffer, json.byteOffset, json.length + binary.length)
      : Buffer.concat([json, binary]),
  };
}

const ANSWER_MEMBERS = ['model_name', 'model_version', 'id', 'outputs'];
const OUTPUT_MEMBERS = ['name', 'datatype', 'shape', 'parameters', 'data'];

/** One bit for each member that was seen; those that nobody reads may come as they like. */
function see(reader: JsonReader, seen: number, names: readonly string[], key: string): number {
  const index = names.indexOf(key);
  if (index < 0) return seen;
  if ((seen >> index) & 1) reader.fail('a member that is given twice');
  return seen | (1 << index);
}

function readAnswer(reader: JsonReader): OipAnswer {
  let name: string | null = null;
  let version: string | null = null;
  let id: Span | null = null;
  let outputs: Span | null = null;
  let drafts: readonly OutputDraft[] = [];
  let hasMore = false;
  let seen = 0;
  reader.enterObject();
  for (let key = reader.nextKey(); key !== null; key = reader.nextKey()) {
    seen = see(reader, seen, ANSWER_MEMBERS, key);
    const kind = reader.peek();
    const start = reader.at;
    if (key === 'model_name' && kind === 'string') name = readText(reader, key);
    else if (key === 'model_version' && kind === 'string') version = readText(reader, key);
    else if (key === 'outputs') drafts = readOutputs(reader);
    else {
      hasMore ||= key !== 'id' || kind !== 'string';
      reader.skip();
    }
    if (key === 'id' && kind === 'string') id = { start, end: reader.at };
    if (key === 'outputs') outputs = { start, end: reader.at };
  }
  reader.finish();
  if (outputs === null) reader.fail('outputs are missing');
  return { name, version, id, outputs, drafts, hasMore };
}

function readOutputs(reader: JsonReader): readonly OutputDraft[] {
  const drafts: OutputDraft[] = [];
  reader.enterArray();
  while (reader.nextElement()) {
    if (drafts.length === GATEWAY_LIMITS.tensorsMax) reader.fail('too many outputs');
    drafts.push(readOutput(reader, `outputs[${drafts.length}]`));
  }
  return drafts;
}

function readOutput(reader: JsonReader, at: string): OutputDraft {
  let name: string | null = null;
  let datatype: string | null = null;
  let shape: readonly number[] | null = null;
  let dataAt = -1;
  let binaryBytes = -1;
  let seen = 0;
  reader.enterObject();
  for (let key = reader.nextKey(); key !== null; key = reader.nextKey()) {
    seen = see(reader, seen, OUTPUT_MEMBERS, key);
    if (key === 'name') name = readText(reader, at);
    else if (key === 'datatype') datatype = readText(reader, at);
    else if (key === 'shape') shape = readShape(reader, at);
    else if (key === 'parameters') binaryBytes = readBinaryBytes(reader);
    else {
      reader.peek();
      if (key === 'data') dataAt = reader.at;
      reader.skip();
    }
  }
  if (name === null || datatype === null || shape === null) reader.fail('name, shape or datatype is missing');
  if (dataAt >= 0 === binaryBytes >= 0) reader.fail('either data or binary_data_size');
  const dtype = datatype === 'BYTES' ? 'string' : findTensorDType(datatype);
  if (dtype === undefined) reader.fail('no datatype');
  return { name, dtype, shape, dataAt, binaryBytes };
}

/** -1 where the values are no binary ones. */
function readBinaryBytes(reader: JsonReader): number {
  let bytes = -1;
  reader.enterObject();
  for (let key = reader.nextKey(); key !== null; key = reader.nextKey()) {
    if (key !== 'binary_data_size') {
      reader.skip();
      continue;
    }
    if (bytes >= 0 || reader.peek() !== 'number') reader.fail('no binary_data_size');
    bytes = reader.readNumber();
    if (!reader.isInteger || !Number.isSafeInteger(bytes) || bytes < 0) reader.fail('no binary_data_size');
  }
  return bytes;
}

/** The binary values are exactly what follows the JSON, each of the size of its shape. */
function checkBinary(drafts: readonly OutputDraft[], { binary }: OipBody): void {
  let total = 0;
  for (const { name, dtype, shape, binaryBytes } of drafts) {
    if (binaryBytes < 0) continue;
    total += binaryBytes;
    if (dtype === 'string') continue;
    let bytes: number = toDatatype(dtype as TensorDType).bytes;
    for (const dim of shape) bytes *= dim;
    if (bytes !== binaryBytes) throw new GatewayError('GATEWAY_ANSWER_SHAPE', { fields: { at: name } });
  }
  if (total !== (binary?.length ?? 0)) throw new GatewayError('GATEWAY_UPSTREAM_MALFORMED', { fields: { at: 'body' } });
}
