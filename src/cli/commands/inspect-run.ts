/** `modelward inspect --activations` and `--profile`: a model looked at while it runs. */
import { toCountText, toPercentText } from '../../core/quantities.ts';
import {
  type ActivationReport,
  inspectActivations,
  profileModel,
  type ProfileReport,
} from '../../workflows/inspect-run.ts';
import { type CliContext, toPathOption } from '../context.ts';
import { toPairs, toTable } from '../ui/table.ts';
import type { TextLook } from '../ui/ui.ts';
import { toName } from './graph/words.ts';
import type { InspectFlags } from './inspect-flags.ts';

export async function showActivations(context: CliContext, path: string, flags: InspectFlags): Promise<void> {
  const values = (flags.activations ?? []).map(toName);
  const report = await inspectActivations(context.services, { ...toRunOptions(context, path, flags), values });
  context.ui.result(report, (look) => toActivationText(report, look));
}

export async function showProfile(context: CliContext, path: string, flags: InspectFlags): Promise<void> {
  const isOptimized = flags.asWritten !== true;
  const report = await profileModel(context.services, { ...toRunOptions(context, path, flags), isOptimized });
  context.ui.result(report, (look) => toProfileText(report, look));
}

function toRunOptions(context: CliContext, path: string, flags: InspectFlags) {
  return {
    path: context.toAbsolute(path),
    ...toPathOption(context, 'evalPath', flags.eval),
    ...toPathOption(context, 'dataRoot', flags.dataRoot),
  };
}

function toActivationText({ values, samples, inputs, runtime }: ActivationReport, look: TextLook): string {
  const { style, widthColumns } = look;
  const table = toTable({
    columns: [
      { title: 'value', isFlexible: true },
      { title: 'type' },
      ...['min', 'max', 'mean', 'deviation', 'zeros', 'NaN', 'Inf'].map((title) => ({
        title,
        align: 'right' as const,
      })),
      { title: 'histogram' },
    ],
    rows: values.map((value) => {
      if (value.kind === 'hidden') return [value.name, `not shown: ${value.code}`];
      const { name, dtype, shape, min, max, mean, deviation, zeroShare, nanShare, infinityShare, histogram } = value;
      return [
        name,
        `${dtype}[${shape.join(', ')}]`,
        ...[min, max, mean, deviation].map(toNumberText),
        ...[zeroShare, nanShare, infinityShare].map((share) => (share === 0 ? '' : toPercentText(share))),
        toBars(histogram),
      ];
    }),
    style,
    widthColumns,
  });
  return table + toPairs([['run on', `${toCountText(samples)} samples of ${inputs}, ${runtime}`]], style);
}

function toNumberText(value: number | null): string {
  return value === null ? '' : String(Number(value.toPrecision(4)));
}

const BARS = ' ▁▂▃▄▅▆▇█';

/** Heights by the square root of counts, so that tails are seen; any count but 0 has a bar. */
function toBars(histogram: readonly number[] | null): string {
  if (histogram === null) return '';
  const highest = Math.sqrt(Math.max(...histogram));
  return histogram.map((count) => BARS[Math.ceil((Math.sqrt(count) / highest) * (BARS.length - 1))]).join('');
}

function toProfileText({ nodes, runs, totalUs, version, inputs }: ProfileReport, look: TextLook): string {
  const { style, widthColumns } = look;
  const inNodes = nodes.reduce((sum, node) => sum + node.totalUs, 0);
  const table = toTable({
    columns: [
      { title: 'node', isFlexible: true },
      { title: 'op' },
      { title: 'µs a run', align: 'right' },
      { title: 'share', align: 'right' },
    ],
    rows: nodes.map((node) => [
      node.name,
      node.op,
      (node.totalUs / runs).toFixed(1),
      toPercentText(inNodes === 0 ? 0 : node.totalUs / inNodes),
    ]),
    style,
    widthColumns,
  });
  const pairs: [string, string][] = [
    ['in nodes', `${(inNodes / runs).toFixed(1)} µs of ${(totalUs / runs).toFixed(1)} µs a run`],
    ['measured', `${runs} runs on ${inputs}, one thread, onnxruntime-node ${version}`],
  ];
  return table + toPairs(pairs, style);
}
