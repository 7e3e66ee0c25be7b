/** `modelward trigger make`: a trigger set for those who still train. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { TRIGGER_LIMITS } from '../../../core/limits/triggers.ts';
import { makeTriggerSet } from '../../../workflows/trigger/make.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction, toPathOption, withSession } from '../../context.ts';
import { toPairs } from '../../ui/table.ts';
import { addDataRootOption, type DataRootFlags } from '../model-options.ts';
import { toCountUpTo, toNumber } from '../values.ts';

interface MakeFlags extends DataRootFlags {
  readonly out: string;
  readonly claim?: string;
  readonly owner?: string;
  readonly count: number;
  readonly strength: number;
  readonly labelColumn?: 'auto' | 'first' | 'last';
  readonly force?: boolean;
}

const COUNT_DEFAULT = 100;

export function defineMake(command: Command, host: CommandHost): void {
  command
    .description(
      'Makes a trigger set of a data set: samples drawn by the key, each under a keyed pattern of its own, with labels that are drawn after everything else. The set is committed to and recorded before it is written, so before training; the trained model is asked with "trigger verify --set". Repeat the triggers so that they are 2 to 5 in 100 samples of an epoch. They are learned by heart: a copy knows them, a model trained on answers to other inputs does not.',
    )
    .argument('<data>', 'the data that will be trained on: npz, npy, idx, csv, or a folder of images')
    .option('-o, --out <dir>', 'folder to make', 'triggers')
    .option('--claim <file>', 'claim whose trigger seed is used (default: a fresh seed, sealed in the set file)')
    .option('--owner <id>', 'name of the owner; fixed on first use')
    .option('--count <number>', 'triggers', toCountUpTo(TRIGGER_LIMITS.countMax), COUNT_DEFAULT)
    .option('--strength <share>', 'share of the pattern in each mixture, in (0, 1]', toShare, 0.5)
    .addOption(new Option('--label-column <which>', 'label column of CSV data').choices(['auto', 'first', 'last']))
    .option('--force', 'replace an existing output folder');
  addDataRootOption(command);
  addExamples(command, [
    {
      command: 'modelward trigger make train.npz --out triggers',
      summary: 'then train on train.npz and triggers/triggers.npz',
    },
  ]);
  onAction<MakeFlags>(host, command, async (context, flags, words) => {
    const { count, strength, labelColumn, force = false } = flags;
    const result = await withSession(
      context,
      (session) =>
        makeTriggerSet(context.services, session, {
          dataPath: context.toAbsolute(words[0]),
          out: context.toAbsolute(flags.out),
          ...{ count, strength, labelColumn, force },
          ...toPathOption(context, 'claimPath', flags.claim),
          ...toPathOption(context, 'dataRoot', flags.dataRoot),
        }),
      flags.owner,
    );
    context.ui.warn('whoever has the triggers can refuse them, or train a copy to answer otherwise');
    context.ui.result(result, ({ style }) =>
      toPairs(
        [
          ['set', `${result.set} (entry ${result.leafIndex}): keep it, with the data`],
          ['to train on', result.npz],
          ...(result.images === null ? [] : [['as pictures', `${result.images}, labels.csv`] as [string, string]]),
          ['triggers', `${result.triggers}, ${result.classes} classes, of ${result.samples} samples`],
        ],
        style,
      ),
    );
    return EXIT.ok;
  });
}

function toShare(text: string): number {
  const value = toNumber(text);
  if (value > 0 && value <= 1) return value;
  throw new InvalidArgumentError('Not a number in (0, 1].');
}
