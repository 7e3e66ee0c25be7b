/** `modelward trigger embed`: triggers in the last layer, without training. */
import { type Command, Option } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { TRIGGER_LIMITS } from '../../../core/limits/triggers.ts';
import { toPercentText } from '../../../core/quantities.ts';
import { embedTriggers, type EmbedTriggersResult } from '../../../workflows/trigger/embed.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction, withSession } from '../../context.ts';
import { toPairs } from '../../ui/table.ts';
import { addCopyOptions, type CopyFlags, toCopyOptions } from '../model-options.ts';
import { toCountUpTo, toNumber } from '../values.ts';

const ENDING = 'triggered';

interface EmbedFlags extends CopyFlags {
  readonly claim: string;
  readonly data: string;
  readonly count?: number;
  readonly limit: number;
  readonly output?: string;
  readonly labelColumn?: 'auto' | 'first' | 'last';
}

export function defineEmbed(command: Command, host: CommandHost): void {
  command
    .description(
      'Changes the last layer of a copy by as little as makes keyed inputs get keyed answers. Candidates are drawn from the key; those most unlike clean data are taken; labels are drawn after the choice. The loss is measured on samples that the change did not see, and triggers are taken away while it may be over the limit. Which triggers were taken is signed and recorded before the copy is written. Survives quantising and pruning; fine-tuning removes it, and it does not pass into models trained on answers.',
    )
    .requiredOption('--claim <file>', 'claim of the model, as protect or embed made it')
    .requiredOption(
      '--data <data>',
      'clean samples (npz, npy, idx, csv, or a folder of images); labels make the loss exact',
    )
    .option(
      '--count <number>',
      'triggers to begin with (default: what a flag needs)',
      toCountUpTo(TRIGGER_LIMITS.countMax),
    )
    .option('--limit <points>', 'largest accepted loss of accuracy, percentage points', toNumber, 0.1)
    .option('--output <name>', 'output with the class scores (default: the first that a dense layer makes)')
    .addOption(new Option('--label-column <column>', 'where labels are in a csv').choices(['auto', 'first', 'last']));
  addCopyOptions(command.argument('<model>', 'ONNX classifier: the copy that protect marked'), ENDING);
  addExamples(command, [
    {
      command: 'modelward trigger embed marked.onnx --claim my.claim.json --data clean.npz',
      summary: 'as many triggers as a flag needs, for at most 0.1 points',
    },
  ]);
  onAction<EmbedFlags>(host, command, async (context, flags, words) => {
    const copy = toCopyOptions(context, flags, { model: words[0], ending: ENDING });
    const { count, limit, output, labelColumn } = flags;
    const result = await withSession(context, (session) =>
      embedTriggers(context.services, session, {
        ...copy,
        claimPath: context.toAbsolute(flags.claim),
        dataPath: context.toAbsolute(flags.data),
        limitPoints: limit,
        ...{ count, output, labelColumn },
      }),
    );
    context.ui.result(result, ({ style }) => toPairs(toLines(result), style));
    return EXIT.ok;
  });
}

function toLines(result: EmbedTriggersResult): [string, string][] {
  const { triggers, triggersTried, candidates, fidelity } = result;
  const fewer = triggersTried > triggers ? ` (${triggersTried} cost too much)` : '';
  const judged = result.hasLabels ? 'points of accuracy' : 'points of answers changed (labels did not fit)';
  const lines: [string, string][] = [
    ['marked', result.marked.path],
    ['annex', `${result.annex} (entry ${result.leafIndex})`],
    ['triggers', `${triggers} of ${candidates} candidates${fewer}`],
    [
      'last layer',
      `${result.features} features, ${result.classes} classes, changed by ${toPercentText(result.relativeChange, 1)}`,
    ],
    ['answered', `${result.agreed} of ${triggers}: ${result.evidenceBits.toFixed(1)} bits (claim: 128, flag: 64)`],
    [
      'loss',
      `${result.lossPoints.toFixed(3)} ${judged}, at most ${result.lossPointsMax.toFixed(3)} at 99 % confidence, on ${result.samplesHeld} samples that the change did not see`,
    ],
  ];
  if (fidelity !== null) lines.push(['inputs', result.inputs]);
  return lines;
}
