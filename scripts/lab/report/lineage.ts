/** The part of docs/lab.md on lineage: copies without a mark, and models that are independent. */
import { MODEL_NAMES, type ModelName } from '../../../src/lab/index.ts';
import { BUILT_IN } from '../../../src/lineage/index.ts';
import { LINEAGE_ATTACKS, listIndependent } from '../rows/lineage.ts';
import { type Figures, type Results, toRowId } from '../types.ts';
import { line, rule } from './table.ts';

const percent = (share: number): string => (100 * share).toFixed(1);

/** Neurons are not matched where their order decided. */
function toShareText({ share, neurons }: Figures): string {
  return (neurons as readonly number[]).length === 0 ? 'not needed' : percent(Number(share));
}

function findAll(results: Results, model: ModelName, measurement: string): Figures[] {
  return listIndependent(model).flatMap((seed) => {
    const figures = results.get(toRowId(model, seed, `lineage-${measurement}`));
    return figures === undefined ? [] : [figures];
  });
}

function describeAttack(results: Results, name: string, model: ModelName): string[] {
  const found = findAll(results, model, name);
  if (found.length === 0) return [];
  const { title, bar } = LINEAGE_ATTACKS[name];
  const each = (format: (figures: Figures) => string): string => found.map(format).join(', ');
  const isMet = found.every(({ verdict }) => bar?.some((wanted) => wanted === verdict));
  const cells = [
    ...[title, model, each(toShareText), each(({ orderBits }) => String(orderBits))],
    ...[[...new Set(found.map(({ verdict }) => String(verdict)))].join(', ')],
    each(({ accuracyBefore, accuracy }) => `${percent(Number(accuracyBefore))} → ${percent(Number(accuracy))}`),
    bar === undefined ? 'reported' : `${bar.join(' or ')}: ${isMet ? 'met' : '**missed**'}`,
  ];
  return [line(...cells)];
}

function describePairs(results: Results, model: ModelName): string[] {
  const found = findAll(results, model, 'pairs');
  if (found.length === 0) return [];
  const sum = (key: string): number => found.reduce((total, figures) => total + Number(figures[key]), 0);
  const largest = (key: string): number => Math.max(...found.map((figures) => Number(figures[key])));
  const verdicts = `${sum('derived')} / ${sum('unrelated')} / ${sum('inconclusive')}`;
  const met = sum('derived') === 0 ? 'met' : '**missed**';
  const cells = [model, sum('pairs'), verdicts, percent(largest('shareMax')), largest('orderBitsMax')];
  return [line(...cells, `no "derived": ${met}`)];
}

function describeCalibrated(results: Results, model: ModelName): string[] {
  return findAll(results, model, 'nulls').map(({ nulls, suspects, derived, bar, copy, rankP }) => {
    const isMet = derived === 0 && copy === 'derived';
    return `Rule from ${String(nulls)} independent models (${model}): bar ${percent(Number(bar))} %; ${String(derived)} of ${String(suspects)} others "derived"; the copy that is 90 % pruned and reordered: ${String(copy)}, rank p = ${String(rankP)} (${isMet ? 'met' : '**missed**'}).`;
  });
}

export function describeLineage(results: Results): readonly string[] {
  const attacks = Object.keys(LINEAGE_ATTACKS).flatMap((name) =>
    MODEL_NAMES.flatMap((model) => describeAttack(results, name, model)),
  );
  if (attacks.length === 0) return [];
  const pairs = MODEL_NAMES.flatMap((model) => describePairs(results, model));
  return [
    '## Lineage without a mark',
    `Copies of unmarked models, judged by the built-in rule (derived above ${percent(BUILT_IN.derivedShare)} % of neurons matched twice alike, in ${BUILT_IN.layersMin} layers) or by their order in the file (at least 64 bits). One figure per seed; row ids end in "lineage-…".`,
    [
      line('attack', 'model', 'matched twice %', 'order bits', 'verdict', 'accuracy %', 'bar'),
      ...[rule(7), ...attacks],
    ].join('\n'),
    'Independent models of the same data, every pair of them:',
    [
      line('model', 'pairs', 'derived / unrelated / cannot tell', 'largest share %', 'largest order bits', 'bar'),
      ...[rule(6), ...pairs],
    ].join('\n'),
    ...MODEL_NAMES.flatMap((model) => describeCalibrated(results, model)),
  ];
}
