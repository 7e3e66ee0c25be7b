/** `modelward inspect`: what is inside a model, without running it. */
import type { Command } from 'commander';
import { EXIT } from '../../core/errors.ts';
import { toByteText, toCountText } from '../../core/quantities.ts';
import { inspectModel, type InspectReport, openSession } from '../../workflows/index.ts';
import { addExamples } from '../command-spec.ts';
import { type CommandHost, onAction, toPathOption } from '../context.ts';
import { toPairs, toTable } from '../ui/table.ts';
import type { TextLook } from '../ui/ui.ts';

interface InspectFlags {
  readonly all?: boolean;
  readonly envelope?: string;
  readonly key?: string;
  readonly dataRoot?: string;
}

export function addInspect(program: Command, host: CommandHost): void {
  const command = program
    .command('inspect')
    .summary('print tensors, graph, types and metadata of a model')
    .description(
      'Reads the index of a model, plain or sealed, and prints tensors, graph, types and metadata. Weights are not read.',
    )
    .argument('<model>', 'model, plain or sealed')
    .option('--all', 'list every tensor')
    .option('--envelope <file>', 'key envelope of a sealed model')
    .option('--key <uri>', 'key that opens a sealed model')
    .option('--data-root <dir>', 'follow links that stay below this folder');
  addExamples(command, [
    { command: 'modelward inspect model.onnx --all', summary: 'every tensor with its place in the file' },
    { command: 'modelward inspect model.seal --json', summary: 'the same of a sealed model, for a script' },
  ]);
  onAction<InspectFlags>(host, command, async (context, flags, words) => {
    const report = await inspectModel(context.services, () => openSession(context.services), {
      path: context.toAbsolute(words[0]),
      keyUri: flags.key ?? null,
      ...toPathOption(context, 'envelopePath', flags.envelope),
      ...toPathOption(context, 'dataRoot', flags.dataRoot),
    });
    context.ui.result(report, (look) => toText(report, look, flags.all ?? false));
    return EXIT.ok;
  });
}

const TENSORS_SHOWN = 20;

function toText(report: InspectReport, look: TextLook, isAll: boolean): string {
  const { style, widthColumns } = look;
  const pairs: [string, string][] = [
    ['model', report.isSealed ? `${report.name} (sealed as ${report.sealId ?? ''})` : report.name],
    ['format', report.format],
    ['files', report.files.map((file) => `${file.name} (${toByteText(file.sizeBytes)})`).join(', ')],
    ['parameters', `${toCountText(report.parameters)} in ${report.tensors.length} tensors`],
    ...toGraphPairs(report),
    ...Object.entries(report.metadata).map(([key, value]): [string, string] => [`metadata ${key}`, value]),
  ];
  const shown = isAll ? report.tensors : report.tensors.slice(0, TENSORS_SHOWN);
  const table = toTable({
    columns: [
      { title: 'tensor', isFlexible: true },
      { title: 'type' },
      { title: 'shape' },
      { title: 'stored' },
      { title: 'from', align: 'right' },
      { title: 'to', align: 'right' },
    ],
    rows: shown.map((tensor) => [
      tensor.name,
      tensor.dtype,
      `[${tensor.shape.join(', ')}]`,
      tensor.storage === 'external' ? `in ${tensor.file}` : tensor.storage,
      String(tensor.start),
      String(tensor.end),
    ]),
    style,
    ...(widthColumns === undefined ? {} : { widthColumns }),
  });
  const rest = report.tensors.length - shown.length;
  return `${toPairs(pairs, style)}\n${table}${rest > 0 ? `  … and ${rest} more (--all lists them)\n` : ''}`;
}

function toGraphPairs({ graph, opsets, functions }: InspectReport): [string, string][] {
  if (graph === null) return [['graph', 'none: this format stores weights only']];
  const toValue = ({ name, dtype, shape }: NonNullable<InspectReport['graph']>['inputs'][number]): string =>
    `${name}: ${dtype ?? '?'}[${shape === null ? '?' : shape.map((dim) => dim ?? '?').join(', ')}]`;
  const pairs: [string, string][] = [
    ['inputs', graph.inputs.map(toValue).join(', ')],
    ['outputs', graph.outputs.map(toValue).join(', ')],
    ['nodes', `${graph.nodes.length}: ${graph.operators.map(({ op, count }) => `${op} × ${count}`).join(', ')}`],
    [
      'opsets',
      Object.entries(opsets)
        .map(([domain, version]) => `${domain || 'ai.onnx'} ${version}`)
        .join(', '),
    ],
  ];
  if (functions.length > 0) pairs.push(['functions', functions.join(', ')]);
  return pairs;
}
