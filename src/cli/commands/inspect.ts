/** `modelward inspect`: what is inside a model; on request, what flows through it, how long nodes take, and a tensor as npy. */
import type { Command } from 'commander';
import { CliError, EXIT } from '../../core/errors.ts';
import { toByteText, toCountText } from '../../core/quantities.ts';
import { inspectModel, type InspectReport } from '../../workflows/inspect.ts';
import { openSession } from '../../workflows/session.ts';
import { addExamples } from '../command-spec.ts';
import { type CliContext, type CommandHost, onAction } from '../context.ts';
import { toPairs, toTable } from '../ui/table.ts';
import { toDimLengths } from './graph/words.ts';
import type { InspectFlags } from './inspect-flags.ts';
import { showActivations, showProfile } from './inspect-run.ts';
import { addOpenOptions, toSourceOptions } from './model-options.ts';
import { writeTensor } from './inspect-tensor.ts';
import type { TextLook } from '../ui/ui.ts';

export function defineInspect(command: Command, host: CommandHost): void {
  command
    .description(
      'Reads the index of a model, plain or sealed, and prints tensors, graph, types, cost and metadata. Weights are not read, and nothing is run, unless --extract, --activations or --profile ask for it.',
    )
    .argument('<model>', 'model, plain or sealed')
    .option('--all', 'list every tensor')
    .option('--nodes', 'list every node with types, shapes, parameters and multiply-accumulates')
    .option('--dim <name=length...>', 'lengths of symbolic dimensions for the cost (default: 1)')
    .option('--activations <value...>', 'run it and print statistics of these values: names, or /expressions/')
    .option('--profile', 'run it and print the time of every node (needs the native runtime)')
    .option('--as-written', 'with --profile: without the optimisations of the runtime')
    .option('--eval <data>', 'inputs for --activations and --profile (default: seeded probes)')
    .option('--extract <tensor>', 'write one tensor as an npy file')
    .option('-o, --out <file>', 'the npy file (default: TENSOR.npy in the current folder)')
    .option('--force', 'replace an existing npy file');
  addOpenOptions(command);
  addExamples(command, [
    { command: 'modelward inspect model.onnx --all', summary: 'every tensor with its place in the file' },
    { command: 'modelward inspect model.onnx --nodes', summary: 'types, shapes and cost of every node' },
    {
      command: 'modelward inspect model.onnx --activations "/relu/i"',
      summary: 'range, mean, zeros and NaN of values',
    },
    { command: 'modelward inspect model.onnx --profile', summary: 'where the time goes' },
    { command: 'modelward inspect model.gguf --extract output.weight', summary: 'a tensor for NumPy' },
    { command: 'modelward inspect model.seal --json', summary: 'the same of a sealed model, for a script' },
  ]);
  onAction<InspectFlags>(host, command, async (context, flags, [path]) => {
    const asked = [flags.activations, flags.profile, flags.extract].filter((flag) => flag !== undefined);
    if (asked.length > 1) {
      throw new CliError('CLI_USAGE', { message: '--activations, --profile and --extract are three calls.' });
    }
    if (flags.activations !== undefined) await showActivations(context, path, flags);
    else if (flags.profile !== undefined) await showProfile(context, path, flags);
    else if (flags.extract !== undefined) await writeTensor(context, path, flags.extract, flags);
    else await showModel(context, path, flags);
    return EXIT.ok;
  });
}

async function showModel(context: CliContext, path: string, flags: InspectFlags): Promise<void> {
  const report = await inspectModel(context.services, () => openSession(context.services), {
    ...toSourceOptions(context, flags, path),
    dims: toDimLengths(flags.dim),
  });
  context.ui.result(report, (look) => toText(report, look, flags));
}

const TENSORS_SHOWN = 20;

function toText(report: InspectReport, look: TextLook, { all: isAll, nodes: listsNodes }: InspectFlags): string {
  const { style, widthColumns } = look;
  const pairs: [string, string][] = [
    ['model', report.isSealed ? `${report.name} (sealed as ${report.sealId ?? ''})` : report.name],
    ['format', report.format],
    ['files', report.files.map((file) => `${file.name} (${toByteText(file.sizeBytes)})`).join(', ')],
    ['parameters', `${toCountText(report.parameters)} in ${report.tensors.length} tensors`],
    ...toGraphPairs(report),
    ...toCostPairs(report),
    ...Object.entries(report.metadata).map(([key, value]): [string, string] => [`metadata ${key}`, value]),
  ];
  if (listsNodes === true) return `${toPairs(pairs, style)}${toNodeTable(report, look)}`;
  const shown = isAll === true ? report.tensors : report.tensors.slice(0, TENSORS_SHOWN);
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
    widthColumns,
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

function toCostPairs({ cost }: InspectReport): [string, string][] {
  if (cost === null) return [];
  const sizes = Object.entries(cost.sizes).map(([name, length]) => `${name} = ${length}`);
  const at = sizes.length === 0 ? '' : ` at ${sizes.join(', ')}`;
  const rest = cost.unknownNodes === 0 ? '' : `; ${toCountText(cost.unknownNodes)} nodes of unknown cost not counted`;
  return [
    ['cost', `${toCountText(cost.macs)} multiply-accumulates, ${toCountText(cost.flops)} operations${at}${rest}`],
  ];
}

function toNodeTable({ cost }: InspectReport, { style, widthColumns }: TextLook): string {
  return toTable({
    columns: [
      { title: 'node', isFlexible: true },
      { title: 'op' },
      { title: 'gives' },
      { title: 'parameters', align: 'right' },
      { title: 'MACs', align: 'right' },
    ],
    rows: (cost?.nodes ?? []).map(({ scope, name, op, domain, outputs, parameters, macs }) => [
      scope === '' ? name : `${scope}: ${name}`,
      domain === '' ? op : `${domain}.${op}`,
      outputs.filter((text) => text !== '').join(' '),
      parameters === 0 ? '' : toCountText(parameters),
      macs === null ? '?' : macs === 0 ? '' : toCountText(macs),
    ]),
    style,
    widthColumns,
  });
}
