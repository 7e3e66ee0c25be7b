/** `modelward lineage`: do the weights of a suspect and of an original share a past? */
import { type Command, Option } from 'commander';
import { basename } from 'node:path';
import { CliError, EXIT, type ExitCode } from '../../core/errors.ts';
import { LINEAGE_LIMITS } from '../../core/limits/lineage.ts';
import type { Fit, LayerFit, Verdict } from '../../lineage/index.ts';
import { findLineage, type LineageReport } from '../../workflows/lineage.ts';
import { addExamples } from '../command-spec.ts';
import { type CommandHost, onAction, toPathOption, withLazySession } from '../context.ts';
import { toPairs, toTable } from '../ui/table.ts';
import type { TextLook } from '../ui/ui.ts';
import { addOpenOptions, type OpenFlags, toOpenOptions } from './model-options.ts';

interface LineageFlags extends OpenFlags {
  readonly original: readonly string[];
  readonly null?: readonly string[];
  readonly layers?: boolean;
  readonly activations?: boolean;
  readonly eval?: string;
  readonly expect?: Verdict;
}

export function defineLineage(command: Command, host: CommandHost): void {
  command
    .description(
      'Says whether the weights of a suspect and of an original share a past; the original need not be marked. Verdicts: derived, unrelated, inconclusive ("cannot tell, because …"; exit 4). Which of them was first cannot be told from weights. Reads ONNX, safetensors, GGUF, TFLite and PyTorch files, plain or quantised; copies with reordered neurons are recognised where a graph, or the names of a language model, say which neurons belong together.',
    )
    .argument('<suspect>', 'model to judge')
    .requiredOption('--original <files...>', 'models it may come from; of several, the mixture is found (merges)')
    .option('--null <files...>', 'independent models of the same architecture: they set the bars (20 or more useful)')
    .option('--layers', 'compare layer by layer, neurons included, needed for the verdict or not')
    .option('--activations', 'run both (ONNX) and compare hidden values by CKA: a description, no part of the verdict')
    .option('--eval <data>', 'inputs for --activations (default: seeded probes)')
    .addOption(
      new Option('--expect <verdict>', 'exit 1 when the verdict is another one').choices([
        'derived',
        'unrelated',
        'inconclusive',
      ]),
    );
  addOpenOptions(command);
  addExamples(command, [
    { command: 'modelward lineage suspect.onnx --original model.onnx', summary: 'do both share a past?' },
    {
      command: 'modelward lineage suspect.onnx --original model.onnx --null other-1.onnx other-2.onnx',
      summary: 'against models that were trained apart',
    },
    {
      command: 'modelward lineage merge.safetensors --original a.safetensors b.safetensors --layers',
      summary: 'which layers from whom',
    },
  ]);
  onAction<LineageFlags>(host, command, async (context, flags, words) => {
    if (flags.eval !== undefined && flags.activations !== true) {
      throw new CliError('CLI_USAGE', { message: '--eval is for --activations: pass that, too.' });
    }
    assertCount('original', flags.original, LINEAGE_LIMITS.originalsMax);
    assertCount('null', flags.null ?? [], LINEAGE_LIMITS.nullsMax);
    const report = await withLazySession(context, (open) =>
      findLineage(context.services, open, {
        ...toOpenOptions(context, flags, words[0]),
        originalPaths: flags.original.map((path) => context.toAbsolute(path)),
        nullPaths: (flags.null ?? []).map((path) => context.toAbsolute(path)),
        layers: flags.layers ?? false,
        activations: flags.activations ?? false,
        ...toPathOption(context, 'evalPath', flags.eval),
      }),
    );
    const names = flags.original.map((path) => basename(path));
    context.ui.result(report, (look) => toText(report, names, look, flags.layers ?? false));
    return toExit(report, flags.expect);
  });
}

function assertCount(name: string, files: readonly string[], max: number): void {
  if (files.length <= max) return;
  throw new CliError('CLI_USAGE', { message: `--${name} takes at most ${max} files, not ${files.length}.` });
}

function toExit({ verdict }: LineageReport, expected: Verdict | undefined): ExitCode {
  if (expected !== undefined) return verdict === expected ? EXIT.ok : EXIT.findings;
  return verdict === 'inconclusive' ? EXIT.cannotTell : EXIT.ok;
}

const VERDICT_WORDS: Readonly<Record<Verdict, string>> = {
  derived: 'The weights share a past.',
  unrelated: 'The weights show no common past.',
  inconclusive: 'Cannot tell.',
};

function toText(report: LineageReport, names: readonly string[], look: TextLook, isAll: boolean): string {
  const { style, widthColumns } = look;
  const { fit, originals } = report;
  const recorded =
    report.leafIndex === null ? `not recorded (${report.notRecorded ?? ''})` : `entry ${report.leafIndex}`;
  const pairs: [string, string][] = [
    ['reason', report.reason],
    ['in file order', toMixture(fit, names)],
    ['ledger', recorded],
  ];
  const table = toTable({
    columns: [
      { title: 'original', isFlexible: true },
      { title: 'share', align: 'right' },
      { title: 'cosine', align: 'right' },
      { title: 'in place', align: 'right' },
      { title: 'bits', align: 'right' },
      { title: 'matched twice', align: 'right' },
    ],
    rows: originals.map(({ order, agreement }, index) => [
      names[index],
      toNumberText(fit.coefficients[index]),
      fit.cosines[index].toFixed(3),
      toOf(
        order.layers.reduce((sum, { fixed }) => sum + fixed, 0),
        order.layers.reduce((sum, { neurons }) => sum + neurons, 0),
      ),
      order.evidenceBits.toFixed(1),
      agreement === null ? '-' : toOf(agreement.agreed, agreement.neurons),
    ]),
    style,
    widthColumns,
  });
  const notes = report.notes.map((note) => `  note: ${note}\n`).join('');
  const head = `${style.bold(`verdict: ${report.verdict}`)}  ${VERDICT_WORDS[report.verdict]}\n${toPairs(pairs, style)}\n`;
  return `${head}${table}${isAll ? `\n${toLayerTable(report, look)}` : ''}${toHiddenText(report, names)}${notes}`;
}

/** One line for each original that was run. */
function toHiddenText({ hidden }: LineageReport, names: readonly string[]): string {
  return hidden
    .map((found, index) => {
      if (found.kind === 'not-run') return `  hidden values, ${names[index]}: not compared (${found.code})\n`;
      const list = found.layers.map(({ name, cka }) => `${name} ${toNumberText(cka)}`).join(', ');
      return `  hidden values, ${names[index]}: CKA on ${found.samples} samples (${found.words}): ${list}\n`;
    })
    .join('');
}

const toOf = (count: number, total: number): string => `${count}/${total}`;
const toNumberText = (value: number | null): string => (value === null ? '-' : value.toFixed(3));

/** "0.50 a + 0.50 b, 71 % of it left unexplained" */
function toMixture({ coefficients, residual }: Fit, names: readonly string[]): string {
  const parts = coefficients.flatMap((value, index) =>
    value === null ? [] : [`${value.toFixed(3)} × ${names[index]}`],
  );
  return `${parts.length === 0 ? 'nothing' : parts.join(' + ')}, residual ${(100 * residual).toFixed(1)} %`;
}

function toLayerTable({ fit, originals, original }: LineageReport, { style, widthColumns }: TextLook): string {
  const shown = originals[original ?? 0];
  const aligned = new Map(shown.aligned.map(({ name, cosine }) => [name, cosine]));
  const matched = new Map(shown.agreement?.layers.map((match) => [match.layer, match]));
  return toTable({
    columns: [
      { title: 'layer', isFlexible: true },
      { title: 'from', isFlexible: true },
      { title: 'shares' },
      { title: 'residual', align: 'right' },
      { title: 'cosines' },
      { title: 'aligned', align: 'right' },
      { title: 'matched twice', align: 'right' },
    ],
    rows: fit.layers.map((layer) => {
      const match = matched.get(layer.name);
      return [
        layer.name,
        toOrigin(layer),
        layer.coefficients.map(toNumberText).join(' '),
        layer.residual.toFixed(3),
        layer.likeness.map((found) => toNumberText(found?.cosine ?? null)).join(' '),
        toNumberText(aligned.get(layer.name) ?? null),
        match === undefined ? '' : toOf(match.agreed, match.neurons),
      ];
    }),
    style,
    widthColumns,
  });
}

/** Names of the tensors where they are other ones than the layer's own. */
function toOrigin({ name, likeness }: LayerFit): string {
  const others = likeness.map((found) => (found === null || found.tensor === name ? '' : found.tensor));
  return others.some((text) => text !== '') ? others.map((text) => text || name).join(' ') : '';
}
