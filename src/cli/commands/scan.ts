/** `modelward scan`: what in a model reads like an attack, without anything to compare it with. */
import { type Command, Option } from 'commander';
import { EXIT, type ExitCode } from '../../core/errors.ts';
import { toPrintable } from '../../core/printable.ts';
import type { PathStep, ScanSeverity } from '../../tamper/index.ts';
import { scanFile, type ScanFileReport } from '../../workflows/scan.ts';
import { addExamples } from '../command-spec.ts';
import { type CommandHost, onAction, toPathOption, withLazySession } from '../context.ts';
import { toPairs, toTable } from '../ui/table.ts';
import type { TextLook } from '../ui/ui.ts';
import { addOpenOptions, type OpenFlags, toOpenOptions } from './model-options.ts';

interface ScanFlags extends OpenFlags {
  readonly sarif?: string;
  readonly html?: string;
  readonly weights: boolean;
  readonly all?: boolean;
  readonly failOn: 'benign' | 'suspicious' | 'high';
}

const SEVERITIES: readonly ScanSeverity[] = ['benign', 'suspicious', 'high'];

export function defineScan(command: Command, host: CommandHost): void {
  command
    .description(
      'Looks for what reads like an attack: triggers in the graph, shown with their path from input to output, code and files hidden in text or weights, pickles that run code, second storages, endless loops. A finding is a reason to look, not a proof; no finding speaks only for the parts that are listed as scanned. Exit 1 for findings, 4 when a part could not be scanned.',
    )
    .argument('<model>', 'model, plain or sealed')
    .option('--sarif <file>', 'write the findings as SARIF 2.1.0')
    .option('--html <file>', 'write a page with pictures of the paths')
    .option('--no-weights', 'leave the weights unread; they count as not scanned')
    .option('--all', 'list what is only told, too')
    .addOption(
      new Option('--fail-on <severity>', 'least severity that exits 1').choices([...SEVERITIES]).default('suspicious'),
    );
  addOpenOptions(command);
  addExamples(command, [
    { command: 'modelward scan model.onnx', summary: 'what reads like an attack, and what was not looked at' },
    {
      command: 'modelward scan model.pt --sarif scan.sarif --html scan.html',
      summary: 'for code scanning, and to read',
    },
  ]);
  onAction<ScanFlags>(host, command, async (context, flags, words) => {
    const report = await withLazySession(context, (open) =>
      scanFile(context.services, open, {
        ...toOpenOptions(context, flags, words[0]),
        weights: flags.weights,
        ...toPathOption(context, 'sarifPath', flags.sarif),
        ...toPathOption(context, 'htmlPath', flags.html),
      }),
    );
    context.ui.result(report, (look) => toText(report, look, flags.all ?? false));
    return toExit(report, flags.failOn);
  });
}

function toExit({ findings, notScanned }: ScanFileReport, failOn: ScanSeverity): ExitCode {
  const bar = SEVERITIES.indexOf(failOn);
  if (findings.some(({ severity }) => SEVERITIES.indexOf(severity) >= bar)) return EXIT.findings;
  return notScanned.length > 0 ? EXIT.cannotTell : EXIT.ok;
}

function toText(report: ScanFileReport, look: TextLook, isAll: boolean): string {
  const { style, widthColumns } = look;
  const shown = report.findings.filter(({ severity }) => isAll || severity !== 'benign');
  const head = `${style.bold(`verdict: ${report.verdict}`)}  ${toCounts(report)}\n`;
  const pairs = toPairs(
    [
      ['model', `${toPrintable(report.name)} (${report.format})`],
      ...report.scanned.map(({ part, detail }): [string, string] => [`scanned: ${part}`, toPrintable(detail)]),
      ...report.notScanned.map(({ part, detail }): [string, string] => [
        `NOT scanned: ${toPrintable(part)}`,
        toPrintable(detail),
      ]),
    ],
    style,
  );
  if (shown.length === 0) return head + pairs;
  const table = toTable({
    columns: [{ title: 'severity' }, { title: 'rule' }, { title: 'finding', isFlexible: true }],
    rows: shown.map(({ severity, rule, message }) => [toPainted(severity, look), rule, toPrintable(message)]),
    style,
    widthColumns,
  });
  const paths = shown
    .filter(({ severity, path }) => severity === 'high' && path.length > 0)
    .slice(0, PATHS_SHOWN)
    .map(({ rule, path }) => `  ${style.bold(rule)}  ${path.map(toStepText).join(' → ')}\n`);
  return `${head}${pairs}\n${table}${paths.length === 0 ? '' : `\n${paths.join('')}`}`;
}

function toPainted(severity: ScanSeverity, { style }: TextLook): string {
  if (severity === 'high') return style.red(severity);
  return severity === 'suspicious' ? style.yellow(severity) : style.dim(severity);
}

const PATHS_SHOWN = 5;

function toStepText({ role, op, name }: PathStep): string {
  if (role === 'gap') return `… ${name} …`;
  const mark = role === 'trigger' || role === 'merge' ? `[${role}] ` : '';
  return op === '' ? toPrintable(name) : `${mark}${op} ${toPrintable(name)}`;
}

function toCounts({ findings }: ScanFileReport): string {
  return [...SEVERITIES]
    .reverse()
    .map((severity) => `${findings.filter((finding) => finding.severity === severity).length} ${severity}`)
    .join(', ');
}
