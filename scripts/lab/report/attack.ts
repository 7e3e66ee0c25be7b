/** The battery of `modelward attack` in docs/lab.md, with what was expected of each attack. */
import { MODEL_ATTACKS, type ModelName } from '../../../src/lab/index.ts';
import {
  ATTACK_TEST_COUNT,
  ATTACKED,
  ATTACKED_SEED,
  type Expectation,
  type PlannedAttack,
  toMeasurement,
} from '../rows/attack.ts';
import { type Figures, type Results, toRowId } from '../types.ts';
import { line, rule, show } from './table.ts';

const MODELS = Object.keys(ATTACKED) as ModelName[];

function find(results: Results, model: ModelName, planned: PlannedAttack): Figures | undefined {
  return results.get(toRowId(model, ATTACKED_SEED, toMeasurement(planned)));
}

function isMet(expects: Expectation, { evidenceBits }: Figures): boolean {
  if (expects === 'loss expected') return true;
  return Number(evidenceBits) >= (expects === 'at least 128 bits' ? 128 : 64);
}

/** One line per attack and strength: evidence and accuracy of every model. */
function describeOne(results: Results, planned: PlannedAttack): string[] {
  const cells = MODELS.map((model) => find(results, model, planned));
  if (cells.every((figures) => figures === undefined)) return [];
  const { title } = MODEL_ATTACKS.find(({ id }) => id === planned.id)!;
  const verdict = cells.every((figures) => figures === undefined || isMet(planned.expects, figures));
  const bar =
    planned.expects === 'loss expected' ? 'loss expected' : `${planned.expects}: ${verdict ? 'met' : '**missed**'}`;
  const toCell = (figures: Figures | undefined): string => {
    if (figures === undefined) return '';
    const accuracy = Number(figures.accuracy);
    const shown = accuracy < 0 ? 'no graph' : `${(100 * accuracy).toFixed(1)} %`;
    return `${show(figures, 'evidenceBits')} (${shown})`;
  };
  return [line(title, planned.strength, ...cells.map(toCell), bar)];
}

export function describeAttacks(results: Results): readonly string[] {
  const planned = ATTACKED.cnn;
  const lines = planned.flatMap((one) => describeOne(results, one));
  if (lines.length === 0) return [];
  return [
    '## Attacks on model files',
    `What \`modelward attack\` runs, on seed ${ATTACKED_SEED} of each model: evidence in bits, and accuracy on ${ATTACK_TEST_COUNT} test images in brackets. Expectations\nwere written down before the rows ran. Neurons are moved and added in the graph itself, where no residual sum ties them;\nattacks that train read the graph back into the trainer and take the thief’s images at the training rate. Sign changes\nneed a batch normalisation, or an odd or linear function up to the next layer: the MLP and the transformer have none,\nso only their order and scale move.`,
    [line('attack', 'strength', ...MODELS, 'expected'), rule(MODELS.length + 3), ...lines].join('\n'),
  ];
}
