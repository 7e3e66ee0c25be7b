/** `modelward trigger verify`: does the suspect know the triggers? */
import { type Command, Option } from 'commander';
import { CliError, EXIT, type ExitCode } from '../../../core/errors.ts';
import { type TriggersReport, verifyTriggers } from '../../../workflows/trigger/verify.ts';
import { type SetReport, verifyTriggerSet } from '../../../workflows/trigger/verify-set.ts';
import { addExamples } from '../../command-spec.ts';
import { type CliContext, type CommandHost, onAction, toPathOption, withLazySession } from '../../context.ts';
import { toPairs } from '../../ui/table.ts';
import type { TextLook } from '../../ui/ui.ts';
import { addOpenOptions, type OpenFlags, toOpenOptions } from '../model-options.ts';
import { toDate } from '../values.ts';
import { addChooseOptions, type ChooseFlags, toChooseOptions, TRIGGER_VERDICTS } from './options.ts';

interface VerifyFlags extends OpenFlags, ChooseFlags {
  readonly proof?: string;
  readonly ledgerKey?: string;
  readonly before?: string;
  readonly answers?: string;
  readonly graph?: string;
  readonly set?: string;
  readonly data?: string;
  readonly expect?: TriggersReport['verdict'];
}

export function defineVerify(command: Command, host: CommandHost): void {
  command
    .description(
      'Asks a suspect model the triggers of a claim, or reads its recorded answers, in the order of "trigger export". The evidence is exact: a model that knows nothing of the key agrees with each trigger with probability 1 in the number of classes, or of tokens. With a disclosed seed, --proof and --before show that the triggers were chosen before the suspect was there; otherwise 40 bits are taken off. Verdicts: claim (at least 128 bits), flag (at least 64), supporting (at least 20), none, inconclusive ("cannot tell, because …"; exit 4).',
    )
    .argument('[suspect]', 'ONNX model to ask, plain or sealed; or a checkpoint of a decoder, with --graph')
    .option('--graph <file>', 'ONNX decoder of the same architecture: the weights of a checkpoint are run in it')
    .option(
      '--answers <file>',
      'recorded answers: class scores [triggers, classes], or classes (of a decoder, token ids) [triggers]; npy, npz or JSON',
    )
    .addOption(
      new Option('--expect <verdict>', 'exit 1 when the verdict is another one').choices(Object.keys(TRIGGER_VERDICTS)),
    );
  command
    .option('--set <file>', 'trigger set that was trained in, instead of last-layer triggers')
    .option('--data <data>', 'with --set: the data that it was made of');
  addOpenOptions(addChooseOptions(command))
    .option('--proof <file>', "proof from the owner's ledger that the annex was recorded")
    .option('--ledger-key <text>', 'key of that ledger, as its owner publishes it')
    .option('--before <date>', 'the annex must have been recorded before, ISO 8601', toDate);
  addExamples(command, [
    { command: 'modelward trigger verify suspect.onnx --claim my.claim.json', summary: 'ask a model file' },
    {
      command: 'modelward trigger verify suspect.onnx --set triggers/triggers.set.json --data train.npz',
      summary: 'triggers that were trained in',
    },
    { command: 'modelward trigger verify --answers answers.npy', summary: 'what a phone answered' },
  ]);
  onAction<VerifyFlags>(host, command, async (context, flags, words) => {
    if (flags.set !== undefined || flags.data !== undefined) return verifySet(context, flags, words);
    const { answers, claim, annex, seed, proof, ledgerKey, before } = flags;
    if ((proof === undefined) !== (ledgerKey === undefined)) {
      throw new CliError('CLI_USAGE', { message: '--proof and --ledger-key go together.' });
    }
    if (proof !== undefined && annex === undefined) {
      throw new CliError('CLI_USAGE', { message: 'A proof is that of one annex: pass --annex FILE, too.' });
    }
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
        ? ({
            kind: 'model',
            open: toOpenOptions(context, flags, words[0]),
            ...toPathOption(context, 'graphPath', flags.graph),
          } as const)
        : ({ kind: 'answers', path: context.toAbsolute(answers) } as const);
    const report = await withLazySession(context, (open) =>
      verifyTriggers(context.services, open, {
        ...{ ...toChooseOptions(context, flags), suspect, before },
        ...(proof !== undefined && ledgerKey !== undefined
          ? { proof: { path: context.toAbsolute(proof), verifierKey: ledgerKey } }
          : {}),
      }),
    );
    context.ui.result(report, (look) => toText(report, look));
    return toExit(report, flags.expect);
  });
}

/** Triggers that were trained in: the set file commits to them, and the data makes them again. */
async function verifySet(context: CliContext, flags: VerifyFlags, words: readonly string[]): Promise<ExitCode> {
  const { set, data, answers, claim, annex, seed } = flags;
  const others = [answers, claim, annex, seed].filter((value) => value !== undefined);
  if (set === undefined || data === undefined || words.length !== 1 || others.length > 0) {
    throw new CliError('CLI_USAGE', {
      message: 'A trigger set is verified with a suspect, --set FILE and --data DATA alone.',
    });
  }
  const report = await withLazySession(context, (open) =>
    verifyTriggerSet(context.services, open, {
      suspect: toOpenOptions(context, flags, words[0]),
      setPath: context.toAbsolute(set),
      dataPath: context.toAbsolute(data),
    }),
  );
  context.ui.result(report, (look) => toSetText(report, look));
  return toExit(report, flags.expect);
}

function toSetText(report: SetReport, { style }: TextLook): string {
  const { verdict, recorded, reason } = report;
  const pairs: [string, string][] = [
    ['agreed', `${report.agreed} of ${report.triggers} triggers, ${report.classes} classes`],
    ['evidence', `${report.evidenceBits.toFixed(1)} bits (claim: 128, flag: 64)`],
    ['set', `${report.set.digest.slice(0, 16)}… by ${report.set.ownerId}`],
    ['committed', `${recorded.time} (entry ${recorded.leafIndex})`],
  ];
  if (reason !== null) pairs.unshift(['reason', reason]);
  return `${style.bold(`verdict: ${verdict}`)}  ${TRIGGER_VERDICTS[verdict]}\n${toPairs(pairs, style)}`;
}

function toExit(
  { verdict }: Pick<TriggersReport, 'verdict'>,
  expected: TriggersReport['verdict'] | undefined,
): ExitCode {
  if (expected !== undefined) return verdict === expected ? EXIT.ok : EXIT.findings;
  return verdict === 'inconclusive' ? EXIT.cannotTell : EXIT.ok;
}

function toText(report: TriggersReport, { style }: TextLook): string {
  const { verdict, recorded, reason } = report;
  const pairs: [string, string][] = [
    ['agreed', `${report.agreed} of ${report.triggers} triggers, ${report.classes} classes`],
    [
      'evidence',
      `${report.evidenceBits.toFixed(1)} bits after ${report.trials} trials, ${report.choiceBits} bits off for choices (claim: 128, flag: 64)`,
    ],
    ['claim', `${report.claim.commitment.slice(0, 16)}… by ${report.claim.ownerId}`],
    ['chosen', recorded === null ? 'nothing shows when' : `${recorded.time} (entry ${recorded.leafIndex})`],
    ['ledger', report.leafIndex === null ? `not recorded (${report.notRecorded ?? ''})` : `entry ${report.leafIndex}`],
  ];
  if (reason !== null) pairs.unshift(['reason', reason]);
  const notes = report.notes.map((note) => `  note: ${note}\n`).join('');
  return `${style.bold(`verdict: ${verdict}`)}  ${TRIGGER_VERDICTS[verdict]}\n${toPairs(pairs, style)}${notes}`;
}
