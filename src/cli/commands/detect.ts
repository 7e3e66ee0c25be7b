/** `modelward detect`: is this suspect mine? */
import { type Command, Option } from 'commander';
import { CliError, EXIT, type ExitCode } from '../../core/errors.ts';
import { detect, type DetectReport } from '../../workflows/detect.ts';
import type { RecipientReport } from '../../workflows/recipients/identify.ts';
import { addExamples } from '../command-spec.ts';
import { type CliContext, type CommandHost, onAction, toPathOption, withLazySession } from '../context.ts';
import { toPairs, toTable } from '../ui/table.ts';
import type { TextLook } from '../ui/ui.ts';
import { addOpenOptions, type OpenFlags, toSourceOptions } from './model-options.ts';
import { toCodePairs } from './recipients/words.ts';
import { toNumber } from './values.ts';

interface DetectFlags extends OpenFlags {
  readonly claim?: string;
  readonly original?: string;
  readonly seed?: string;
  readonly tsaCa?: string;
  readonly expect?: DetectReport['verdict'];
  /** The suspect is a recording of answers. */
  readonly output?: boolean;
  readonly mark?: readonly string[];
  readonly trials: number;
}

export function defineDetect(command: Command, host: CommandHost): void {
  command
    .description(
      'Reads the mark of a claim in a suspect model, plain or sealed. Verdicts: claim (at least 128 bits of evidence), flag (at least 64), none, inconclusive ("cannot tell, because …"; exit 4). With the original at hand, copies with permuted or rescaled neurons are read too. With --output the suspect is a recording of what a model answered, and the marks of mark files are read in it, as by "stamp read".',
    )
    .argument('<suspect>', 'model to read; with --output, a recording of answers: npz, npy, JSON, or a folder of npy')
    .option('--claim <file>', 'claim to read with (default: every claim of the home; each is one more trial)')
    .option('--original <file>', 'the unmarked original (default: where it was when the claim was made)')
    .option('--seed <file>', 'seed that the owner disclosed for the claim: reads without the owner key')
    .option('--tsa-ca <file>', 'root certificates (PEM) of the authority that stamped the commitment')
    .addOption(
      new Option('--expect <verdict>', 'exit 1 when the verdict is another one').choices([
        'claim',
        'flag',
        'none',
        'inconclusive',
      ]),
    )
    .option('--output', 'read output marks in recorded answers instead of the ownership mark in a model')
    .option('--mark <files...>', 'with --output: mark files, as "modelward stamp" wrote them')
    .option('--trials <number>', 'with --output: keys and recordings that were tried before', toNumber, 0);
  addOpenOptions(command);
  addExamples(command, [
    { command: 'modelward detect suspect.onnx', summary: 'try every claim of this home' },
    {
      command: 'modelward detect suspect.safetensors --claim my.claim.json --original model.onnx',
      summary: 'align to the original first',
    },
    { command: 'modelward detect build/model.onnx --expect claim', summary: 'fail a build whose model lost its mark' },
    {
      command: 'modelward detect answers.npz --output --mark model.stamped.onnx.mark.json',
      summary: 'whose model answered?',
    },
  ]);
  onAction<DetectFlags>(host, command, async (context, flags, words) => {
    if (flags.output === true || flags.mark !== undefined) return detectInOutput(context, flags, words[0]);
    if (flags.seed !== undefined && flags.claim === undefined) {
      throw new CliError('CLI_USAGE', { message: 'A disclosed seed reads one claim: pass --claim FILE, too.' });
    }
    const report = await withLazySession(context, (open) =>
      detect(context.services, open, {
        ...toSourceOptions(context, flags, words[0]),
        ...toPathOption(context, 'claimPath', flags.claim),
        ...toPathOption(context, 'originalPath', flags.original),
        ...toPathOption(context, 'seedPath', flags.seed),
        ...toPathOption(context, 'tsaRootsPath', flags.tsaCa),
      }),
    );
    context.ui.result(report, (look) => toText(report, look));
    return toExit(report, flags.expect);
  });
}

/** Exit 0 whenever it could judge, as of every detection; what was found is in the output. */
async function detectInOutput(context: CliContext, flags: DetectFlags, recording: string): Promise<ExitCode> {
  const { output, mark, trials, ...others } = flags;
  const unfit = MODEL_FLAGS.filter((name) => others[name] !== undefined);
  if (output !== true || mark === undefined || unfit.length > 0) {
    throw new CliError('CLI_USAGE', {
      message: 'To read answers, pass --output and --mark FILE, and no option that is for models.',
    });
  }
  const { readRecordings } = await import('./stamp/read.ts');
  readRecordings(context, [recording], { mark, trials });
  return EXIT.ok;
}

const MODEL_FLAGS = ['claim', 'original', 'seed', 'envelope', 'key', 'expect', 'dataRoot'] as const;

function toExit({ verdict }: DetectReport, expected: DetectReport['verdict'] | undefined): ExitCode {
  if (expected !== undefined) return verdict === expected ? EXIT.ok : EXIT.findings;
  return verdict === 'inconclusive' ? EXIT.cannotTell : EXIT.ok;
}

const VERDICT_WORDS: Readonly<Record<DetectReport['verdict'], string>> = {
  claim: 'This model carries the mark.',
  flag: 'This model very probably carries the mark; the evidence is below what a claim needs.',
  none: 'The mark was not found. A copy that was retrained hard or distilled can lose it.',
  inconclusive: 'Cannot tell.',
};

const NOBODY_WORDS: Partial<Record<RecipientReport['verdict'], string>> = {
  ambiguous: 'ambiguous: ',
  unreadable: 'the register cannot be read: ',
};

/** Whose copy it is, and what says so. */
function toRecipientPairs(recipient: RecipientReport | null): [string, string][] {
  if (recipient === null) return [];
  const { verdict, number, id, evidenceBits, recipients } = recipient;
  const nobody = `${NOBODY_WORDS[verdict] ?? ''}nobody of ${recipients} is named`;
  const who = number === null ? nobody : `${id ?? 'unknown'} (number ${number} of ${recipients})`;
  return [
    ['recipient', number === null ? who : `${who}: ${verdict}, ${evidenceBits.toFixed(1)} bits`],
    ...toCodePairs(recipient),
  ];
}

function toText(report: DetectReport, { style, widthColumns }: TextLook): string {
  const schemes = toTable({
    columns: [
      { title: 'reading', isFlexible: true },
      { title: 'bits', align: 'right' },
      { title: 'wrong', align: 'right' },
      { title: 'evidence', align: 'right' },
      { title: 'aligned' },
    ],
    rows: report.schemes.map((scheme) => [
      scheme.name,
      String(scheme.bits),
      String(scheme.bitErrors),
      scheme.evidenceBits.toFixed(1),
      scheme.aligned ? 'yes' : 'no',
    ]),
    style,
    widthColumns,
  });
  const recorded =
    report.leafIndex === null ? `not recorded (${report.notRecorded ?? ''})` : `entry ${report.leafIndex}`;
  const pairs: [string, string][] = [
    ['evidence', `${report.evidenceBits.toFixed(1)} bits after ${report.trials} trials (claim: 128, flag: 64)`],
    ['claim', `${report.claim.commitment.slice(0, 16)}… by ${report.claim.ownerId}`],
    ['committed', report.time],
    ['ledger', recorded],
  ];
  if (report.original === 'absent' && report.verdict !== 'claim') {
    pairs.push([
      'original',
      'not at hand or of no use: a copy with reordered neurons cannot be read (--original FILE)',
    ]);
  }
  pairs.push(...toRecipientPairs(report.recipient));
  if (report.reason !== null) pairs.unshift(['reason', report.reason]);
  const notes = [...report.notes, ...(report.recipient?.notes ?? [])].map((note) => `  note: ${note}\n`).join('');
  return `${style.bold(`verdict: ${report.verdict}`)}  ${VERDICT_WORDS[report.verdict]}\n${toPairs(pairs, style)}\n${schemes}${notes}`;
}
