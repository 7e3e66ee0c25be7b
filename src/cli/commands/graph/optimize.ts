/** `modelward graph optimize`: passes over a graph, with before and after measured. */
import type { Command } from 'commander';
import { CliError, EXIT } from '../../../core/errors.ts';
import { toByteText, toCountText, toDurationText } from '../../../core/quantities.ts';
import { DEFAULT_PASSES, OPTIMIZE_PASSES, type PassId } from '../../../surgery/index.ts';
import { optimizeFile, type OptimizeFileResult } from '../../../workflows/graph/optimize-file.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction } from '../../context.ts';
import { toPairs, toTable } from '../../ui/table.ts';
import type { TextLook } from '../../ui/ui.ts';
import { addWriteOptions, type EditFlags, toEditOptions, toEditText } from './edits.ts';

interface OptimizeFlags extends EditFlags {
  readonly passes?: readonly string[];
  readonly fp16?: boolean;
  readonly eval?: string;
  readonly unmeasured?: boolean;
}

export function defineOptimize(command: Command, host: CommandHost): void {
  command
    .description(
      'Runs passes over a graph and writes a copy. Both models are then run on the same inputs: when outputs differ by more than rounding does, nothing is written and the exit code is 1.',
    )
    .argument('<model>', 'ONNX model')
    .option('--passes <pass...>', `passes in this order: ${OPTIMIZE_PASSES.join(', ')} (default: all but half)`)
    .option('--fp16', 'add the pass half: weights and computation in f16, inputs and outputs as they are')
    .option('--eval <data>', 'compare on this data instead of seeded probes')
    .option('--unmeasured', 'run nothing: write without comparing outputs');
  addWriteOptions(command);
  addExamples(command, [
    {
      command: 'modelward graph optimize model.onnx --out small.onnx',
      summary: 'nodes, size, outputs and time, before and after',
    },
    {
      command: 'modelward graph optimize model.onnx --fp16 --eval eval.npz',
      summary: 'half the size, compared on real data',
    },
  ]);
  onAction<OptimizeFlags>(host, command, async (context, flags, [model]) => {
    const result = await optimizeFile(context.services, {
      ...toEditOptions(context, model, flags),
      passes: toPasses(flags),
      runs: flags.unmeasured !== true,
      evalPath: flags.eval === undefined ? undefined : context.toAbsolute(flags.eval),
    });
    context.ui.result(result, (look) => toText(result, look));
    return result.report.comparison?.agreed === false ? EXIT.findings : EXIT.ok;
  });
}

function toPasses({ passes = DEFAULT_PASSES, fp16 }: OptimizeFlags): readonly PassId[] {
  const known = passes.map((word) => {
    const pass = OPTIMIZE_PASSES.find((id) => id === word);
    if (pass === undefined)
      throw new CliError('CLI_USAGE', { message: `${word} is none of ${OPTIMIZE_PASSES.join(', ')}.` });
    return pass;
  });
  return fp16 === true && !known.includes('half') ? [...known, 'half'] : known;
}

function toText(result: OptimizeFileResult, look: TextLook): string {
  const { style } = look;
  const { before, after, passes } = result.report;
  const passTable = toTable({
    columns: [
      { title: 'after' },
      { title: 'nodes', align: 'right' },
      { title: 'size', align: 'right' },
      { title: 'what was done', isFlexible: true },
    ],
    rows: [
      ['as opened', toCountText(before.nodes), toByteText(before.bytes), ''],
      ...passes.map(({ id, after: size, counts, notes }) => [
        id,
        toCountText(size.nodes),
        toByteText(size.bytes),
        [...toCountWords(counts), ...notes].join('; '),
      ]),
    ],
    style,
    widthColumns: look.widthColumns,
  });
  const pairs: [string, string][] = [
    ['nodes', `${toCountText(before.nodes)} → ${toCountText(after.nodes)}`],
    ['size', `${toByteText(before.bytes)} → ${toByteText(after.bytes)}`],
    ...toMeasuredPairs(result),
  ];
  const isRefused = result.report.comparison?.agreed === false;
  const written = isRefused
    ? toPairs([['edited', 'nothing written: outputs differ']], style)
    : toEditText(result, look);
  return `${passTable}${toPairs(pairs, style)}${written}`;
}

function toCountWords(counts: Readonly<Record<string, number>>): string[] {
  return Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${name} ${toCountText(count)}`);
}

function toMeasuredPairs({ report: { comparison }, inputs, latency }: OptimizeFileResult): [string, string][] {
  if (comparison === null) return [['outputs', 'not compared (--unmeasured)']];
  const { outputs, runs, tolerance, runtime } = comparison;
  return [
    ...outputs.map(({ name, isComparable, relativeMax, changedShare }): [string, string] => [
      `output ${name}`,
      isComparable
        ? `differs by ${relativeMax.toExponential(1)} of its largest value at most${changedShare > 0 ? `; ${(changedShare * 100).toFixed(2)} % of elements changed` : ''}`
        : 'cannot be compared: another type, shape, or NaN and infinity in other places',
    ]),
    ['compared on', `${runs} runs of ${inputs ?? 'nothing'}, up to ${tolerance}, ${runtime.id} ${runtime.version}`],
    ...(latency === null
      ? []
      : [
          [
            'time',
            `× ${latency.ratio.toFixed(2)}, median of ${latency.pairs} pairs (${toDurationText(latency.beforeMs)} → ${toDurationText(latency.afterMs)} a run)`,
          ] as [string, string],
        ]),
  ];
}
