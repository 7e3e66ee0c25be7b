/** `modelward attack`: what is left of the mark, and of the model, after each attack. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { CliError, EXIT } from '../../core/errors.ts';
import { attackModel, type AttackReport } from '../../workflows/attack/attack.ts';
import { addExamples } from '../command-spec.ts';
import { type CliContext, type CommandHost, onAction, toPathOption, withSession } from '../context.ts';
import { toPairs, toTable } from '../ui/table.ts';
import type { TextLook } from '../ui/ui.ts';
import { addOpenOptions, type OpenFlags, toOpenOptions } from './model-options.ts';

interface AttackFlags extends OpenFlags {
  readonly claim?: string;
  readonly original?: string;
  readonly tuned?: string;
  readonly eval?: string;
  readonly train?: string;
  readonly transfer?: string;
  readonly labelColumn?: 'auto' | 'first' | 'last';
  readonly only?: readonly string[];
  readonly strength?: readonly string[];
  readonly rate: number;
  readonly seed: string;
  readonly resume?: string;
  readonly html?: string;
  readonly report?: string;
  readonly list?: boolean;
}

const RATE_DEFAULT = 0.01;

/** @throws InvalidArgumentError */
function toRate(text: string): number {
  const rate = Number(text);
  if (text.trim() === '' || !(rate > 0) || rate > 1) throw new InvalidArgumentError('Not a number above 0, up to 1.');
  return rate;
}

export function defineAttack(command: Command, host: CommandHost): void {
  command
    .description(
      'Attacks a marked model: pruning, quantisation, noise, other marks on top, moved and added neurons, conversions, and training where data is given. Prints how much accuracy and how much evidence each attack and strength leaves. Copies are made in memory; nothing is recorded. Attacks that train read ONNX graphs of plain layers into a small trainer; for other models, pass a copy that you trained with --tuned.',
    )
    .argument('[model]', 'the marked model, plain or sealed')
    .option('--claim <file>', 'claim whose mark is attacked')
    .option('--original <file>', 'the unmarked original (default: where it was when the claim was made)')
    .option('--eval <data>', 'labelled data to measure accuracy with (npz, npy, csv, idx, folder of images)')
    .option('--train <data>', "the thief's labelled data, for attacks that train; never the data of --eval")
    .option('--transfer <data>', 'labelled data of another task')
    .addOption(new Option('--label-column <which>', 'label column of CSV data').choices(['auto', 'first', 'last']))
    .option('--tuned <file>', 'a copy of the marked model that you trained on')
    .option('--only <names...>', 'attacks or groups: weights, neurons, files, copies, training (default: all)')
    .option('--strength <values...>', 'strengths instead of those that the attacks come in')
    .option('--rate <number>', 'learning rate of attacks that train', toRate, RATE_DEFAULT)
    .option('--seed <text>', 'names every random choice', '1')
    .option('--resume <dir>', 'keep finished attacks in this folder, and do not run them again')
    .option('--html <file>', 'write a page with the picture')
    .option('--report <file>', 'write the report in the form of IEEE 3304 (Markdown)')
    .option('--list', 'list attacks and strengths, and stop');
  addOpenOptions(command);
  addExamples(command, [
    {
      command: 'modelward attack marked.onnx --claim my.claim.json --eval test.npz',
      summary: 'all that needs no training',
    },
    {
      command:
        'modelward attack marked.onnx --claim my.claim.json --eval test.npz --train thief.npz --resume runs --html attacks.html',
      summary: 'everything, resumable, with a page',
    },
    {
      command: 'modelward attack marked.onnx --claim my.claim.json --only prune --strength 0.6 0.8',
      summary: 'one attack',
    },
  ]);
  onAction<AttackFlags>(host, command, async (context, flags, words) => {
    if (flags.list === true) return listAttacks(context);
    const model = words.at(0);
    if (model === undefined || flags.claim === undefined) {
      throw new CliError('CLI_USAGE', { message: 'An attack needs a model and its claim: attack MODEL --claim FILE.' });
    }
    const report = await runAttacks(context, flags, { model, claim: flags.claim });
    context.ui.result(report, (look) => toText(report, look));
    return EXIT.ok;
  });
}

function runAttacks(
  context: CliContext,
  flags: AttackFlags,
  { model, claim }: { readonly model: string; readonly claim: string },
): Promise<AttackReport> {
  return withSession(context, (session) =>
    attackModel(context.services, session, {
      ...toOpenOptions(context, flags, model),
      claimPath: context.toAbsolute(claim),
      ...{ only: flags.only ?? [], strengths: flags.strength ?? [], learningRate: flags.rate, seed: flags.seed },
      labelColumn: flags.labelColumn,
      ...toPathOption(context, 'originalPath', flags.original),
      ...toPathOption(context, 'tunedPath', flags.tuned),
      ...toPathOption(context, 'evalPath', flags.eval),
      ...toPathOption(context, 'trainPath', flags.train),
      ...toPathOption(context, 'transferPath', flags.transfer),
      ...toPathOption(context, 'resumePath', flags.resume),
      ...toPathOption(context, 'htmlPath', flags.html),
      ...toPathOption(context, 'reportPath', flags.report),
    }),
  );
}

async function listAttacks({ ui }: CliContext): Promise<typeof EXIT.ok> {
  const { MODEL_ATTACKS, toWords } = await import('../../lab/index.ts');
  const attacks = MODEL_ATTACKS.map(({ id, group, title, unit, strengths, accepts }) => {
    return { id, group, title, unit, strengths, accepts: toWords(accepts) };
  });
  ui.result(attacks, ({ style, widthColumns }) =>
    toTable({
      columns: [
        { title: 'attack' },
        { title: 'group' },
        { title: 'what', isFlexible: true },
        { title: 'strengths' },
        { title: 'accepts', isFlexible: true },
      ],
      rows: attacks.map(({ id, group, title, strengths, accepts }) => [id, group, title, strengths.join(' '), accepts]),
      ...{ style, widthColumns },
    }),
  );
  return EXIT.ok;
}

/** Columns of a bar, and the bits that fill it: twice what a claim needs. */
const BAR_COLUMNS = 16;
const BAR_BITS = 256;

/** "████████▒▒" of 16 columns; flag and claim are the fourth and the eighth. */
function toBar(evidenceBits: number): string {
  const filled = Math.min(BAR_COLUMNS, Math.round((evidenceBits / BAR_BITS) * BAR_COLUMNS));
  return '█'.repeat(filled) + '·'.repeat(BAR_COLUMNS - filled);
}

function toText(report: AttackReport, { style, widthColumns }: TextLook): string {
  const rows = report.rows.map((row) => {
    if (row.state === 'not run') return [row.attack, row.strength, '', '', '', 'not run', row.reason];
    const accuracy = row.accuracy === null ? '' : (100 * row.accuracy).toFixed(2);
    const note = row.isLossExpected ? `${row.title} (loss expected)` : row.title;
    return [
      row.attack,
      row.strength,
      accuracy,
      toBar(row.evidenceBits),
      row.evidenceBits.toFixed(1),
      row.verdict,
      note,
    ];
  });
  const table = toTable({
    columns: [
      ...[{ title: 'attack' }, { title: 'strength' }, { title: 'accuracy', align: 'right' as const }],
      ...[{ title: 'flag 64, claim 128' }, { title: 'bits', align: 'right' as const }, { title: 'verdict' }],
      { title: 'what, or why not', isFlexible: true },
    ],
    ...{ rows, style, widthColumns },
  });
  return `${table}\n${toPairs(toSummary(report), style)}`;
}

function toSummary({ rows, original, evaluation, claim, resumed, training }: AttackReport): [string, string][] {
  const ran = rows.flatMap((row) => (row.state === 'run' ? [row] : []));
  const lost = ran.filter(({ verdict }) => verdict === 'none' || verdict === 'inconclusive').length;
  const pairs: [string, string][] = [
    ['claim', `${claim.commitment.slice(0, 16)}… by ${claim.ownerId}`],
    [
      'left',
      `${ran.length - lost} of ${ran.length} attacked copies still show the mark; ${rows.length - ran.length} attacks were not run`,
    ],
  ];
  if (original !== null)
    pairs.push([
      'original',
      `unmarked, read with the same key: ${original.verdict}, ${original.evidenceBits.toFixed(1)} bits`,
    ]);
  if (original === null)
    pairs.push(['original', 'not at hand: copies with moved neurons cannot be read (--original FILE)']);
  if (evaluation !== null)
    pairs.push(['accuracy', `on ${evaluation.samples} samples (${evaluation.words}), ${evaluation.runtime}`]);
  if (training !== null) pairs.push(['training', `${training.samples} samples, rate ${training.learningRate}`]);
  if (resumed > 0) pairs.push(['resumed', `${resumed} attacks were finished before`]);
  return pairs;
}
