/** Every operator with a rule, by domain and name. An operator is one row in a file of `rules/`. */
import type { Rule } from './call.ts';
import { CONTROL } from './rules/control.ts';
import { ELEMENTWISE } from './rules/elementwise.ts';
import { GENERATE } from './rules/generate.ts';
import { LEARNED } from './rules/learned.ts';
import { LINEAR } from './rules/linear.ts';
import { NORMALIZE } from './rules/normalize.ts';
import { QUANTIZE } from './rules/quantize.ts';
import { RECURRENT } from './rules/recurrent.ts';
import { REDUCE } from './rules/reduce.ts';
import { RESHAPE } from './rules/reshape.ts';
import { SELECT } from './rules/select.ts';
import { SEQUENCE } from './rules/sequence.ts';
import { SIGNAL } from './rules/signal.ts';
import { MICROSOFT, TRANSFORMER } from './rules/transformer.ts';
import { VISION } from './rules/vision.ts';
import { WINDOW } from './rules/window.ts';

/** Names come from files: the prototype is null. */
const toTable = (...parts: readonly Readonly<Record<string, Rule>>[]): Readonly<Record<string, Rule | undefined>> =>
  Object.freeze(Object.assign(Object.create(null) as Record<string, Rule>, ...parts) as Record<string, Rule>);

const DOMAINS: Readonly<Record<string, Readonly<Record<string, Rule | undefined>> | undefined>> = Object.freeze(
  Object.assign(Object.create(null) as Record<string, Readonly<Record<string, Rule | undefined>>>, {
    '': toTable(
      CONTROL,
      ELEMENTWISE,
      GENERATE,
      LINEAR,
      NORMALIZE,
      QUANTIZE,
      RECURRENT,
      REDUCE,
      RESHAPE,
      SELECT,
      SEQUENCE,
      SIGNAL,
      TRANSFORMER,
      VISION,
      WINDOW,
    ),
    'ai.onnx.ml': toTable(LEARNED),
    'com.microsoft': toTable(MICROSOFT),
  }),
);

/** The rule of an operator; undefined when there is none. */
export function findRule(domain: string, op: string): Rule | undefined {
  return DOMAINS[domain]?.[op];
}

/** Operators of a domain that have a rule. */
export function listOperators(domain: string): readonly string[] {
  return Object.keys(DOMAINS[domain] ?? {});
}
