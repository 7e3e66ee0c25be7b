/** `modelward verify-remote`: is the model behind this end point a copy of ours? */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { CliError, EXIT, type ExitCode } from '../../core/errors.ts';
import { REMOTE_LIMITS } from '../../core/limits/remote.ts';
import { type Scale, SCALES } from '../../fidelity/index.ts';
import { QUESTION_TYPES, type QuestionType } from '../../workflows/remote/question-sets.ts';
import { type RemoteReport, verifyRemote, type VerifyRemoteOptions } from '../../workflows/remote/verify-remote.ts';
import { addExamples } from '../command-spec.ts';
import { pause } from '../compose.ts';
import { type CliContext, type CommandHost, onAction, toPathOption, withLazySession } from '../context.ts';
import { toPairs } from '../ui/table.ts';
import type { TextLook } from '../ui/ui.ts';
import { addTargetOptions, openTarget, type TargetFlags } from './remote-target.ts';
import { toCountUpTo, toDate, toNumber } from './values.ts';

interface Flags extends TargetFlags {
  readonly claim?: string;
  readonly ask: QuestionType | 'trigger-set';
  readonly set?: string;
  readonly setData?: string;
  readonly setInput: string;
  readonly setShape?: readonly number[];
  readonly setScale: Scale;
  readonly annex?: string;
  readonly seed?: string;
  readonly null?: readonly string[];
  readonly model?: string;
  readonly normal?: string;
  readonly budget: number;
  readonly questions?: number;
  readonly batch: number;
  readonly rate: number;
  readonly timeout: number;
  readonly state?: string;
  readonly proof?: string;
  readonly ledgerKey?: string;
  readonly before?: string;
  readonly tsaCa?: string;
  readonly expect?: RemoteReport['verdict'];
}

const VERDICTS: readonly RemoteReport['verdict'][] = ['claim', 'flag', 'supporting', 'none', 'inconclusive'];
/** Requests a second: a person who tries a service out sends more. */
const RATE_DEFAULT = 5;

export function defineVerifyRemote(command: Command, host: CommandHost): void {
  command.description(
    'Sends the keyed questions of a claim to a model behind an end point, hidden among normal inputs, and says how often it answers as ours did. Probes give calibrated evidence: at best a flag, never alone a claim; with fewer than four null models supporting at most, and without any inconclusive. With a disclosed seed a flag also needs --proof, --before, --model and four null models of your own. Questions without an answer count as disagreements. Interrupted runs go on where they stopped. Verdicts: claim (exact evidence of 128 bits), flag (64), supporting (20), none, inconclusive (exit 4).',
  );
  addTargetOptions(command)
    .option('--claim <file>', 'claim that the questions belong to')
    .addOption(
      new Option('--ask <what>', 'which questions').choices([...QUESTION_TYPES, 'trigger-set']).default('probes'),
    )
    .option('--annex <file>', 'annex with the questions (default: the one that the ledger took in last)')
    .option('--seed <file>', 'seed that the owner disclosed for the questions: asks without the owner key')
    .option(
      '--null <files...>',
      "null models of your own: with four or more, the evidence no longer hangs on the owner's",
    )
    .option('--model <file>', 'the committed model: its answers are compared with the recorded ones')
    .option('--normal <data>', 'normal inputs to hide among: labelled data, or lines of text')
    .option(
      '--budget <number>',
      'queries in all, with retries',
      toCountUpTo(REMOTE_LIMITS.queriesMax),
      REMOTE_LIMITS.queriesMax,
    )
    .option('--questions <number>', 'questions asked at most', toCountUpTo(REMOTE_LIMITS.questionsMax))
    .option(
      '--batch <number>',
      'queries in one request, where the format has batches',
      toCountUpTo(REMOTE_LIMITS.batchMax),
      1,
    )
    .option('--rate <number>', 'requests a second, on average; 0 for no waiting', toNumber, RATE_DEFAULT)
    .option(
      '--timeout <seconds>',
      'time for one request',
      toCountUpTo(REMOTE_LIMITS.timeoutMsMax / 1000),
      REMOTE_LIMITS.timeoutMsDefault / 1000,
    )
    .option('--set <file>', 'with --ask trigger-set: the file of the set')
    .option('--set-data <data>', 'with --ask trigger-set: the data that it was made of')
    .option('--set-input <name>', 'with --ask trigger-set: name of the input', 'input')
    .option('--set-shape <dims>', 'with --ask trigger-set: shape of one item, such as 1x28x28', toShape)
    .addOption(
      new Option('--set-scale <scale>', 'with --ask trigger-set: how bytes become values')
        .choices(Object.keys(SCALES))
        .default('unit'),
    )
    .option('--state <file>', 'where the run is kept until it ends (default: in the home)')
    .option('--proof <file>', "proof from the owner's ledger that the annex was recorded")
    .option('--ledger-key <text>', 'key of that ledger, as its owner publishes it')
    .option('--before <date>', 'the annex must have been recorded before, ISO 8601', toDate)
    .option('--tsa-ca <file>', 'root certificates (PEM) of the authority that stamped the commitment')
    .addOption(new Option('--expect <verdict>', 'exit 1 when the verdict is another one').choices(VERDICTS));
  addExamples(command, [
    {
      command: 'modelward verify-remote --url https://suspect.example/predict --claim my.claim.json --normal test.npz',
      summary: 'ask 2,000 probes among normal inputs',
    },
    {
      command:
        'modelward verify-remote --url http://127.0.0.1:8000/v2/models/m/infer --format oip --claim my.claim.json --ask triggers --rate 0',
      summary: 'triggers, on this machine',
    },
  ]);
  onAction<Flags>(host, command, run);
}

async function run(context: CliContext, flags: Flags): Promise<ExitCode> {
  if ((flags.proof === undefined) !== (flags.ledgerKey === undefined)) {
    throw new CliError('CLI_USAGE', { message: '--proof and --ledger-key go together.' });
  }
  const target = await openTarget(context, flags);
  try {
    const report = await withLazySession(context, (open) =>
      verifyRemote(context.services, open, {
        ...toOptions(context, flags),
        ...{ target, pause },
      }),
    );
    context.ui.result(report, (look) => toText(report, look));
    return toExit(report, flags.expect);
  } finally {
    target.endpoint.close();
  }
}

function toOptions(context: CliContext, flags: Flags): Omit<VerifyRemoteOptions, 'target' | 'pause'> {
  const { budget, questions, batch, rate, timeout } = flags;
  return {
    questionsOf: toQuestionsOf(context, flags),
    ...toPathOption(context, 'normalPath', flags.normal),
    ...toPathOption(context, 'statePath', flags.state),
    ...{ budget, questions, batch },
    intervalMs: rate === 0 ? 0 : 1000 / rate,
    timeoutMs: timeout * 1000,
  };
}

/** @throws CliError CLI_USAGE when what the kind of questions needs was not given */
function toQuestionsOf(context: CliContext, flags: Flags): VerifyRemoteOptions['questionsOf'] {
  const {
    ask,
    claim,
    set,
    setData,
    setInput: name,
    setShape: shape,
    setScale: scale,
    before,
    proof,
    ledgerKey,
  } = flags;
  if (ask === 'trigger-set') {
    if (set === undefined || setData === undefined) {
      throw new CliError('CLI_USAGE', { message: 'To ask a trigger set, pass --set FILE and --set-data DATA.' });
    }
    const paths = { setPath: context.toAbsolute(set), dataPath: context.toAbsolute(setData) };
    return { kind: 'trigger-set', ...paths, input: { name, shape, scale } };
  }
  if (claim === undefined)
    throw new CliError('CLI_USAGE', { message: 'The questions belong to a claim: pass --claim FILE.' });
  return {
    ...{ kind: 'claim', type: ask, claimPath: context.toAbsolute(claim), before },
    nullPaths: (flags.null ?? []).map((path) => context.toAbsolute(path)),
    ...toPathOption(context, 'annexPath', flags.annex),
    ...toPathOption(context, 'seedPath', flags.seed),
    ...toPathOption(context, 'modelPath', flags.model),
    ...toPathOption(context, 'tsaRootsPath', flags.tsaCa),
    ...(proof !== undefined && ledgerKey !== undefined
      ? { proof: { path: context.toAbsolute(proof), verifierKey: ledgerKey } }
      : {}),
  };
}

/** "1x28x28". @throws InvalidArgumentError */
function toShape(text: string): readonly number[] {
  if (/^\d{1,6}(x\d{1,6}){0,7}$/.test(text)) return text.split('x').map(Number);
  throw new InvalidArgumentError('Not a shape such as 1x28x28.');
}

function toExit({ verdict }: RemoteReport, expected: RemoteReport['verdict'] | undefined): ExitCode {
  if (expected !== undefined) return verdict === expected ? EXIT.ok : EXIT.findings;
  return verdict === 'inconclusive' ? EXIT.cannotTell : EXIT.ok;
}

const VERDICT_WORDS: Readonly<Record<RemoteReport['verdict'], string>> = {
  claim: 'It answers secret questions as only a copy of our model can.',
  flag: 'It answers as ours did far more often than strangers do.',
  supporting: 'It answers as ours did more often than strangers do; not enough to accuse anybody.',
  none: 'It does not answer as ours did. A copy that was trained further or distilled may not either.',
  inconclusive: 'Cannot tell: too few questions were answered, or nobody measured how strangers answer.',
};

function toText(report: RemoteReport, { style }: TextLook): string {
  const { statistic, lacks } = report;
  const kind =
    statistic.kind === 'exact' ? 'exact' : `calibrated with ${statistic.nulls} null models, never alone a claim`;
  const lacking = Object.entries(lacks)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${count} ${name}`);
  const pairs: [string, string][] = [
    ['evidence', `${report.evidenceBits.toFixed(1)} bits (${kind}; flag: 64)`],
    [
      'agreement',
      `${report.agreed} of ${report.asked} ${report.type} (${(100 * report.agreement).toFixed(1)} %); strangers at most ${(100 * statistic.chance).toFixed(1)} %`,
    ],
    [
      'unanswered',
      lacking.length === 0
        ? 'none'
        : `${lacking.join(', ')}; without them ${(100 * report.agreementOfAnswered).toFixed(1)} %, ${report.evidenceBitsOfAnswered.toFixed(1)} bits`,
    ],
    ['queries', `${report.queries} at ${report.endpoint}, ${report.normal} of them normal inputs`],
    ['claim', `${report.claim.commitment.slice(0, 16)}… by ${report.claim.ownerId}`],
    ['committed', report.time],
    [
      'recorded',
      report.recorded === null ? 'not shown' : `entry ${report.recorded.leafIndex}, ${report.recorded.time}`,
    ],
    ['ledger', report.leafIndex === null ? `not recorded (${report.notRecorded ?? ''})` : `entry ${report.leafIndex}`],
  ];
  if (report.deviations !== null)
    pairs.splice(2, 0, ['null models', `${report.deviations.toFixed(1)} deviations above their mean`]);
  const notes = report.notes.map((note) => `  note: ${note}\n`).join('');
  return `${style.bold(`verdict: ${report.verdict}`)}  ${VERDICT_WORDS[report.verdict]}\n${toPairs(pairs, style)}${notes}`;
}
