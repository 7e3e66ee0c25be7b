/** `modelward baseline` and `modelward verify`: what a model was, and what changed since. */
import { type Command, Option } from 'commander';
import { parse } from 'node:path';
import { EXIT, type ExitCode } from '../../core/errors.ts';
import { writeBaseline } from '../../workflows/baseline.ts';
import { verifyModel, type VerifyModelReport } from '../../workflows/verify.ts';
import { addExamples } from '../command-spec.ts';
import { type CommandHost, onAction, toPathOption, withSession } from '../context.ts';
import { toPairs, toTable } from '../ui/table.ts';
import type { TextLook } from '../ui/ui.ts';

interface BaselineFlags {
  readonly out?: string;
  readonly envelope?: string;
  readonly key?: string;
  readonly force?: boolean;
  readonly dataRoot?: string;
}

export function defineBaseline(command: Command, host: CommandHost): void {
  command
    .description(
      'Writes a signed manifest: the graph, and every stored byte in 64 KiB leaves. From it alone, verify names tensor, rows and leaf of a change, and the bit where exactly one changed.',
    )
    .argument('<model>', 'model, plain or sealed')
    .option('-o, --out <file>', 'where to write (default: MODEL.baseline.json in the current folder)')
    .option('--envelope <file>', 'key envelope of a sealed model')
    .option('--key <uri>', 'key that opens a sealed model')
    .option('--force', 'replace an existing file')
    .option('--data-root <dir>', 'follow links that stay below this folder');
  addExamples(command, [{ command: 'modelward baseline model.onnx', summary: 'sign what the model is today' }]);
  onAction<BaselineFlags>(host, command, async (context, flags, words) => {
    const path = context.toAbsolute(words[0]);
    const result = await withSession(context, (session) =>
      writeBaseline(context.services, session, {
        path,
        out: context.toAbsolute(flags.out ?? `${parse(path).name}.baseline.json`),
        force: flags.force ?? false,
        keyUri: flags.key ?? null,
        ...toPathOption(context, 'envelopePath', flags.envelope),
        ...toPathOption(context, 'dataRoot', flags.dataRoot),
      }),
    );
    context.ui.result(result, ({ style }) =>
      toPairs(
        [
          ['baseline', result.baseline.path],
          ['tensors', String(result.tensors)],
          ['raw root', result.rawRoot],
          ['ledger', `entry ${result.leafIndex}`],
        ],
        style,
      ),
    );
    return EXIT.ok;
  });
}

const SEVERITIES = ['info', 'low', 'medium', 'high'] as const;
type Severity = (typeof SEVERITIES)[number];

interface VerifyFlags {
  readonly baseline?: string;
  readonly reference?: string;
  readonly signer?: string;
  readonly envelope?: string;
  readonly key?: string;
  readonly failOn: Severity;
  readonly dataRoot?: string;
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
    .option('--envelope <file>', 'key envelope of a sealed model')
    .option('--key <uri>', 'key that opens a sealed model')
    .addOption(
      new Option('--fail-on <severity>', 'least severity that exits 1').choices([...SEVERITIES]).default('low'),
    )
    .option('--data-root <dir>', 'follow links that stay below this folder');
  addExamples(command, [
    { command: 'modelward verify model.onnx --baseline model.baseline.json', summary: 'what changed since' },
    { command: 'modelward verify suspect.onnx --baseline b.json --reference model.seal', summary: 'every changed bit' },
  ]);
  onAction<VerifyFlags>(host, command, async (context, flags, words) => {
    const report = await withSession(context, (session) =>
      verifyModel(context.services, session, {
        path: context.toAbsolute(words[0]),
        keyUri: flags.key ?? null,
        ...toPathOption(context, 'baselinePath', flags.baseline),
        ...toPathOption(context, 'referencePath', flags.reference),
        ...toPathOption(context, 'signerPath', flags.signer),
        ...toPathOption(context, 'envelopePath', flags.envelope),
        ...toPathOption(context, 'dataRoot', flags.dataRoot),
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
    ...(widthColumns === undefined ? {} : { widthColumns }),
  });
  const rest = report.changesTotal - Math.min(ROWS_SHOWN, report.changes.length);
  return `${head}${pairs}\n${table}${rest > 0 ? `  … and ${rest} more (--json lists them)\n` : ''}`;
}
