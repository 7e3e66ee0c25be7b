/** docs/lab.md: triggers in the last layer, trigger sets and marks that were trained in. */
import { TRAINED, TRIGGER_PLAN } from '../rows/triggers.ts';
import type { ModelName } from '../../../src/lab/index.ts';
import { type Figures, type Results, toRowId } from '../types.ts';
import { line, rule, show } from './table.ts';

const COPIES = ['int8', 'int4', 'prune25', 'prune50', 'prune75', 'fineTune', 'distill', 'extract'];

/** Change of accuracy in points, from samples won and lost. */
function toPoints(figures: Figures, won: string, lost: string): string {
  const points = (100 * (Number(figures[won]) - Number(figures[lost]))) / Number(figures.samples);
  return `${points >= 0 ? '+' : ''}${points.toFixed(3)}`;
}

function pick(
  results: Results,
  seedsOf: readonly (readonly [ModelName, string])[],
  name: string,
): { id: string; figures: Figures }[] {
  return seedsOf.flatMap(([model, seed]) => {
    const figures = results.get(toRowId(model, seed, name));
    return figures === undefined ? [] : [{ id: `${model} ${seed}`, figures }];
  });
}

export function describeTriggers(results: Results): readonly string[] {
  const seeds = (Object.keys(TRIGGER_PLAN) as ModelName[]).flatMap((model) =>
    TRIGGER_PLAN[model].map((seed) => [model, seed] as const),
  );
  const trained = TRAINED.map((model) => [model, '1'] as const);
  return [
    ...describeLastLayer(pick(results, seeds, 'triggers')),
    ...describeSets(pick(results, trained, 'trigger-set')),
    ...describePlans(pick(results, trained, 'train-plan')),
  ];
}

type Rows = readonly { readonly id: string; readonly figures: Figures }[];

function describeLastLayer(rows: Rows): string[] {
  if (rows.length === 0) return [];
  const head = [
    'model',
    'triggers',
    'margin',
    'accuracy, points',
    'the same unmined',
    'answered',
    'bits',
    ...COPIES,
    'most of a null',
  ];
  const lines = rows.map(({ id, figures }) =>
    line(
      ...[id, show(figures, 'triggers'), show(figures, 'marginShare'), toPoints(figures, 'won', 'lost')],
      ...[toPoints(figures, 'wonUnmined', 'lostUnmined'), show(figures, 'hits'), show(figures, 'bits')],
      ...COPIES.map((name) => show(figures, name)),
      `${Math.max(...(figures.nullHits as number[]))} (${show(figures, 'nullBits')} bits)`,
    ),
  );
  return [
    '## Triggers in the last layer',
    'Put in without training, at a limit of 0.1 points, which is kept at 99 % confidence on 40,000 images, each half judged by a change that the other half shaped; accuracy on 40,000 fresh ones. Then how many of the triggers each copy still answers as drawn: fine-tuning is 10 epochs at the training rate, distillation and extraction train a new model on answers. Chance is one in ten. "Unmined" are as many candidates as they come, with the best margin that they allow.',
    [line(...head), rule(head.length), ...lines].join('\n'),
  ];
}

function describeSets(rows: Rows): string[] {
  if (rows.length === 0) return [];
  const head = [
    'model',
    'accuracy against its twin, points',
    'answered',
    'bits',
    ...COPIES,
    'bits after fine-tuning',
    'most of a null',
  ];
  const lines = rows.map(({ id, figures }) =>
    line(
      ...[id, toPoints(figures, 'won', 'lost'), show(figures, 'hits'), show(figures, 'bits')],
      ...COPIES.map((name) => show(figures, name)),
      show(figures, 'bitsFineTune'),
      `${Math.max(...(figures.nullHits as number[]))} (${show(figures, 'nullBits')} bits)`,
    ),
  );
  return [
    '## Trigger sets that were trained in',
    '100 triggers of "modelward trigger make" (pattern and sample half and half), 3 in 100 samples of every epoch. The twin is trained from the same start on the clean data alone.',
    [line(...head), rule(head.length), ...lines].join('\n'),
  ];
}

function describePlans(rows: Rows): string[] {
  if (rows.length === 0) return [];
  const copies = COPIES.slice(0, 6);
  const head = [
    'model',
    'accuracy against its twin, points',
    'bits',
    'bit errors',
    'evidence',
    ...copies,
    'permuted',
    'evidence in the twin',
  ];
  const lines = rows.map(({ id, figures }) =>
    line(
      ...[
        id,
        toPoints(figures, 'won', 'lost'),
        show(figures, 'bits'),
        show(figures, 'bitErrors'),
        show(figures, 'evidenceBits'),
      ],
      ...[...copies, 'permuted', 'twinBits'].map((name) => show(figures, name)),
    ),
  );
  return [
    '## Marks that were trained in',
    'Planned with "modelward mark plan" on the untrained model, trained with strength 0.3, read with "detect". Bit errors after each attack; permuted copies are aligned to the untrained start.',
    [line(...head), rule(head.length), ...lines].join('\n'),
  ];
}
