/** The results of the mark in the form of IEEE 3304-2023 (MPAI-NNW): errors of detection, symbol errors, quality, cost. */
import type { ModelName } from '../../../src/lab/index.ts';
import { ATTACKS } from '../attacks.ts';
import { ATTACKED, ATTACKED_SEED, toMeasurement } from '../rows/attack.ts';
import { KEY_COUNT, PLAN } from '../rows/mark.ts';
import { type Figures, type Results, toRowId } from '../types.ts';
import { line, rule } from './table.ts';

const FLAG_BITS = 64;
/** Attacks that leave no weight of the model, or drive all of them towards zero. */
const LOSS_EXPECTED = new Set(['distill', 'extract', 'weight-decay', 'regularize-0.1']);

const seedsOf = (model: ModelName): string[] =>
  Array.from({ length: PLAN[model].seeds }, (_, index) => String(index + 1));

/** Figures of every modified copy of a model. */
function listModified(results: Results, model: ModelName): { readonly name: string; readonly figures: Figures }[] {
  const names = seedsOf(model).flatMap((seed) => Object.keys(ATTACKS).map((name) => [seed, name] as const));
  const more = ATTACKED[model].map((planned) => [ATTACKED_SEED, toMeasurement(planned)] as const);
  return [...names, ...more].flatMap(([seed, name]) => {
    const figures = results.get(toRowId(model, seed, name));
    return figures === undefined ? [] : [{ name, figures }];
  });
}

function describeModel(results: Results, model: ModelName): string[] {
  const modified = listModified(results, model);
  if (modified.length === 0) return [];
  const isMissed = ({ figures }: { readonly figures: Figures }): boolean => Number(figures.evidenceBits) < FLAG_BITS;
  const expected = modified.filter(({ name }) => LOSS_EXPECTED.has(name));
  const others = modified.filter(({ name }) => !LOSS_EXPECTED.has(name));
  const nulls = Array.from({ length: PLAN[model].nulls }, (_, index) =>
    results.get(toRowId(model, `null-${index + 1}`, 'null')),
  );
  const readings = nulls.flatMap((figures) => (figures?.evidenceBits as number[] | undefined) ?? []);
  const sum = (key: string): number => others.reduce((total, { figures }) => total + Number(figures[key]), 0);
  const keys = results.get(toRowId(model, '1', 'keys'));
  return [
    line(
      ...[model, `${readings.filter((bits) => bits >= FLAG_BITS).length} of ${readings.length}`],
      keys === undefined ? '-' : `${Number(keys.evidenceBitsMax) >= FLAG_BITS ? 'some' : 0} of ${KEY_COUNT}`,
      `${others.filter(isMissed).length} of ${others.length}`,
      `${expected.filter(isMissed).length} of ${expected.length}`,
      ((100 * sum('bitErrors')) / sum('bits')).toFixed(2),
      toQuality(results, model),
    ),
  ];
}

/** Change of accuracy over all seeds, in points. */
function toQuality(results: Results, model: ModelName): string {
  const found = seedsOf(model)
    .map((seed) => results.get(toRowId(model, seed, 'fidelity')))
    .filter((figures): figures is Figures => figures !== undefined);
  const sum = (key: string): number => found.reduce((total, figures) => total + Number(figures[key]), 0);
  return found.length === 0 ? '-' : ((100 * (sum('won') - sum('lost'))) / sum('samples')).toFixed(3);
}

export function describeForm(results: Results): readonly string[] {
  const lines = (Object.keys(PLAN) as ModelName[]).flatMap((model) => describeModel(results, model));
  if (lines.length === 0) return [];
  return [
    '## In the form of IEEE 3304',
    `IEEE 3304-2023 (MPAI-NNW) asks for false positives on unmarked models, misses and symbol errors on modified ones, the change of\nquality, and the cost; it sets no bars. A detection is a flag: ${FLAG_BITS} bits. Misses where the loss is expected (distillation, label\nextraction, strong weight decay) stand apart, and are failures all the same. The cost of insertion and detection is in\n\`docs/benchmarks.md\`.`,
    [
      line(
        'model',
        'false positives, null models',
        'false positives, foreign keys',
        'misses',
        'misses, loss expected',
        'symbol errors %',
        'accuracy change',
      ),
      ...[rule(7), ...lines],
    ].join('\n'),
  ];
}
