/** `modelward verify`: what changed since the baseline. */
import { type Command, Option } from 'commander';
import { EXIT, type ExitCode } from '../../core/errors.ts';
import { verifyModel, type VerifyModelReport } from '../../workflows/verify.ts';
import { addExamples } from '../command-spec.ts';
import { type CommandHost, onAction, toLocationOption, toPathOption, withSession } from '../context.ts';
import { toPairs, toTable } from '../ui/table.ts';
import type { TextLook } from '../ui/ui.ts';
import { addOpenOptions, type OpenFlags, toSourceOptions } from './model-options.ts';

const SEVERITIES = ['info', 'low', 'medium', 'high'] as const;
type Severity = (typeof SEVERITIES)[number];

interface VerifyFlags extends OpenFlags {
  readonly baseline?: string;
  readonly reference?: string;
  readonly signer?: string;
  readonly failOn: Severity;
}

export function defineVerify(command: Command, host: CommandHost): void {
  command
    .description(
      'Compares a model with its baseline and names what changed: tensor, rows, leaf, and where it is proven, element and bit. The same tensors in another file format are "re-encoded". Exit 1 when something changed, 4 when not everything could be compared.',
    )
    .argument('<model>', 'model, plain or sealed')
    .option('--baseline <file>', 'signed baseline (default: STEM.baseline.json beside the model)')
    .option('--reference <file>', 'the model as it was, plain or sealed: lists every changed element and bit')
    .option('--signer <file>', 'public key (PEM) or identity file of the signer (default: the owner of the home)')
    .addOption(
      new Option('--fail-on <severity>', 'least severity that exits 1').choices([...SEVERITIES]).default('low'),
    );
  addOpenOptions(command);
  addExamples(command, [
    { command: 'modelward verify model.onnx --baseline model.baseline.json', summary: 'what changed since' },
    { command: 'modelward verify suspect.onnx --baseline b.json --reference model.seal', summary: 'every changed bit' },
  ]);
  onAction<VerifyFlags>(host, command, async (context, flags, words) => {
    const report = await withSession(context, (session) =>
      verifyModel(context.services, session, {
        ...toSourceOptions(context, flags, words[0]),
        ...toLocationOption(context, 'baselinePath', flags.baseline),
        ...toLocationOption(context, 'referencePath', flags.reference),
        ...toPathOption(context, 'signerPath', flags.signer),
      }),
    );
    context.ui.result(report, (look) => toText(report, look));
    return toExit(report, flags.failOn);
  });
}

function toExit({ verdict, worst, complete }: VerifyModelReport, failOn: Severity): ExitCode {
  if (worst !== null && SEVERITIES.indexOf(worst) >= SEVERITIES.indexOf(failOn)) return EXIT.findings;
  const isOpen = verdict === 'inconclusive' || (verdict === 're-encoded' && !complete);
  return isOpen ? EXIT.cannotTell : EXIT.ok;
}

/** What another file format leaves to say: tensors can be compared, graph and metadata cannot. */
function toComparedPairs({ verdict, sameTensors, complete, analysed }: VerifyModelReport): [string, string][] {
  if (sameTensors === true && verdict === 'changed') return [['tensors', 'the same in type, shape and content']];
  if (verdict !== 're-encoded') return [];
  const open = [...(analysed.graph === 'none' ? ['graph'] : []), ...(analysed.metadata ? [] : ['metadata'])];
  const rest = complete ? 'the file holds nothing else' : `not compared: ${open.join(', ')}`;
  return [['tensors', `the same in another file format; ${rest}`]];
}

const ROWS_SHOWN = 40;
const orDash = (value: number | string | null): string => (value === null ? '-' : String(value));

function toText(report: VerifyModelReport, { style, widthColumns }: TextLook): string {
  const head = `${style.bold(`verdict: ${report.verdict}`)}  ${report.changesTotal} ${report.changesTotal === 1 ? 'change' : 'changes'}\n`;
  const recorded =
    report.leafIndex === null ? `not recorded (${report.notRecorded ?? ''})` : `entry ${report.leafIndex}`;
  const pairs = toPairs(
    [...toComparedPairs(report), ['baseline', report.baseline], ['signer', report.keyId], ['ledger', recorded]],
    style,
  );
  if (report.changes.length === 0) return head + pairs;
  const table = toTable({
    columns: [
      { title: 'severity' },
      { title: 'kind' },
      { title: 'tensor', isFlexible: true },
      { title: 'rows', align: 'right' },
      { title: 'leaf', align: 'right' },
      { title: 'element', align: 'right' },
      { title: 'bit', align: 'right' },
    ],
    // The worst first: an edit of the graph moves every tensor behind it, and those lines are many.
    rows: report.changes
      .toSorted((a, b) => SEVERITIES.indexOf(b.severity) - SEVERITIES.indexOf(a.severity))
      .slice(0, ROWS_SHOWN)
      .map((change) => [
        change.severity,
        change.kind,
        change.tensor ?? change.subject ?? change.file ?? '-',
        change.rows === null ? '-' : `${change.rows[0]}-${change.rows[1]}`,
        orDash(change.leaf),
        orDash(change.element),
        orDash(change.bit),
      ]),
    style,
    widthColumns,
  });
  const rest = report.changesTotal - Math.min(ROWS_SHOWN, report.changes.length);
  return `${head}${pairs}\n${table}${rest > 0 ? `  … and ${rest} more (--json lists them)\n` : ''}`;
}
