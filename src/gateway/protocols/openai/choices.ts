/**
 * Choices of an answer under a policy that restricts scores: servers add log-probabilities that nobody asked for, and scores of
 * prompts. What callers know of a choice stays, and of scores what the policy allows.
 */
import { GatewayError } from '../../../core/errors.ts';
import type { OutputPolicy } from '../../ports.ts';
import type { Members } from './members.ts';

const CHOICE = toList('index text message delta finish_reason stop_reason');
const MESSAGE = toList(
  'role content refusal tool_calls function_call reasoning reasoning_content annotations audio name',
);
/** Of one token, as chat tells it. */
const TOKEN = toList('token logprob bytes');

/** What a policy leaves of log-probabilities: of all tokens (null), of so many, or of none (0). */
export function toScoresMax({ isLabelOnly, topK, decimals, hidden }: OutputPolicy): number | null {
  return isLabelOnly || decimals !== null || hidden.includes('logprobs') ? 0 : topK;
}

/**
 * Text of `choices` as the policy leaves them; undefined where nothing is to be done.
 * @throws GatewayError GATEWAY_UPSTREAM_MALFORMED for choices that are no objects
 */
export function toAllowedChoices({ bytes, byName }: Members, policy: OutputPolicy): string | undefined {
  const most = toScoresMax(policy);
  const member = byName.get('choices');
  if (most === null || member === undefined || member.kind === 'null') return undefined;
  if (member.kind !== 'array') fail();
  const { buffer, byteOffset } = bytes;
  // Well formed and not deep, as the members were read.
  const text = Buffer.from(buffer, byteOffset + member.start, member.end - member.start).toString('utf8');
  return JSON.stringify((JSON.parse(text) as unknown[]).map((choice) => toAllowed(choice, most)));
}

function toAllowed(choice: unknown, most: number): unknown {
  if (!isObject(choice)) fail();
  const kept = pick(choice, CHOICE);
  for (const name of ['message', 'delta']) {
    const message = kept[name];
    if (isObject(message)) kept[name] = pick(message, MESSAGE);
  }
  if (most > 0 && isObject(choice.logprobs)) kept.logprobs = toAllowedScores(choice.logprobs, most);
  return kept;
}

/** In the form of chat (`content`, `refusal`), or of completions (lists side by side). */
function toAllowedScores(scores: Shape, most: number): Shape {
  const kept: Shape = pick(scores, ['tokens', 'token_logprobs', 'text_offset']);
  for (const name of ['content', 'refusal']) {
    const tokens = scores[name];
    if (Array.isArray(tokens)) kept[name] = tokens.map((token: unknown) => toAllowedToken(token, most));
  }
  const { top_logprobs: rows } = scores;
  if (Array.isArray(rows))
    kept.top_logprobs = rows.map((row: unknown) => (isObject(row) ? toLikeliest(row, most) : null));
  return kept;
}

function toAllowedToken(token: unknown, most: number): Shape {
  if (!isObject(token)) fail();
  const { top_logprobs: others } = token;
  const kept = pick(token, TOKEN);
  if (!Array.isArray(others)) return kept;
  const told = others.filter(isObject).map((other) => pick(other, TOKEN));
  return { ...kept, top_logprobs: told.sort((a, b) => toScore(b.logprob) - toScore(a.logprob)).slice(0, most) };
}

/** Of a row by the names of tokens. */
function toLikeliest(row: Shape, most: number): Shape {
  const told = Object.entries(row).sort(([, a], [, b]) => toScore(b) - toScore(a));
  return Object.fromEntries(told.slice(0, most));
}

function toScore(value: unknown): number {
  return typeof value === 'number' ? value : -Infinity;
}

type Shape = Record<string, unknown>;

function isObject(value: unknown): value is Shape {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function pick(from: Shape, names: readonly string[]): Shape {
  return Object.fromEntries(names.filter((name) => Object.hasOwn(from, name)).map((name) => [name, from[name]]));
}

function toList(names: string): readonly string[] {
  return names.split(' ');
}

function fail(): never {
  throw new GatewayError('GATEWAY_UPSTREAM_MALFORMED', { fields: { at: 'choices' } });
}
