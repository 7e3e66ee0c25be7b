/** The head of docs/lab.md, and the mark's results against their bars, in tables. */
import { MODEL_NAMES, type ModelName, RECIPES } from '../../../src/lab/index.ts';
import { toBinomialBounds, toHardRegion } from '../../../test/fakes/null-keys.ts';
import { ATTACKS } from '../attacks.ts';
import { FIDELITY_COUNT, KEY_COUNT, LEVELS, PLAN } from '../rows/mark.ts';
import { CALIBRATION_COUNT } from '../subjects.ts';
import { type Figures, type Results, toRowId } from '../types.ts';
import { line, rule, show } from './table.ts';

const seedsOf = (model: ModelName): string[] => Array.from({ length: PLAN[model].seeds }, (_, i) => String(i + 1));
const points = (value: number): string => `${value >= 0 ? '+' : ''}${(100 * value).toFixed(3)}`;

function pick(results: Results, model: ModelName, measurement: string): { seed: string; figures: Figures }[] {
  return seedsOf(model).flatMap((seed) => {
    const figures = results.get(toRowId(model, seed, measurement));
    return figures === undefined ? [] : [{ seed, figures }];
  });
}

/** Accuracy change of paired samples, with the normal 95 % interval of a difference of matched proportions. */
function toChange(list: readonly Figures[]): { change: number; half: number } {
  const sum = (key: string): number => list.reduce((total, figures) => total + Number(figures[key]), 0);
  const samples = sum('samples');
  const change = (sum('won') - sum('lost')) / samples;
  const variance = (sum('won') + sum('lost')) / samples - change * change;
  return { change, half: 1.96 * Math.sqrt(variance / samples) };
}

function describeFidelity(results: Results, model: ModelName): string[] {
  const found = pick(results, model, 'fidelity');
  if (found.length === 0) return [];
  const lines = found.map(({ seed, figures }) => {
    const { change, half } = toChange([figures]);
    const accuracy = (100 * Number(figures.accuracyOriginal)).toFixed(2);
    const agreement = (100 * Number(figures.argmaxAgreement)).toFixed(2);
    const cells = [model, seed, accuracy, `${points(change)} ± ${(100 * half).toFixed(3)}`, agreement];
    const rest = ['tau', 'relativeDistortion', 'original', 'marked'].map((key) => show(figures, key));
    return line(...cells, ...rest);
  });
  const pooled = toChange(found.map(({ figures }) => figures));
  const isInside = Math.abs(pooled.change) + pooled.half <= 0.001;
  const worst = Math.min(...found.map(({ figures }) => toChange([figures]).change));
  const verdict = isInside && worst >= -0.005 ? 'met' : '**missed**';
  const interval = `${points(pooled.change - pooled.half)} to ${points(pooled.change + pooled.half)}`;
  const summary = `${points(pooled.change)}, interval ${interval}; bar ± 0.1, no seed worse than -0.5: ${verdict}`;
  return [...lines, line(model, 'pooled', '', summary, '', '', '', '', '')];
}

function isMet(bar: string, figures: Figures): boolean {
  if (bar === '0 bit errors') return figures.bitErrors === 0;
  if (bar === 'at least 64 bits') return Number(figures.evidenceBits) >= 64;
  if (bar === 'verdict none') return figures.verdict === 'none';
  return true;
}

/** One line per attack and model: bit errors, evidence and accuracy of each seed. */
function describeAttack(results: Results, name: string, model: ModelName): string[] {
  const found = pick(results, model, name);
  if (found.length === 0) return [];
  const { title, bar } = ATTACKS[name];
  const each = (format: (figures: Figures) => string): string => found.map(({ figures }) => format(figures)).join(', ');
  const hasBar = bar !== '' && bar !== 'reported';
  const verdict = found.every(({ figures }) => isMet(bar, figures)) ? 'met' : '**missed**';
  return [
    line(
      ...[
        title,
        model,
        each((figures) => show(figures, 'bitErrors')),
        each((figures) => show(figures, 'evidenceBits')),
      ],
      ...[[...new Set(found.map(({ figures }) => show(figures, 'verdict')))].join(', ')],
      ...[each((figures) => (100 * Number(figures.accuracy)).toFixed(1)), hasBar ? `${bar}: ${verdict}` : 'reported'],
    ),
  ];
}

function describeNulls(results: Results, model: ModelName): string[] {
  const { nulls, seeds } = PLAN[model];
  const found = Array.from({ length: nulls }, (_, i) => results.get(toRowId(model, `null-${i + 1}`, 'null'))).filter(
    (figures): figures is Figures => figures !== undefined,
  );
  if (found.length === 0) return [];
  const bits = found.flatMap((figures) => figures.evidenceBits as number[]);
  const largest = Math.max(...bits);
  const verdict = largest < 20 ? 'met' : '**missed**';
  return [line(model, found.length, seeds, bits.length, largest, `below 20 bits: ${verdict}`)];
}

function describeKeys(results: Results, model: ModelName): string[] {
  const figures = results.get(toRowId(model, '1', 'keys'));
  if (figures === undefined) return [];
  const [hard, soft, final] = [figures.hardCounts, figures.softCounts, figures.finalCounts] as number[][];
  const exact = LEVELS.map((alpha) => toBinomialBounds(KEY_COUNT, toHardRegion(Number(figures.bits), alpha).size));
  const highs = LEVELS.map((alpha) => toBinomialBounds(KEY_COUNT, alpha).high);
  const isHardInside = hard.every((count, index) => count >= exact[index].low && count <= exact[index].high);
  const isInside = [soft, final].every((list) => list.every((count, index) => count <= highs[index]));
  const bounds = exact.map(({ low, high }) => `${low}-${high}`).join(' / ');
  const cells = [model, show(figures, 'keys'), `${hard.join(' / ')} (${bounds})`, soft.join(' / '), final.join(' / ')];
  const verdict = isHardInside && isInside ? 'met' : '**missed**';
  return [line(...cells, highs.join(' / '), show(figures, 'evidenceBitsMax'), verdict)];
}

function describeRecipes(): string[] {
  return MODEL_NAMES.map((model) => {
    const { trainCount, options } = RECIPES[model];
    const { optimizer, learningRate, weightDecay, epochs, batch } = options;
    return line(model, trainCount, epochs, batch, `${optimizer} ${learningRate}, decay ${weightDecay}`, trainCount / 4);
  });
}

export function describeMark(results: Results): readonly string[] {
  const models = MODEL_NAMES;
  return [
    '# Robustness battery',
    'Written by `npm run lab`; do not edit. Every figure is in `lab.json` under the id "model.seed.measurement", and\n`npm run lab -- --rows 2 --random SEED` recomputes two of them from nothing and compares. Models, data and attacks\nare made by `src/lab` from seeds; the attacks share no code with the aligner or the detector, except that\noverwriting calls the embedder, as a thief would. A missed bar is printed as missed.',
    'Small networks on one generated task: the figures say how the mark behaves here, not on every model.',
    '## Models',
    'All models of a kind are trained on the same images and differ in start values and order. A thief has a quarter as\nmany images, fresh ones, and fine-tunes with the training settings at a rate that stays at its peak.',
    [line('model', 'images', 'epochs', 'batch', 'optimizer', "thief's images"), rule(6), ...describeRecipes()].join(
      '\n',
    ),
    '## Fidelity',
    `Marks are calibrated on the first ${CALIBRATION_COUNT} training images, labels unused. Paired on ${FIDELITY_COUNT} fresh samples per seed; changes in points of accuracy, with 95 % intervals.`,
    [
      line('model', 'seed', 'accuracy %', 'change', 'same class %', 'tau', 'distortion', 'original', 'marked'),
      ...[rule(9), ...models.flatMap((model) => describeFidelity(results, model))],
    ].join('\n'),
    '## Attacks',
    'Bit errors of 256, evidence in bits after all trials and accuracy in per cent, one figure per seed. Errors are those\nof the better reading, by name or aligned to the original; both count as trials.',
    [
      line('attack', 'model', 'bit errors', 'evidence', 'verdict', 'accuracy', 'bar'),
      rule(7),
      ...Object.keys(ATTACKS).flatMap((name) => models.flatMap((model) => describeAttack(results, name, model))),
    ].join('\n'),
    '## Independent models',
    'Models trained on the same data without the mark, read with every owner’s key and original.',
    [
      line('model', 'null models', 'owners', 'readings', 'largest evidence (bits)', 'bar'),
      ...[rule(6), ...models.flatMap((model) => describeNulls(results, model))],
    ].join('\n'),
    '## Keys that marked nothing',
    'How many keys reach a p-value of 0.1 / 0.01 / 0.001 on a marked model that another\nkey marked. Hard p-values are discrete and exact, so their counts must lie inside the 99.9 % binomial bounds of the test’s\nexact size; soft and final ones may only be too few (upper bound of the level).',
    [
      line('model', 'keys', 'hard (bounds)', 'soft', 'final', 'upper bound', 'largest evidence (bits)', 'bar'),
      ...[rule(8), ...models.flatMap((model) => describeKeys(results, model))],
    ].join('\n'),
  ];
}
