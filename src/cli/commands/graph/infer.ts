/** `modelward graph infer`: element types and shapes of all values, and what contradicts itself. */
import type { Command } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { toCountText } from '../../../core/quantities.ts';
import { inferFile, type InferFileReport } from '../../../workflows/graph/infer-file.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction } from '../../context.ts';
import { toPairs, toTable } from '../../ui/table.ts';
import type { TextLook } from '../../ui/ui.ts';
import { addDataRootOption, type DataRootFlags, toLookOptions } from '../model-options.ts';
import { toDimLengths } from './words.ts';

interface InferFlags extends DataRootFlags {
  readonly dim?: readonly string[];
  readonly trust?: boolean;
}

export function defineInfer(command: Command, host: CommandHost): void {
  command
    .description(
      'Infers types and shapes, with symbolic dimensions, from inputs, operators and small constants; weights are not read. Exit code 1 when two statements about a value contradict each other.',
    )
    .argument('<model>', 'ONNX model')
    .option('--dim <name=length...>', 'lengths of symbolic dimensions of inputs')
    .option('--no-trust', 'take from the file the types of inputs alone, not what it says of inner values');
  addDataRootOption(command);
  addExamples(command, [
    { command: 'modelward graph infer model.onnx', summary: 'every value with its type and shape' },
    { command: 'modelward graph infer model.onnx --dim batch=8 --json', summary: 'for one batch size, for a script' },
  ]);
  onAction<InferFlags>(host, command, (context, flags, [path]) => {
    const report = inferFile({
      ...toLookOptions(context, flags, path),
      dims: toDimLengths(flags.dim),
      trustsDeclared: flags.trust ?? true,
    });
    context.ui.result(report, (look) => toText(report, look));
    return report.findingCount > 0 ? EXIT.findings : EXIT.ok;
  });
}

function toText(report: InferFileReport, { style, widthColumns }: TextLook): string {
  const { values, knownValues, shapedValues, findings, findingCount, unknownOperators } = report;
  const unknown = Object.entries(unknownOperators).map(([operator, count]) => `${operator} × ${count}`);
  const width = widthColumns === undefined ? {} : { widthColumns };
  const table = toTable({
    columns: [{ title: 'value', isFlexible: true }, { title: 'type' }, { title: 'shape' }],
    rows: values.map(({ scope, name, kind, dtype, shape }) => [
      scope === '' ? name : `${scope}: ${name}`,
      kind === 'tensor' ? (dtype ?? '?') : `${kind} of ${dtype ?? '?'}`,
      toShapeText(shape),
    ]),
    style,
    ...width,
  });
  const pairs: [string, string][] = [
    ['values', toCountText(values.length)],
    ['shapes', `${toCountText(knownValues)} in numbers, ${toCountText(shapedValues)} in numbers or symbols`],
    ...(unknown.length === 0 ? [] : [['no rule for', unknown.join(', ')] as [string, string]]),
    ['conflicts', toCountText(findingCount)],
  ];
  const conflicts = toTable({
    columns: [{ title: 'rule' }, { title: 'scope' }, { title: 'node' }, { title: 'detail', isFlexible: true }],
    rows: findings.map(({ rule, scope, node, detail }) => [rule, scope, node, detail]),
    style,
    ...width,
  });
  return `${table}${toPairs(pairs, style)}${findings.length === 0 ? '' : conflicts}`;
}

/** "[1, n, ?]"; "?" when even the rank is unknown. */
function toShapeText(shape: readonly (number | string | null)[] | null): string {
  return shape === null ? '?' : `[${shape.map((dim) => dim ?? '?').join(', ')}]`;
}
