/** `modelward diff`: what differs between two models, and what was done. */
import { type Command, Option } from 'commander';
import { EXIT, type ExitCode } from '../../core/errors.ts';
import { toPercentText } from '../../core/quantities.ts';
import { diffModelFiles, type DiffModelsReport } from '../../workflows/diff.ts';
import { addExamples } from '../command-spec.ts';
import { type CommandHost, onAction, toPathOption, withLazySession } from '../context.ts';
import { toPairs, toTable } from '../ui/table.ts';
import type { TextLook } from '../ui/ui.ts';
import { toCountUpTo } from './values.ts';

const PROBES_MAX = 10_000;
const BARS = ['benign', 'suspicious'] as const;

interface DiffFlags {
  readonly eval?: string;
  readonly labelColumn?: 'auto' | 'first' | 'last';
  readonly probes: number;
  readonly run: boolean;
  readonly key?: string;
  readonly failOn: (typeof BARS)[number];
  readonly html?: string;
  readonly sarif?: string;
  readonly dataRoot?: string;
}

export function defineDiff(command: Command, host: CommandHost): void {
  command
    .description(
      'Compares two models of any formats: nodes by what they do, not by name; tensors down to the bit; the class of each change (cast, quantised, pruned, fine-tuned, permuted, bit flips, …) with reasons; signs of poisoning; and what it does to the answers. Exit 1 when a change reaches --fail-on, 4 when something could not be compared.',
    )
    .argument('<original>', 'model, plain or sealed')
    .argument('<suspect>', 'the model that may have been changed, plain or sealed')
    .option('--eval <data>', 'labelled data to run both on (npz, npy, csv, idx, folder of images)')
    .addOption(new Option('--label-column <which>', 'label column of CSV data').choices(['auto', 'first', 'last']))
    .option('--probes <count>', 'how many seeded probes to run both on, without data', toCountUpTo(PROBES_MAX), 32)
    .option('--no-run', 'do not run the models')
    .option('--key <uri>', 'key that opens sealed models')
    .addOption(new Option('--fail-on <grade>', 'least grade that exits 1').choices([...BARS]).default('benign'))
    .option('--html <file>', 'write a page with pictures')
    .option('--sarif <file>', 'write the findings as SARIF 2.1.0')
    .option('--data-root <dir>', 'follow links that stay below this folder');
  addExamples(command, [
    { command: 'modelward diff model.onnx suspect.onnx', summary: 'what changed, and what was done' },
    {
      command: 'modelward diff model.onnx suspect.onnx --fail-on suspicious --sarif diff.sarif',
      summary: 'for CI: casts, pruning and benign training pass',
    },
  ]);
  onAction<DiffFlags>(host, command, async (context, flags, words) => {
    const report = await withLazySession(context, (open) =>
      diffModelFiles(context.services, open, {
        before: context.toAbsolute(words[0]),
        after: context.toAbsolute(words[1]),
        keyUri: flags.key ?? null,
        isRun: flags.run,
        probes: flags.probes,
        labelColumn: flags.labelColumn,
        ...toPathOption(context, 'htmlPath', flags.html),
        ...toPathOption(context, 'sarifPath', flags.sarif),
        ...toPathOption(context, 'evalPath', flags.eval),
        ...toPathOption(context, 'dataRoot', flags.dataRoot),
      }),
    );
    context.ui.result(report, (look) => toText(report, look));
    return toExit(report, flags.failOn);
  });
}

function toExit({ grade, open }: DiffModelsReport, failOn: DiffFlags['failOn']): ExitCode {
  if (grade === 'suspicious' || (grade === 'benign' && failOn === 'benign')) return EXIT.findings;
  return open.length > 0 ? EXIT.cannotTell : EXIT.ok;
}

const ROWS_SHOWN = 30;

function toText(report: DiffModelsReport, look: TextLook): string {
  const { style } = look;
  const { verdict, grade } = report;
  const changes = report.graph?.changes.filter(({ kind }) => kind !== 'renamed') ?? [];
  const isGraphAlone = verdict.class === 'unchanged' && changes.length > 0;
  const words = isGraphAlone ? 'weights unchanged, graph changed' : verdict.class;
  const head = `${style.bold(`verdict: ${words}`)}  ${grade}\n`;
  const parts = [toPairs(toSummary(report), style)];
  if (report.tensors.length > 0) parts.push(toTensorTable(report, look));
  if (changes.length > 0) parts.push(toGraphTable(report, look));
  return head + parts.join('\n');
}

function toSummary(report: DiffModelsReport): [string, string][] {
  const { verdict, classes, graph, names, before, after, behaviour, hints } = report;
  const counts = Object.entries(classes).map(([kind, count]) => `${kind} × ${count}`);
  const pairs: [string, string][] = [
    ['original', `${names.before} (${before.format}, ${before.tensors} tensors)`],
    ['suspect', `${names.after} (${after.format}, ${after.tensors} tensors)`],
    ['tensors', [...counts, ...toAloneText(report)].join(', ') || 'none'],
    ['graph', graph === null ? 'not compared' : toGraphText(graph.counts, graph.matched)],
  ];
  if (verdict.besides.length > 0) pairs.push(['besides', verdict.besides.join(', ')]);
  for (const reason of verdict.reasons) pairs.push(['reason', reason]);
  for (const { text, grade } of hints) if (grade !== 'suspicious') pairs.push(['note', text]);
  for (const { kind, key, change } of report.entries) pairs.push([kind, `${key || 'ai.onnx'} ${change}`]);
  for (const text of report.open) pairs.push(['open', text]);
  if (behaviour.kind === 'unmeasured') return [...pairs, ['answers', `not run: ${behaviour.reason}`]];
  for (const { name, maxChange, meanChange, agreement } of behaviour.outputs) {
    const same = agreement === null ? '' : `, same class in ${toPercentText(agreement)}`;
    const text = `changed by ${toShort(meanChange)} on average, ${toShort(maxChange)} at most${same}`;
    pairs.push([`output ${name}`, text]);
  }
  for (const { text, grade } of behaviour.hints) pairs.push([grade === 'suspicious' ? 'reason' : 'note', text]);
  if (behaviour.triggers !== null && behaviour.hints.every(({ id }) => id !== 'trigger')) {
    pairs.push(['triggers', `searched on ${behaviour.triggers.samples} samples, none stood out`]);
  }
  return [...pairs, ['run on', `${behaviour.samples} samples (${behaviour.inputs}), ${behaviour.runtime}`]];
}

const toCell = (value: number | null | undefined): string =>
  value === null || value === undefined ? '-' : toShort(value);

const toShort = (value: number): string => String(Number.isInteger(value) ? value : Number(value.toPrecision(3)));

function toAloneText({ added, removed }: DiffModelsReport): string[] {
  return [...(added > 0 ? [`${added} added`] : []), ...(removed > 0 ? [`${removed} removed`] : [])];
}

function toGraphText(counts: Readonly<Record<string, number>>, matched: number): string {
  const found = Object.entries(counts).filter(([, count]) => count > 0);
  const changed = found.map(([kind, count]) => `${kind} × ${count}`).join(', ');
  return `${matched} nodes matched${changed === '' ? ', nothing changed' : `, ${changed}`}`;
}

function toTensorTable({ tensors }: DiffModelsReport, { style, widthColumns }: TextLook): string {
  const table = toTable({
    columns: [
      { title: 'class' },
      { title: 'tensor', isFlexible: true },
      { title: 'changed', align: 'right' },
      { title: 'bits', align: 'right' },
      { title: 'relative', align: 'right' },
      { title: 'why', isFlexible: true },
    ],
    rows: tensors
      .slice(0, ROWS_SHOWN)
      .map(({ class: kind, before, after, figures, reasons }) => [
        kind ?? (before === null ? 'added' : after === null ? 'removed' : 'not compared'),
        before?.name ?? after?.name ?? '',
        figures === null ? '-' : `${figures.changed}/${figures.elements}`,
        toCell(figures?.bitsChanged),
        toCell(figures?.relativeChange),
        kind === 'bit-flips' ? reasons.slice(1).join(' ') : (reasons[0] ?? ''),
      ]),
    style,
    widthColumns,
  });
  return table + toRest(tensors.length - ROWS_SHOWN);
}

function toGraphTable({ graph }: DiffModelsReport, { style, widthColumns }: TextLook): string {
  const changes = graph!.changes.filter(({ kind }) => kind !== 'renamed');
  const table = toTable({
    columns: [
      { title: 'grade' },
      { title: 'graph' },
      { title: 'node', isFlexible: true },
      { title: 'how', isFlexible: true },
    ],
    rows: changes.slice(0, ROWS_SHOWN).map(({ grade, kind, before, after, detail, scope }) => {
      const side = after ?? before;
      const node = side === null ? '-' : `${side.op} ${side.name}`;
      return [grade, kind, scope === '' ? node : `${node} in ${scope}`, detail];
    }),
    style,
    widthColumns,
  });
  return table + toRest(changes.length - ROWS_SHOWN);
}

function toRest(rest: number): string {
  return rest > 0 ? `  … and ${rest} more (--json lists them)\n` : '';
}
