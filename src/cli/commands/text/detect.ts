/** `modelward text detect`: did this model write these texts? */
import { type Command, Option } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { toPercentText } from '../../../core/quantities.ts';
import { detectText, type TextReport } from '../../../workflows/text/detect.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction, toPathOption, withLazySession } from '../../context.ts';
import { toPairs } from '../../ui/table.ts';
import type { TextLook } from '../../ui/ui.ts';
import { toNumber } from '../values.ts';

interface DetectFlags {
  readonly words?: string;
  readonly claim?: string;
  readonly annex?: string;
  readonly seed?: string;
  readonly trials: number;
  readonly expect?: TextReport['verdict'];
}

export function defineTextDetect(command: Command, host: CommandHost): void {
  command
    .description(
      'Counts the favoured pairs of neighbouring tokens in texts, which are read as one; each different pair counts once. Verdicts: claim (at least 128 bits of evidence), flag (at least 64), none. Token ids must be those of the model’s own tokenizer.',
    )
    .argument('<texts...>', 'token ids: json, jsonl or npy; or text files with --words')
    .option('--words <file>', 'the vocabulary that "text embed" was given, one word per line in the order of the ids')
    .option('--claim <file>', 'claim to read with (default: every claim of the home)')
    .option('--annex <file>', 'annex of the text mark (default: every one that this home has for the claims)')
    .option('--seed <file>', 'seed that the owner disclosed: modelward disclose CLAIM --purpose api')
    .option('--trials <number>', 'texts, claims and readings that were tried before', toNumber, 0)
    .addOption(
      new Option('--expect <verdict>', 'exit 1 when the verdict is another one').choices(['claim', 'flag', 'none']),
    );
  addExamples(command, [
    { command: 'modelward text detect essays.jsonl', summary: 'try every text mark of this home' },
    {
      command: 'modelward text detect blog.txt --words vocabulary.txt --claim my.claim.json',
      summary: 'words as tokens',
    },
  ]);
  onAction<DetectFlags>(host, command, async (context, flags, words) => {
    const report = await withLazySession(context, (open) =>
      Promise.resolve(
        detectText(context.services, open, {
          texts: words.map((path) => context.toAbsolute(path)),
          wordsPath: flags.words === undefined ? null : context.toAbsolute(flags.words),
          furtherTrials: flags.trials,
          ...toPathOption(context, 'claimPath', flags.claim),
          ...toPathOption(context, 'annexPath', flags.annex),
          ...toPathOption(context, 'seedPath', flags.seed),
        }),
      ),
    );
    context.ui.result(report, (look) => toText(report, look));
    return flags.expect === undefined || flags.expect === report.verdict ? EXIT.ok : EXIT.findings;
  });
}

const VERDICT_WORDS: Readonly<Record<TextReport['verdict'], string>> = {
  claim: 'These texts lean as the marked model does.',
  flag: 'These texts very probably lean as the marked model does; the evidence is below what a claim needs.',
  none: 'The mark was not found. Short texts, and texts that were rewritten, can lose it.',
};

function toText(report: TextReport, { style }: TextLook): string {
  const { tokens, pairs, green, share, z } = report;
  const pairsText = `${green} of ${pairs} different pairs are favoured (${toPercentText(green / Math.max(1, pairs), 1)}; chance ${toPercentText(share)})`;
  const lines: [string, string][] = [
    ['evidence', `${report.evidenceBits.toFixed(1)} bits after ${report.trials} trials (claim: 128, flag: 64)`],
    ['pairs', pairsText],
    ['z', `${z.toFixed(1)} standard deviations, ${tokens} tokens`],
    ['claim', `${report.claim.commitment.slice(0, 16)}… by ${report.claim.ownerId}`],
    ['annex', report.annex.path],
    ['recorded', report.recorded === null ? 'no' : `entry ${report.recorded.leafIndex}, ${report.recorded.time}`],
  ];
  const notes = report.notes.map((note) => `  note: ${note}\n`).join('');
  return `${style.bold(`verdict: ${report.verdict}`)}  ${VERDICT_WORDS[report.verdict]}\n${toPairs(lines, style)}${notes}`;
}
