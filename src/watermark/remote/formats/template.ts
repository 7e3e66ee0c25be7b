/** A format that the user writes: a JSON template with a place for the question, and a path to the answer. */
import { RemoteError } from '../../../core/errors.ts';
import { findMember, toClassAnswer, toTextAnswer } from './json.ts';
import { toInputs, toNested } from './tensors.ts';
import type { RequestFormat } from './types.ts';

export interface TemplateOptions {
  /** JSON text; the string "{{input}}" stands for the value of the only input, "{{input:NAME}}" for one of several, "{{prompt}}" for a text. */
  readonly template: string;
  /** Members and indices from the reply to the answer, joined by dots: "result.0.scores". "" is the reply itself. */
  readonly responsePath: string;
}

const PLACE = /^\{\{(input|prompt)(?::(.+))?\}\}$/;
const DEPTH_MAX = 32;

/**
 * One question per request.
 * @throws RemoteError REMOTE_TEMPLATE_MALFORMED for what is no JSON, or has no place for a question, or for both kinds
 */
export function createTemplateFormat({ template, responsePath }: TemplateOptions): RequestFormat {
  const value = parseTemplate(template);
  const kinds = new Set(listPlaces(value, 0).map(([, kind]) => kind));
  if (kinds.size !== 1) throw malformed(kinds.size === 0 ? 'no place for the question' : 'places of both kinds');
  const steps = responsePath === '' ? [] : responsePath.split('.');
  if (steps.length > DEPTH_MAX || steps.includes('')) throw malformed('the response path');
  const kind = kinds.has('prompt') ? 'text' : 'tensors';
  return {
    kind,
    isBatched: false,
    write: ([question]) =>
      replacePlaces(value, (place, name) => {
        if (question.kind === 'text') return place === 'prompt' ? question.prompt : undefined;
        const inputs = toInputs(question);
        const input = name === undefined ? inputs[0] : inputs.find((one) => one.name === name);
        if (input === undefined) throw malformed('an input that the questions do not have');
        return toNested(input);
      }),
    read: (reply, _count, context) => {
      const found = steps.reduce(findStep, reply);
      return [kind === 'text' ? toTextAnswer(found) : toClassAnswer(found, context)];
    },
  };
}

function malformed(at: string): RemoteError {
  return new RemoteError('REMOTE_TEMPLATE_MALFORMED', { fields: { at } });
}

function parseTemplate(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw malformed('JSON');
  }
}

/** Places as [whole, kind, name]. */
function listPlaces(value: unknown, depth: number): RegExpExecArray[] {
  if (depth > DEPTH_MAX) throw malformed('depth');
  if (typeof value === 'string') {
    const place = PLACE.exec(value);
    return place === null ? [] : [place];
  }
  return typeof value === 'object' && value !== null
    ? Object.values(value).flatMap((one) => listPlaces(one, depth + 1))
    : [];
}

function replacePlaces(value: unknown, fill: (kind: string, name: string | undefined) => unknown): unknown {
  if (typeof value === 'string') {
    const place = PLACE.exec(value) as (string | undefined)[] | null;
    return place === null ? value : fill(place[1] ?? '', place[2]);
  }
  if (Array.isArray(value)) return value.map((one) => replacePlaces(one, fill));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, replacePlaces(one, fill)]));
}

function findStep(value: unknown, step: string): unknown {
  return Array.isArray(value) && /^\d{1,6}$/.test(step) ? (value as unknown[])[Number(step)] : findMember(value, step);
}
