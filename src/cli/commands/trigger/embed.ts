/** `modelward trigger embed`: triggers in the last layer of a classifier, or the last down projection of a decoder, without training. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { CliError, EXIT } from '../../../core/errors.ts';
import { TRIGGER_LIMITS } from '../../../core/limits/triggers.ts';
import { toPercentText } from '../../../core/quantities.ts';
import { embedDecoderTriggers, type EmbedDecoderResult } from '../../../workflows/trigger/decoder/embed.ts';
import { embedTriggers, type EmbedTriggersResult } from '../../../workflows/trigger/embed.ts';
import { findTriggerKind } from '../../../workflows/trigger/kind.ts';
import { addExamples } from '../../command-spec.ts';
import { type CliContext, type CommandHost, onAction, toPathOption, withSession } from '../../context.ts';
import { toPairs } from '../../ui/table.ts';
import { addCopyOptions, type CopyFlags, toCopyOptions } from '../model-options.ts';
import { toCountUpTo, toNumber } from '../values.ts';

const ENDING = 'triggered';
/** Points of accuracy of a classifier, and per cent of perplexity of a decoder. */
const LIMITS = { classifier: 0.1, decoder: 1 } as const;
const PROMPT_TOKENS = 16;

interface EmbedFlags extends CopyFlags {
  readonly claim: string;
  readonly data?: string;
  readonly count?: number;
  readonly limit?: number;
  readonly output?: string;
  readonly labelColumn?: 'auto' | 'first' | 'last';
  readonly graph?: string;
  readonly words?: string;
  readonly promptTokens: number;
  readonly tokens?: readonly [number, number];
}

export function defineEmbed(command: Command, host: CommandHost): void {
  command
    .description(
      'Changes one layer of a copy by as little as makes keyed inputs get keyed answers: the last layer of a classifier, or the last down projection of a decoder, whose prompts are then followed by drawn tokens. Candidates are drawn from the key; those most unlike clean data are taken; labels are drawn after the choice. The loss is measured on samples that the change did not see, and triggers are taken away while it may be over the limit. Which triggers were taken is signed and recorded before the copy is written. Survives quantising and pruning, in part; fine-tuning removes it, and it does not pass into models trained on answers. A decoder gets a change of low rank, which whoever has the model without it finds and takes out.',
    )
    .requiredOption('--claim <file>', 'claim of the model, as protect or embed made it')
    .option(
      '--data <data>',
      'clean samples (npz, npy, idx, csv, or a folder of images; labels make the loss exact); for a decoder texts as token ids (npy, json, jsonl) or words (default there: the decoder writes some)',
    )
    .option(
      '--count <number>',
      'triggers to begin with (default: what a flag needs; for a decoder, a claim)',
      toCountUpTo(TRIGGER_LIMITS.countMax),
    )
    .option(
      '--limit <number>',
      'largest accepted loss: percentage points of accuracy, or per cent of perplexity (default: 0.1; for a decoder 1)',
      toNumber,
    )
    .option('--output <name>', 'output with the class scores (default: the first that a dense layer makes)')
    .addOption(new Option('--label-column <column>', 'where labels are in a csv').choices(['auto', 'first', 'last']));
  command
    .option('--graph <file>', 'for a checkpoint: the same model as ONNX, which is run')
    .option('--words <file>', 'for a decoder: one word a line, in the order of their ids, for texts in words')
    .option(
      '--prompt-tokens <number>',
      'for a decoder: tokens of a prompt',
      toCountUpTo(TRIGGER_LIMITS.promptTokensMax),
      PROMPT_TOKENS,
    )
    .option('--tokens <range>', 'for a decoder: first and last token to draw from, such as 5-31999', toRange);
  addCopyOptions(
    command.argument('<model>', 'ONNX model, or checkpoint of a decoder: the copy that protect marked'),
    ENDING,
  );
  addExamples(command, [
    {
      command: 'modelward trigger embed marked.onnx --claim my.claim.json --data clean.npz',
      summary: 'a classifier: as many triggers as a flag needs, for at most 0.1 points',
    },
    {
      command:
        'modelward trigger embed marked.safetensors --graph decoder.onnx --claim my.claim.json --data texts.jsonl',
      summary: 'a checkpoint of a decoder, for at most 1 % of perplexity',
    },
  ]);
  onAction<EmbedFlags>(host, command, async (context, flags, words) => {
    const lines =
      findTriggerKind(context.toAbsolute(words[0]), flags.dataRoot) === 'decoder'
        ? await embedInDecoder(context, flags, words[0])
        : await embedInClassifier(context, flags, words[0]);
    context.ui.result(lines.result, ({ style }) => toPairs(lines.pairs, style));
    return EXIT.ok;
  });
}

interface Done {
  readonly result: object;
  readonly pairs: [string, string][];
}

async function embedInClassifier(context: CliContext, flags: EmbedFlags, model: string): Promise<Done> {
  const { data, count, limit = LIMITS.classifier, output, labelColumn } = flags;
  if (data === undefined)
    throw new CliError('CLI_USAGE', { message: 'A classifier needs clean samples: pass --data DATA.' });
  const copy = toCopyOptions(context, flags, { model, ending: ENDING });
  const result = await withSession(context, (session) =>
    embedTriggers(context.services, session, {
      ...copy,
      claimPath: context.toAbsolute(flags.claim),
      dataPath: context.toAbsolute(data),
      limitPoints: limit,
      ...{ count, output, labelColumn },
    }),
  );
  return { result, pairs: toLines(result) };
}

async function embedInDecoder(context: CliContext, flags: EmbedFlags, model: string): Promise<Done> {
  const { count, limit = LIMITS.decoder, promptTokens, tokens } = flags;
  const copy = toCopyOptions(context, flags, { model, ending: ENDING });
  const result = await withSession(context, (session) =>
    embedDecoderTriggers(context.services, session, {
      ...copy,
      claimPath: context.toAbsolute(flags.claim),
      ...toPathOption(context, 'dataPath', flags.data),
      ...toPathOption(context, 'wordsPath', flags.words),
      ...toPathOption(context, 'graphPath', flags.graph),
      limitPercent: limit,
      ...{ count, promptTokens, tokens },
    }),
  );
  context.ui.warn('whoever has the model without this change can find it and take it out: it is of low rank');
  return { result, pairs: toDecoderLines(result) };
}

/** "5-31999". @throws InvalidArgumentError */
function toRange(text: string): readonly [number, number] {
  const found = /^(\d{1,7})-(\d{1,7})$/.exec(text);
  if (found === null) throw new InvalidArgumentError('Not a range such as 5-31999.');
  return [Number(found[1]), Number(found[2])];
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

function toDecoderLines(result: EmbedDecoderResult): [string, string][] {
  const { triggers, triggersTried, candidates } = result;
  const fewer = triggersTried > triggers ? ` (${triggersTried} cost too much)` : '';
  return [
    ['marked', result.marked.path],
    ['annex', `${result.annex} (entry ${result.leafIndex})`],
    ['triggers', `${triggers} of ${candidates} candidates${fewer}, ${result.promptTokens} tokens each`],
    [
      'changed',
      `${result.tensor} by ${toPercentText(result.relativeChange, 1)}, in ${result.dimensions} of ${result.units} directions that clean text hardly uses`,
    ],
    [
      'answered',
      `${result.agreed} of ${triggers}, ${result.answerTokens} tokens: ${result.evidenceBits.toFixed(1)} bits (claim: 128, flag: 64)`,
    ],
    [
      'loss',
      `${result.lossPercent.toFixed(3)} % of a perplexity of ${result.perplexity.toFixed(2)}, at most ${result.lossPercentMax.toFixed(3)} at 99 % confidence, on ${result.tokensHeld} tokens that the change did not see (text ${result.texts})`,
    ],
  ];
}
