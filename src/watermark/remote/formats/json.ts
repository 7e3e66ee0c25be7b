/** Looks into JSON from servers that are not trusted: nothing here throws, and what does not fit is null. */
import { findArgMax } from '../../probes/answers.ts';
import type { Answer } from '../questions.ts';
import { toFirstWord } from '../questions.ts';
import type { FormatContext } from './types.ts';

/** A reply as JSON; null when it is none. */
export function parseReply(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    return null;
  }
}

/** A member of an object, or undefined; inherited ones do not count. */
export function findMember(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;
}

/** The first of these members that is there. */
export function findFirstMember(value: unknown, names: readonly string[]): unknown {
  for (const name of names) {
    const found = findMember(value, name);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** `count` entries of a list, or nulls: a list of another length answers nothing, as nobody knows which is which. */
export function toEntries(value: unknown, count: number): readonly unknown[] {
  return Array.isArray(value) && value.length === count ? (value as unknown[]) : Array<null>(count).fill(null);
}

/**
 * The answer in one entry of a reply: a class number, a class name, scores in the order of classes, or an object of
 * scores by name (of which the largest counts), or one that holds either under a usual name.
 */
export function toClassAnswer(entry: unknown, context: FormatContext): Answer | null {
  if (typeof entry === 'number') return toClassIndex(entry, context);
  if (typeof entry === 'string') return context.labels.get(entry) ?? null;
  if (Array.isArray(entry)) return toScoresAnswer(entry as unknown[], context);
  const inner = findFirstMember(entry, [context.output ?? '', ...ANSWER_NAMES]);
  if (inner !== undefined && typeof inner !== 'object') return toClassAnswer(inner, context);
  if (Array.isArray(inner)) return toScoresAnswer(inner as unknown[], context);
  return toNamedScoresAnswer(entry, context);
}

/** Names under which services put a class or its scores. */
const ANSWER_NAMES = ['scores', 'probabilities', 'logits', 'class_id', 'class', 'label', 'prediction', 'output'];

function toClassIndex(value: number, { classes }: FormatContext): number | null {
  return Number.isInteger(value) && value >= 0 && value < (classes ?? 0) ? value : null;
}

/** Scores may be wrapped in lists of one; a list of one number is a class. */
function toScoresAnswer(list: readonly unknown[], context: FormatContext): number | null {
  let scores = list;
  for (let depth = 0; scores.length === 1 && Array.isArray(scores[0]) && depth < 8; depth++) {
    scores = scores[0] as unknown[];
  }
  if (!scores.every((score) => typeof score === 'number')) return null;
  if (scores.length === 1 && context.classes !== 1) return toClassIndex(scores[0], context);
  return scores.length === context.classes ? findArgMax(scores) : null;
}

/** {"cat": 0.9, "dog": 0.1}: the largest score whose name is a class. */
function toNamedScoresAnswer(entry: unknown, { labels }: FormatContext): number | null {
  if (typeof entry !== 'object' || entry === null) return null;
  let best: { readonly index: number; readonly score: number } | null = null;
  for (const [name, score] of Object.entries(entry)) {
    const index = labels.get(name);
    if (index === undefined || typeof score !== 'number' || !Number.isFinite(score)) return null;
    if (best === null || score > best.score) best = { index, score };
  }
  return best?.index ?? null;
}

/** The first word of a text; null for anything else. */
export function toTextAnswer(value: unknown): Answer | null {
  return typeof value === 'string' ? toFirstWord(value) : null;
}
