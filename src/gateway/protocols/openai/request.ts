/** What a request to a text model asks for: which members are taken, how many answers, and whether the policy lets it. */
import { GATEWAY_LIMITS } from '../../../core/limits/gateway.ts';
import type { OutputPolicy } from '../../ports.ts';
import { refuse } from '../../tensors/refuse.ts';
import { isName } from '../routes.ts';
import { toScoresMax } from './choices.ts';
import { type Member, type Members, openMember } from './members.ts';

const SAMPLING =
  'model stream stream_options temperature top_p top_k min_p max_tokens stop presence_penalty frequency_penalty repetition_penalty seed user n logprobs logit_bias';

/**
 * Members of each route that go on; all others are refused, since servers have members of their own that load adapters,
 * run code, or tell scores of prompts.
 */
const MEMBERS: Readonly<Record<string, ReadonlySet<string>>> = {
  'chat/completions': toSet(
    `${SAMPLING} messages max_completion_tokens top_logprobs tools tool_choice parallel_tool_calls functions function_call response_format reasoning_effort`,
  ),
  completions: toSet(`${SAMPLING} prompt suffix best_of echo`),
  embeddings: toSet('model input encoding_format dimensions user'),
};

function toSet(names: string): ReadonlySet<string> {
  return new Set(names.split(' '));
}

/** @throws GatewayError GATEWAY_INPUT_MALFORMED */
export function checkNames(members: Members, route: string, extra: ReadonlySet<string>): void {
  for (const name of members.byName.keys()) {
    if (!MEMBERS[route].has(name) && !extra.has(name)) {
      refuse('GATEWAY_INPUT_MALFORMED', route, { problem: 'a member that is not taken', name });
    }
  }
}

/** @throws GatewayError GATEWAY_INPUT_MALFORMED */
export function readModel(members: Members): string {
  const member = members.byName.get('model');
  if (member?.kind !== 'string') refuse('GATEWAY_INPUT_MALFORMED', 'model', { problem: 'no name of a model' });
  const model = openMember(members, member).readString();
  if (!isName(model)) refuse('GATEWAY_INPUT_MALFORMED', 'model', { problem: 'no name of a model' });
  return model;
}

/** @throws GatewayError GATEWAY_INPUT_MALFORMED for anything but true, false and null */
export function readFlag(members: Members, name: string): boolean {
  const kind = members.byName.get(name)?.kind;
  if (kind === undefined || kind === 'null' || kind === 'false') return false;
  if (kind !== 'true') refuse('GATEWAY_INPUT_MALFORMED', name, { problem: 'no truth value' });
  return true;
}

/** A whole number of 0 or more; null when it is not there. @throws GatewayError GATEWAY_INPUT_MALFORMED */
function readCount(members: Members, name: string): number | null {
  const member = members.byName.get(name);
  if (member === undefined || member.kind === 'null') return null;
  const reader = openMember(members, member);
  const value = member.kind === 'number' ? reader.readNumber() : -1;
  if (!reader.isInteger || !Number.isSafeInteger(value) || value < 0) {
    refuse('GATEWAY_INPUT_MALFORMED', name, { problem: 'no whole number' });
  }
  return value;
}

/**
 * Answers that are asked for: prompts or texts, times the choices of each.
 * @throws GatewayError GATEWAY_INPUT_MALFORMED | GATEWAY_BATCH_TOO_LARGE
 */
export function countAnswers(members: Members, batchMax: number): number {
  const choices = Math.max(1, readCount(members, 'n') ?? 1, readCount(members, 'best_of') ?? 1);
  const texts = Math.max(countTexts(members, 'prompt'), countTexts(members, 'input'));
  const items = choices * texts;
  if (!(items <= batchMax)) refuse('GATEWAY_BATCH_TOO_LARGE', choices > 1 ? 'n' : 'prompt', { max: batchMax });
  return items;
}

/**
 * Holds the tokens that are asked for against the cap.
 * @returns what has to be said to the server, where the caller says nothing; null for nothing
 * @throws GatewayError GATEWAY_OUTPUT_NOT_ALLOWED | GATEWAY_INPUT_MALFORMED
 */
export function checkTokens(members: Members, route: string, max: number | undefined): number | null {
  if (max === undefined || route === 'embeddings') return null;
  const asked = ['max_tokens', 'max_completion_tokens'].map((name) => [name, readCount(members, name)] as const);
  for (const [name, tokens] of asked) {
    if (tokens !== null && tokens > max) refuse('GATEWAY_OUTPUT_NOT_ALLOWED', name, { max });
  }
  return asked.every(([, tokens]) => tokens === null) ? max : null;
}

/** One text, as characters or as numbers of its tokens, or an array of either: numbers beside texts are one more. */
function countTexts(members: Members, name: string): number {
  const member = members.byName.get(name);
  if (member?.kind !== 'array') return 1;
  const reader = openMember(members, member);
  let [texts, tokens] = [0, 0];
  reader.enterArray();
  while (reader.nextElement()) {
    if (reader.peek() === 'number') tokens = 1;
    else texts++;
    reader.skip();
  }
  return Math.max(1, texts + tokens);
}

/**
 * Refuses what tells more than the policy allows; nothing is taken out silently.
 *
 * 1. Log-probabilities: with label only, decimals, or `logprobs` hidden, none; with top k, of k tokens at most. 2. With any
 * of these no `logit_bias` and no `echo`, which give probabilities that were not asked for. 3. Label only: one choice, and
 * no embeddings. 4. Embeddings: none when `embedding` is hidden; with decimals only as numbers, which can be rounded.
 * @throws GatewayError GATEWAY_OUTPUT_NOT_ALLOWED | GATEWAY_INPUT_MALFORMED
 */
export function checkPolicy(members: Members, route: string, policy: OutputPolicy): void {
  const { isLabelOnly, decimals, hidden } = policy;
  if (route === 'embeddings') {
    if (isLabelOnly || hidden.includes('embedding')) refuse('GATEWAY_OUTPUT_NOT_ALLOWED', 'embeddings');
    if (decimals !== null && readFormat(members) !== 'float') refuse('GATEWAY_OUTPUT_NOT_ALLOWED', 'encoding_format');
    return;
  }
  const most = toScoresMax(policy);
  if (most === null) return;
  for (const name of ['logprobs', 'top_logprobs']) {
    const member = members.byName.get(name);
    if (!isAsked(member)) continue;
    if (most === 0 || (member.kind === 'number' && (readCount(members, name) ?? 0) > most)) {
      refuse('GATEWAY_OUTPUT_NOT_ALLOWED', name);
    }
  }
  for (const name of ['logit_bias', 'echo']) {
    if (isAsked(members.byName.get(name))) refuse('GATEWAY_OUTPUT_NOT_ALLOWED', name);
  }
  if (!isLabelOnly) return;
  for (const name of ['n', 'best_of']) {
    if ((readCount(members, name) ?? 1) > 1) refuse('GATEWAY_OUTPUT_NOT_ALLOWED', name);
  }
}

function isAsked(member: Member | undefined): member is Member {
  return member !== undefined && member.kind !== 'null' && member.kind !== 'false';
}

function readFormat(members: Members): string {
  const member = members.byName.get('encoding_format');
  if (!isAsked(member)) return 'float';
  if (member.kind !== 'string' || member.end - member.start > GATEWAY_LIMITS.nameCharsMax) return '';
  return openMember(members, member).readString();
}
