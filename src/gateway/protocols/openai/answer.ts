/** Answers of text models: of their members those that callers know, under the gateway's name of the model. */
import { type ErrorCode, GatewayError } from '../../../core/errors.ts';
import { GATEWAY_LIMITS } from '../../../core/limits/gateway.ts';
import { roundDecimals } from '../../output/round.ts';
import type { AnswerRules } from '../ports.ts';
import { toAllowedChoices } from './choices.ts';
import { type Members, readMembers, rebuild } from './members.ts';

/** Servers add timings, slots and settings of their own, in which files can be named. */
const MEMBERS: ReadonlySet<string> = new Set(['id', 'object', 'created', 'model', 'choices', 'usage', 'data']);

/** @throws GatewayError GATEWAY_UPSTREAM_MALFORMED */
export function toOpenAiBody(body: Uint8Array, rules: AnswerRules): Uint8Array {
  const members = readMembers(body, 'GATEWAY_UPSTREAM_MALFORMED');
  const { policy } = rules;
  const { decimals } = policy;
  const choices = toAllowedChoices(members, policy);
  const data = decimals !== null && rules.call.route === 'embeddings' ? roundEmbeddings(members, decimals) : undefined;
  return rebuild(members, MEMBERS, { model: JSON.stringify(rules.model.name), choices, data });
}

/** Text of the `data` of an answer of embeddings, each number with so many decimals. */
function roundEmbeddings({ bytes, byName }: Members, decimals: number): string {
  const member = byName.get('data');
  if (member?.kind !== 'array') fail('data');
  const { buffer, byteOffset } = bytes;
  const text = Buffer.from(buffer, byteOffset + member.start, member.end - member.start).toString('utf8');
  // Well formed and not deep, as the members were read.
  const rows = JSON.parse(text) as { readonly index?: unknown; readonly embedding?: unknown }[];
  return JSON.stringify(
    rows.map(({ index, embedding }) => {
      if (!Array.isArray(embedding) || !Number.isSafeInteger(index)) fail('data');
      return { object: 'embedding', index, embedding: embedding.map((value) => roundOne(value, decimals)) };
    }),
  );
}

function roundOne(value: unknown, decimals: number): number {
  if (typeof value !== 'number') fail('data');
  return roundDecimals(value, decimals);
}

const LINE_END = 0x0a;
const DATA = 'data:';

/**
 * Server-sent events, each with the gateway's name of the model; comments and fields of other kinds are left out. An event
 * that tells an error ends the stream with ours, and then its code is what the generator returns.
 * @param error what stands for the server's
 * @throws GatewayError GATEWAY_UPSTREAM_MALFORMED while it is read, then the answer has to be cut off
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
export async function* toOpenAiEvents(
  body: AsyncIterable<Uint8Array>,
  rules: AnswerRules,
  error: { readonly code: ErrorCode; readonly body: string },
): AsyncGenerator<Uint8Array, ErrorCode | undefined> {
  let rest: Uint8Array = new Uint8Array();
  for await (const chunk of body) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const out: Uint8Array[] = [];
    let at = 0;
    for (let end = bytes.indexOf(LINE_END, at); end >= 0; end = bytes.indexOf(LINE_END, at)) {
      const event = toEvent(bytes.subarray(at, end), rules);
      at = end + 1;
      if (event === 'error') {
        yield Buffer.concat([...out, Buffer.from(`data: ${error.body}\n\n`)]);
        return error.code;
      }
      if (event !== null) out.push(event);
    }
    // A copy: whoever reads may use the memory of the chunk again.
    rest = Uint8Array.from(bytes.subarray(at));
    if (rest.length > GATEWAY_LIMITS.eventBytesMax) fail('event');
    if (out.length > 0) yield Buffer.concat(out);
  }
  if (rest.length > 0) fail('event');
  return undefined;
}

/** One line as it goes on with the empty line behind it; null for lines that do not. */
function toEvent(line: Uint8Array, rules: AnswerRules): Uint8Array | 'error' | null {
  const text = Buffer.from(line.buffer, line.byteOffset, line.length);
  if (text.toString('latin1', 0, DATA.length) !== DATA) return null;
  const value = text.subarray(DATA.length);
  const word = value.length < 16 ? value.toString('latin1').trim() : '';
  if (word === '[DONE]') return Buffer.from('data: [DONE]\n\n');
  const members = readMembers(value, 'GATEWAY_UPSTREAM_MALFORMED');
  if (members.byName.has('error')) return 'error';
  const choices = toAllowedChoices(members, rules.policy);
  return Buffer.concat([
    Buffer.from('data: '),
    rebuild(members, MEMBERS, { model: JSON.stringify(rules.model.name), choices }),
    Buffer.from('\n\n'),
  ]);
}

function fail(at: string): never {
  throw new GatewayError('GATEWAY_UPSTREAM_MALFORMED', { fields: { at } });
}
