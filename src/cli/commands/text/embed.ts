/** `modelward text embed`: a green list in front of a decoder's scores. */
import { type Command, Option } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { toPercentText } from '../../../core/quantities.ts';
import { embedText, type EmbedTextResult } from '../../../workflows/text/embed.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction, toPathOption, withSession } from '../../context.ts';
import { toPairs } from '../../ui/table.ts';
import { addCopyOptions, type CopyFlags, toCopyOptions } from '../model-options.ts';
import { toNumber } from '../values.ts';

const ENDING = 'text-marked';

interface EmbedFlags extends CopyFlags {
  readonly claim: string;
  readonly bias: number;
  readonly share: '0.25' | '0.5';
  readonly buckets?: number;
  readonly tokens?: string;
  readonly logits?: string;
  readonly eval?: string;
  readonly words?: string;
  /** False with --no-measure. */
  readonly measure?: boolean;
}

export function defineTextEmbed(command: Command, host: CommandHost): void {
  command
    .description(
      'Writes a copy of a decoder whose scores favour, after each token, a keyed share of the vocabulary. What that does to its texts is measured. The parameters are recorded as an annex of the claim; the key follows from the claim’s seed.',
    )
    .argument('<model>', 'ONNX decoder: token ids [batch, tokens] to scores of the next token')
    .requiredOption('--claim <file>', 'claim that the mark belongs to')
    .option(
      '--bias <nats>',
      'added to the scores of favoured tokens: more is found sooner, and changes texts more',
      toNumber,
      2,
    )
    .addOption(
      new Option('--share <number>', 'share of tokens that are favoured').choices(['0.25', '0.5']).default('0.25'),
    )
    .option('--buckets <number>', 'rows of the table (default: 256, or as many as 32 MiB hold)', toNumber)
    .option('--tokens <name>', 'input with the token ids (default: input_ids, or the only one that fits)')
    .option('--logits <name>', 'output with the scores (default: logits, or the only one that fits)')
    .option('--eval <file>', 'texts to measure the effect on: token ids (json, jsonl, npy), or text with --words')
    .option('--words <file>', 'the vocabulary, one word per line in the order of the ids')
    .option('--no-measure', 'do not run the model before and after');
  addCopyOptions(command, ENDING);
  addExamples(command, [
    {
      command: 'modelward text embed decoder.onnx --claim decoder.claim.json',
      summary: 'favour a keyed quarter of the tokens',
    },
    {
      command: 'modelward text embed decoder.onnx --claim my.claim.json --bias 1 --eval corpus.jsonl',
      summary: 'a gentler mark, measured on texts of your own',
    },
  ]);
  onAction<EmbedFlags>(host, command, async (context, flags, words) => {
    const result = await withSession(context, (session) =>
      embedText(context.services, session, {
        ...toCopyOptions(context, flags, { model: words[0], ending: ENDING }),
        claimPath: context.toAbsolute(flags.claim),
        ...{ tokens: flags.tokens, logits: flags.logits, bias: flags.bias, buckets: flags.buckets ?? null },
        share: flags.share === '0.5' ? 0.5 : 0.25,
        isMeasured: flags.measure !== false,
        ...toPathOption(context, 'evalPath', flags.eval),
        ...toPathOption(context, 'wordsPath', flags.words),
      }),
    );
    context.ui.result(result, ({ style }) => toPairs(toLines(result), style));
    return EXIT.ok;
  });
}

function toLines({ marked, params, annex, effect, unmeasured }: EmbedTextResult): [string, string][] {
  const lines: [string, string][] = [
    ['marked', marked.path],
    ['annex', `${annex.path} (ledger entry ${annex.leafIndex})`],
    ['favoured', `${toPercentText(params.share)} of ${params.vocabulary} tokens, by ${params.bias} nats`],
  ];
  if (effect === null) return [...lines, ['effect', `not measured: ${unmeasured ?? ''}`]];
  const { greenBefore, greenAfter, divergenceNats, likeliestKept, bitsPer1000Pairs, places } = effect;
  return [
    ...lines,
    ['measured on', `${places} places of texts ${effect.texts}`],
    [
      'probability',
      `${toPercentText(greenBefore, 1)} on favoured tokens before, ${toPercentText(greenAfter, 1)} after`,
    ],
    [
      'texts change',
      `${divergenceNats.toFixed(3)} nats a token; the likeliest stays at ${toPercentText(likeliestKept, 1)}`,
    ],
    ['evidence', `about ${bitsPer1000Pairs.toFixed(0)} bits in 1,000 different pairs (claim: 128, flag: 64)`],
  ];
}
