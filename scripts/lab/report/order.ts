/** docs/lab.md: the codes that name a recipient. */
import { COLLUDERS, MIXINGS, ORDER_ATTACKS, ORDER_PLAN } from '../rows/order.ts';
import { type Figures, type Results, toRowId } from '../types.ts';
import { line, rule, show } from './table.ts';

const percent = (value: unknown): string => (100 * Number(value)).toFixed(2);

function toNamed(figures: Figures): string[] {
  return [
    show(figures, 'named'),
    `${show(figures, 'agreements')} of ${show(figures, 'channels')}`,
    show(figures, 'orderBits'),
    `${show(figures, 'tagErrors')} of ${show(figures, 'tagBits')}${figures.decoded === 'yes' ? ', decoded' : ''}`,
    show(figures, 'payloadBits'),
    `${show(figures, 'ownVerdict')} (${show(figures, 'ownBits')})`,
    percent(figures.accuracy),
  ];
}

const HEAD = [
  'named',
  'neurons in place',
  'order (bits)',
  'tag bits wrong',
  'payload (bits)',
  'own mark',
  'accuracy %',
];

function describeFidelity(results: Results): string[] {
  const rows = Object.keys(ORDER_PLAN).flatMap((model) => {
    const figures = results.get(toRowId(model, '1', 'order-fidelity'));
    if (figures === undefined) return [];
    const same = `${show(figures, 'argmaxSame')} of ${show(figures, 'samples')}`;
    const accuracies = ['accuracyMarked', 'accuracyPayload', 'accuracyCopy'].map((key) => percent(figures[key]));
    return [line(model, same, ...accuracies)];
  });
  if (rows.length === 0) return [];
  const head = line('model', 'same class after moving', 'marked %', 'with payload %', 'recipient’s copy %');
  return [[head, rule(5), ...rows].join('\n')];
}

function describeAttacks(results: Results): string[] {
  const rows = Object.entries(ORDER_PLAN).flatMap(([model, attacks]) =>
    attacks.flatMap((attack) => {
      const figures = results.get(toRowId(model, '1', `order-${attack}`));
      return figures === undefined ? [] : [line(model, ORDER_ATTACKS[attack].title, ...toNamed(figures))];
    }),
  );
  return rows.length === 0 ? [] : [[line('model', 'attack', ...HEAD), rule(9), ...rows].join('\n')];
}

const MIXING_WORDS = { average: 'averaged', layers: 'tensors taken in turn', rows: 'rows taken in turn' } as const;

function describeCollusions(results: Results): string[] {
  const rows = COLLUDERS.flatMap((count) =>
    MIXINGS.flatMap((how) =>
      ['', '-aligned'].flatMap((suffix) => {
        const figures = results.get(toRowId('mlp', '1', `order-collusion-${count}-${how}${suffix}`));
        const words = `${MIXING_WORDS[how]}${suffix === '' ? '' : ', put in one order first'}`;
        return figures === undefined ? [] : [line(count, words, ...toNamed(figures))];
      }),
    ),
  );
  if (rows.length === 0) return [];
  return [
    'Copies of several recipients made into one (MLP). Copies in different orders do not fit together: what colluders get by',
    'mixing them as they are is no model any more. Those who put them in one order first have no order left to betray them, and',
    'keep those bits of the payload that they share.',
    '',
    [line('copies', 'mixed', ...HEAD), rule(9), ...rows].join('\n'),
  ];
}

function describeNulls(results: Results): string[] {
  return ['mlp', 'cnn'].flatMap((model) => {
    const figures = results.get(toRowId(model, '1', 'order-null'));
    if (figures === undefined) return [];
    const [named, suspects] = [show(figures, 'named'), show(figures, 'suspects')];
    return [
      `Nobody may be named (${model}): ${named} of ${suspects} suspects (copies of recipients outside of a register of ${show(figures, 'recipients')}, independent models of the same data, the marked copy, the original) named somebody; the most evidence was ${show(figures, 'evidenceBitsMax')} bits, ${show(figures, 'agreementsMax')} neurons in place. Aligned independent models had a cosine of at most ${show(figures, 'likenessNullMax')} with the original.`,
    ];
  });
}

export function describeOrder(results: Results): string[] {
  const parts = [
    ...describeFidelity(results),
    ...describeAttacks(results),
    describeCollusions(results).join('\n'),
    ...describeNulls(results),
  ].filter((part) => part !== '');
  if (parts.length === 0) return [];
  return [
    '## Recipients',
    [
      'Order of neurons and payload of one recipient of 10,000 (docs/spec/recipient-code.md). Evidence is after all trials; 64 bits',
      'flag, 128 bits claim. Bars: the same class on every input after moving; every neuron in place after 100 epochs (on 2,000',
      'images for the MLP and 300 for the CNN), 75 % pruning and int4; the right one of 10,000 named; nobody named wrongly.',
    ].join('\n'),
    ...parts,
  ];
}
