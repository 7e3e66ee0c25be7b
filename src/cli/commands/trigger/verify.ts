/** `modelward trigger verify`: does the suspect know the triggers? */
import { type Command, Option } from 'commander';
import { CliError, EXIT, type ExitCode } from '../../../core/errors.ts';
import { type TriggersReport, verifyTriggers } from '../../../workflows/trigger/verify.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction, withLazySession } from '../../context.ts';
import { toPairs } from '../../ui/table.ts';
import type { TextLook } from '../../ui/ui.ts';
import { addOpenOptions, type OpenFlags, toOpenOptions } from '../model-options.ts';
import { addChooseOptions, type ChooseFlags, toChooseOptions, TRIGGER_VERDICTS } from './options.ts';

interface VerifyFlags extends OpenFlags, ChooseFlags {
  readonly answers?: string;
  readonly expect?: TriggersReport['verdict'];
}

export function defineVerify(command: Command, host: CommandHost): void {
  command
    .description(
      'Asks a suspect model the triggers of a claim, or reads its recorded answers, in the order of "trigger export". The evidence is exact: a model that knows nothing of the key agrees with each trigger with probability 1 in the number of classes. Verdicts: claim (at least 128 bits), flag (at least 64), supporting (at least 20), none, inconclusive ("cannot tell, because …"; exit 4).',
    )
    .argument('[suspect]', 'ONNX model to ask, plain or sealed')
    .option(
      '--answers <file>',
      'recorded answers: class scores [triggers, classes], or classes [triggers]; npy, npz or JSON',
    )
    .addOption(
      new Option('--expect <verdict>', 'exit 1 when the verdict is another one').choices(Object.keys(TRIGGER_VERDICTS)),
    );
  addOpenOptions(addChooseOptions(command));
  addExamples(command, [
    { command: 'modelward trigger verify suspect.onnx --claim my.claim.json', summary: 'ask a model file' },
    { command: 'modelward trigger verify --answers answers.npy', summary: 'what a phone answered' },
  ]);
  onAction<VerifyFlags>(host, command, async (context, flags, words) => {
    const { answers, claim, annex, seed } = flags;
    if ((words.length === 1) === (answers !== undefined)) {
      throw new CliError('CLI_USAGE', { message: 'Name a suspect, or pass its answers with --answers FILE.' });
    }
    if ((annex !== undefined || seed !== undefined) && claim === undefined) {
      throw new CliError('CLI_USAGE', {
        message: 'An annex and a disclosed seed belong to one claim: pass --claim FILE, too.',
      });
    }
    const suspect =
      answers === undefined
        ? ({ kind: 'model', open: toOpenOptions(context, flags, words[0]) } as const)
        : ({ kind: 'answers', path: context.toAbsolute(answers) } as const);
    const report = await withLazySession(context, (open) =>
      verifyTriggers(context.services, open, { ...toChooseOptions(context, flags), suspect }),
    );
    context.ui.result(report, (look) => toText(report, look));
    return toExit(report, flags.expect);
  });
}

function toExit({ verdict }: TriggersReport, expected: TriggersReport['verdict'] | undefined): ExitCode {
  if (expected !== undefined) return verdict === expected ? EXIT.ok : EXIT.findings;
  return verdict === 'inconclusive' ? EXIT.cannotTell : EXIT.ok;
}

function toText(report: TriggersReport, { style }: TextLook): string {
  const { verdict, recorded, reason } = report;
  const pairs: [string, string][] = [
    ['agreed', `${report.agreed} of ${report.triggers} triggers, ${report.classes} classes`],
    ['evidence', `${report.evidenceBits.toFixed(1)} bits after ${report.trials} trials (claim: 128, flag: 64)`],
    ['claim', `${report.claim.commitment.slice(0, 16)}… by ${report.claim.ownerId}`],
    ['chosen', recorded === null ? 'no ledger here shows when' : `${recorded.time} (entry ${recorded.leafIndex})`],
    ['ledger', report.leafIndex === null ? `not recorded (${report.notRecorded ?? ''})` : `entry ${report.leafIndex}`],
  ];
  if (reason !== null) pairs.unshift(['reason', reason]);
  const notes = report.notes.map((note) => `  note: ${note}\n`).join('');
  return `${style.bold(`verdict: ${verdict}`)}  ${TRIGGER_VERDICTS[verdict]}\n${toPairs(pairs, style)}${notes}`;
}
