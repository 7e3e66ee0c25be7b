/** Requests and answers of the simple protocols as they go on and come back. */
import { isUtf8 } from 'node:buffer';
import { GatewayError } from '../../../core/errors.ts';
import { GATEWAY_LIMITS } from '../../../core/limits/gateway.ts';
import { JsonReader } from '../../json/reader.ts';
import { checkOutputs } from '../../output/caps.ts';
import { applyPolicy, isRestricting } from '../../output/policy.ts';
import type { GatewayAnswer, HeaderList, NamedTensor, UpstreamAnswer } from '../../ports.ts';
import { refuse } from '../../tensors/refuse.ts';
import { findHeader, pickHeaders, toMediaType } from '../headers.ts';
import type { AnswerRules, Caps, ProxyCodec, RequestBytes, UpstreamPlan } from '../ports.ts';
import { asUpstream, toGoodHeaders } from '../upstream.ts';
import { readSimple } from './body.ts';
import { encodeSimple } from './encode.ts';
import type { JsonRoot } from './json.ts';

/** What a protocol hands on. */
export interface SimpleProxyRules {
  /** Member of JSON bodies whose elements are rows; a bare array is one, too, where `isBare`. */
  readonly rows: readonly string[];
  /** Members of JSON bodies that are handed on; null: all of them. */
  readonly members: readonly string[] | null;
  readonly isBare: boolean;
  readonly requestHeaders: readonly string[];
  /** Headers that go on in part. */
  readonly toHeaders?: (headers: RequestBytes['headers']) => HeaderList;
  readonly answerHeaders: readonly string[];
  /** Member of JSON answers that is handed back; null: the whole answer. */
  readonly answerMember: 'outputs' | 'predictions' | null;
}

/** @param path from the protocol's table */
export function toSimplePlan(
  request: RequestBytes,
  path: string,
  caps: Pick<Caps, 'batchMax'>,
  rules: SimpleProxyRules,
): UpstreamPlan {
  const type = toMediaType(request.headers);
  if (request.headers['content-encoding'] !== undefined) refuse('GATEWAY_CONTENT_TYPE', 'content-encoding');
  const items = countItems(type, request.body, rules);
  if (items > caps.batchMax) refuse('GATEWAY_BATCH_TOO_LARGE', 'body', { max: caps.batchMax });
  // What was counted is what the server reads: no charset of its own.
  const own: HeaderList =
    type === JSON_TYPE ? [['content-type', JSON_TYPE]] : pickHeaders(request.headers, ['content-type']);
  const picked = pickHeaders(request.headers, ['accept', ...rules.requestHeaders]);
  const headers = [...own, ...picked, ...(rules.toHeaders?.(request.headers) ?? [])];
  return { request: { method: 'POST', path, headers, body: request.body, isStreamed: false }, items };
}

/** Rows of a body; 1 where its form does not say. @throws GatewayError GATEWAY_INPUT_MALFORMED */
function countItems(type: string, body: Uint8Array, rules: SimpleProxyRules): number {
  if (type === 'text/csv') return countLines(body);
  let text = body;
  if (type !== JSON_TYPE) {
    if (rules.members !== null) refuse('GATEWAY_CONTENT_TYPE', 'content-type');
    if (LINES.test(type)) return countLines(body);
    // Servers look at the text, whatever its type is called: also behind the mark of UTF-8, and in what says that it is bytes.
    text = toText(body);
    if (!isJsonLike(text) || !(TEXT.test(type) || isUtf8(text))) return 1;
  }
  const reader = new JsonReader(text, { depthMax: GATEWAY_LIMITS.jsonDepthMax, code: 'GATEWAY_INPUT_MALFORMED' });
  let items = 1;
  if (reader.peek() === 'object') items = countMembers(reader, rules);
  else if (rules.isBare) items = countElements(reader);
  else refuse('GATEWAY_INPUT_MALFORMED', 'body', { problem: 'no object' });
  reader.finish();
  return items;
}

const JSON_TYPE = 'application/json';
/** Rows of which each is a line: `application/jsonlines`, `application/x-ndjson`, `text/libsvm`. */
const LINES = /ndjson|lines|libsvm|csv/;
/** Text, or nothing said. */
const TEXT = /^$|^text\/|json|form-urlencoded/;

/** Lines, however they end. */
function countLines(body: Uint8Array): number {
  let lines = 0;
  for (let at = 0; at < body.length; at++) {
    const byte = body[at];
    if (byte === 0x0a || (byte === 0x0d && body[at + 1] !== 0x0a) || at === body.length - 1) lines++;
  }
  return Math.max(1, lines);
}

/** Bytes that are looked at: those of numbers are hardly ever all of them characters. */
const LOOK_BYTES = 256;

/** Without the mark of UTF-8. */
function toText(body: Uint8Array): Uint8Array {
  const isMarked = body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf;
  return isMarked ? body.subarray(3) : body;
}

function isJsonLike(body: Uint8Array): boolean {
  let at = 0;
  while (at < body.length && body[at] <= 0x20) at++;
  const isBegin = body[at] === 0x7b || body[at] === 0x5b;
  return isBegin && body.subarray(0, LOOK_BYTES).every((byte) => byte >= 0x09);
}

function countMembers(reader: JsonReader, rules: SimpleProxyRules): number {
  const seen = new Set<string>();
  let items = 1;
  reader.enterObject();
  for (let key = reader.nextKey(); key !== null; key = reader.nextKey()) {
    if (seen.has(key) || seen.size === GATEWAY_LIMITS.membersMax) {
      refuse('GATEWAY_INPUT_MALFORMED', 'body', { problem: 'a member that is given twice' });
    }
    seen.add(key);
    if (rules.members?.includes(key) === false) {
      refuse('GATEWAY_INPUT_MALFORMED', 'body', { problem: 'a member that is not taken' });
    }
    items = Math.max(items, rules.rows.includes(key) ? countRows(reader) : skipOne(reader));
  }
  return items;
}

/** Elements of an array, or the longest array of an object's members. */
function countRows(reader: JsonReader): number {
  if (reader.peek() !== 'object') return countElements(reader);
  let items = 1;
  reader.enterObject();
  while (reader.nextKey() !== null) items = Math.max(items, countElements(reader));
  return items;
}

function countElements(reader: JsonReader): number {
  if (reader.peek() !== 'array') return skipOne(reader);
  let count = 0;
  reader.enterArray();
  while (reader.nextElement()) {
    reader.skip();
    count++;
  }
  return Math.max(1, count);
}

function skipOne(reader: JsonReader): 1 {
  reader.skip();
  return 1;
}

type WholeAnswer = UpstreamAnswer & { readonly body: Uint8Array };

/** All of a codec that concerns no path. */
export function toSimpleAnswers(rules: SimpleProxyRules): Omit<ProxyCodec, 'toUpstream'> {
  const names = ['content-type', ...rules.answerHeaders];
  return {
    isSlow: ({ headers, body }) =>
      body.length > GATEWAY_LIMITS.loopSkimBytesMax &&
      (toMediaType(headers) !== 'application/octet-stream' || isJsonLike(toText(body))),
    toAnswerHeaders: (_plan, answer) => toGoodHeaders(answer, names),
    toAnswer: (_plan, answer, answerRules) => {
      const headers = toGoodHeaders(answer, names);
      return asUpstream(() => toAnswer(answer, headers, answerRules, rules));
    },
    toEvents: null,
    readReady: ({ status }) => status === 200,
    readSignature: null,
  };
}

function toAnswer(
  answer: WholeAnswer,
  headers: HeaderList,
  rules: AnswerRules,
  simple: SimpleProxyRules,
): GatewayAnswer {
  const type = toMediaType({ 'content-type': findHeader(headers, 'content-type') });
  if (rules.signature === null && isRestricting(rules.policy)) {
    throw new GatewayError('GATEWAY_ANSWER_SHAPE', { fields: { at: 'outputs', problem: 'none were declared' } });
  }
  if (rules.signature === null) return { status: 200, headers, body: pickMember(type, answer.body, simple) };
  const roots: readonly JsonRoot[] =
    simple.answerMember === null ? ['bare', 'outputs', 'predictions'] : [simple.answerMember];
  const readable = pickMember(type, answer.body, simple);
  const { tensors, layout } = readSimple(type, readable, rules.signature.outputs, Infinity, roots);
  const outputs = tensors.filter((tensor): tensor is NamedTensor => tensor !== undefined);
  checkOutputs(outputs, rules.signature, rules.items, rules.answerBytesMax);
  if (!isRestricting(rules.policy)) return { status: 200, headers, body: readable };
  const visible = applyPolicy(outputs, rules.policy, rules.signature);
  const form = { layout, id: null, outputs: null, isBinary: false };
  // Without headers of the server: what it says there of an answer nobody has looked at.
  return encodeSimple(form, rules.model, visible, { decimals: rules.policy.decimals });
}

/** Of an answer in JSON the one member that callers know: servers add names of deployments and files. */
function pickMember(type: string, body: Uint8Array, { answerMember }: SimpleProxyRules): Uint8Array {
  if (answerMember === null) return body;
  if (type !== 'application/json')
    throw new GatewayError('GATEWAY_UPSTREAM_MALFORMED', { fields: { at: 'content-type' } });
  const options = { depthMax: GATEWAY_LIMITS.jsonDepthMax, code: 'GATEWAY_UPSTREAM_MALFORMED' } as const;
  const reader: JsonReader = new JsonReader(body, options);
  let found: Uint8Array | null = null;
  let members = 0;
  reader.enterObject();
  for (let key = reader.nextKey(); key !== null; key = reader.nextKey()) {
    reader.peek();
    const start = reader.at;
    reader.skip();
    members++;
    if (key !== answerMember) continue;
    if (found !== null) reader.fail('a member that is given twice');
    found = body.subarray(start, reader.at);
  }
  reader.finish();
  if (found === null) reader.fail('outputs are missing');
  return members === 1 ? body : Buffer.concat([Buffer.from(`{"${answerMember}":`), found, Buffer.from('}')]);
}
