/** Attacks that need data and training; parameters of the public robustness toolbox where it has them. */
import { pruneRows, pruneSmallest } from '../kernels/prune.ts';
import { shiftFilters } from '../kernels/noise.ts';
import { roundToInts } from '../kernels/round.ts';
import type { Weights } from '../../spec.ts';
import type { Trainer } from '../training/trainer.ts';
import type { ModelAttack, StrengthKind } from './types.ts';

const EPOCHS: StrengthKind = { kind: 'number', min: 1, max: 1000, isWhole: true };
/** Softening of the teacher's answers. */
const TEMPERATURE = 3;

/** Of the neurons of a block, what fine-pruning takes in the public robustness toolbox. */
const BLOCK_SHARE = 0.96;

type Train = (trainer: Trainer, strength: number, seed: string) => Weights;

function row(
  attack: Omit<ModelAttack, 'group' | 'run' | 'accepts' | 'unit'> & Partial<ModelAttack>,
  act: Train,
): ModelAttack {
  return {
    ...{ group: 'training', unit: 'epochs', accepts: EPOCHS },
    ...attack,
    run: (model, strength, tools) => {
      const trainer = tools.trainer();
      return { plan: trainer.toPlan(act(trainer, Number(strength), tools.seed)), name: model.files[0].name };
    },
  };
}

/** Changes matrices and kernels; biases and statistics stay. */
function mapMatrices(weights: Weights, change: (values: Float32Array, name: string) => Float32Array): Weights {
  return new Map(
    [...weights].map(([name, values]) => [name, name.endsWith('.weight') ? change(values, name) : values]),
  );
}

/** Matrices and kernels have more values than rows; scales of a normalisation have not. */
function isMatrixOf({ rows, marked }: Trainer, name: string): boolean {
  return name.endsWith('.weight') && (marked.get(name)?.length ?? 0) > (rows.get(name) ?? 0);
}

export const TRAINING_ATTACKS: readonly ModelAttack[] = [
  row({ id: 'ftal', title: 'all layers fine-tuned (FTAL)', strengths: ['5', '10'] }, (trainer, epochs) =>
    trainer.tune({ epochs, layers: 'all' }),
  ),
  row({ id: 'ftll', title: 'last layer fine-tuned (FTLL)', strengths: ['5'] }, (trainer, epochs) =>
    trainer.tune({ epochs, layers: 'last' }),
  ),
  row({ id: 'rtal', title: 'last layer restarted, all trained (RTAL)', strengths: ['5'] }, (trainer, epochs) =>
    trainer.tune({ epochs, layers: 'all', isRestarted: true }),
  ),
  row({ id: 'rtll', title: 'last layer restarted and trained (RTLL)', strengths: ['10'] }, (trainer, epochs) =>
    trainer.tune({ epochs, layers: 'last', isRestarted: true }),
  ),
  row({ id: 'transfer', title: 'trained on another task', strengths: ['10'] }, (trainer, epochs) =>
    trainer.transfer(epochs),
  ),
  row(
    { id: 'fine-prune', title: 'half of the weights pruned, then fine-tuned', strengths: ['10'] },
    (trainer, epochs) => {
      const from = mapMatrices(trainer.marked, (values) => pruneSmallest(values, 0.5));
      return trainer.tune({ epochs, layers: 'all', from });
    },
  ),
  row(
    {
      ...{ id: 'fine-prune-block', title: '96 % of the neurons of the last hidden layer zeroed, then fine-tuned' },
      strengths: ['10'],
    },
    (trainer, epochs) => {
      const block = [...trainer.rows.keys()].filter((name) => isMatrixOf(trainer, name)).at(-2);
      const from = mapMatrices(trainer.marked, (values, name) =>
        name === block ? pruneRows(values, trainer.rows.get(name)!, BLOCK_SHARE) : values,
      );
      return trainer.tune({ epochs, layers: 'all', from });
    },
  ),
  row(
    {
      ...{
        id: 'quantize-tune',
        title: 'few bits per weight, then an epoch of training',
        strengths: ['5'],
        unit: 'bits',
      },
      accepts: { kind: 'number', min: 2, max: 8, isWhole: true },
    },
    (trainer, bits) => {
      const from = mapMatrices(trainer.marked, (values) => roundToInts(values, bits, values.length));
      return trainer.tune({ epochs: 1, layers: 'all', from });
    },
  ),
  row(
    {
      ...{
        id: 'weight-decay',
        title: '20 epochs with strong weight decay',
        isLossExpected: true,
        strengths: ['0.02'],
        unit: 'decay',
      },
      accepts: { kind: 'number', min: 0, max: 1 },
    },
    (trainer, weightDecay) => trainer.tune({ epochs: 20, layers: 'all', weightDecay }),
  ),
  row(
    {
      ...{
        id: 'regularize',
        title: '5 epochs with weight decay, then 5 without',
        isLossExpected: true,
        strengths: ['0.1'],
        unit: 'decay',
      },
      accepts: { kind: 'number', min: 0, max: 1 },
    },
    (trainer, weightDecay) => {
      const from = trainer.tune({ epochs: 5, layers: 'all', weightDecay });
      return trainer.tune({ epochs: 5, layers: 'all', from });
    },
  ),
  row(
    {
      ...{ id: 'shift-tune', title: 'weight shifting, then 10 epochs', strengths: ['1.5'], unit: 'lambda' },
      accepts: { kind: 'number', min: 0, max: 10 },
    },
    (trainer, strength, seed) => {
      const shapes = trainer.rows;
      const from = mapMatrices(trainer.marked, (values, name) =>
        shiftFilters(values, shapes.get(name) ?? 1, strength, `${seed}/${name}/shift`),
      );
      return trainer.tune({ epochs: 10, layers: 'all', from });
    },
  ),
  row(
    { id: 'distill', title: 'distilled into a fresh network', isLossExpected: true, strengths: ['20'] },
    (trainer, epochs) => trainer.distill({ epochs, temperature: TEMPERATURE }),
  ),
  row(
    { id: 'extract', title: 'fresh network trained on answered labels', isLossExpected: true, strengths: ['20'] },
    (trainer, epochs) => trainer.extract(epochs),
  ),
];
