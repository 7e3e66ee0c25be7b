/** `modelward label graph`: labels in the graph of an ONNX model. */
import { type Command, Option } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { GRAPH_LABEL_KINDS, type GraphLabelKind, toShownPayload } from '../../../watermark/index.ts';
import { readGraphLabels, removeGraphLabel, writeGraphLabel } from '../../../workflows/output-mark/graph-labels.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction, withLazySession } from '../../context.ts';
import { toPairs, toTable } from '../../ui/table.ts';
import {
  addCopyOptions,
  addOpenOptions,
  type CopyFlags,
  type OpenFlags,
  toCopyOptions,
  toOpenOptions,
} from '../model-options.ts';
import { addPayloadOptions, type PayloadFlags, toPayload } from '../payload.ts';

interface KindFlags extends CopyFlags {
  readonly kind: GraphLabelKind;
}

export function defineGraphLabel(graph: Command, host: CommandHost): void {
  addWrite(graph, host);
  addRead(graph, host);
  addRemove(graph, host);
}

function addKindOptions(command: Command, ending: string): Command {
  command
    .argument('<model>', 'ONNX model')
    .addOption(new Option('--kind <kind>', 'where the label is').choices(GRAPH_LABEL_KINDS).default('metadata'));
  return addCopyOptions(command, ending);
}

function addWrite(graph: Command, host: CommandHost): void {
  const command = graph
    .command('write')
    .summary('write a label into the graph of a copy; the model computes the same')
    .description(
      'Writes a label into a copy: metadata and doc (texts of the file), identity (names of Identity nodes), seed (attributes of Dropout nodes), split (a weight tensor in parts), channels (copies of hidden channels). onnxruntime drops identity, seed and split when it optimises. A label identifies a file and proves nothing.',
    );
  addPayloadOptions(addKindOptions(command, 'labelled'));
  addExamples(command, [
    { command: 'modelward label graph write model.onnx --licence "(c) Acme, licence 7"', summary: 'in the metadata' },
    { command: 'modelward label graph write model.onnx --uuid --kind channels', summary: 'where a runtime keeps it' },
  ]);
  onAction<KindFlags & PayloadFlags>(host, command, (context, flags, words) => {
    const payload = toPayload(context, flags);
    const result = writeGraphLabel(context.services, {
      ...toCopyOptions(context, flags, { model: words[0], ending: 'labelled' }),
      kind: flags.kind,
      payload,
    });
    const says = toShownPayload(payload);
    context.ui.result({ ...result, says }, ({ style }) =>
      toPairs(
        [
          ['labelled', result.labelled.path],
          ['label', says],
          [
            'kept by',
            result.keptBy.length === 0 ? 'no optimisation of onnxruntime' : `onnxruntime ${result.keptBy.join(', ')}`,
          ],
          ['note', result.statement],
        ],
        style,
      ),
    );
    return EXIT.ok;
  });
}

function addRead(graph: Command, host: CommandHost): void {
  const command = graph
    .command('read')
    .summary('read every label in the graph of a model')
    .argument('<model>', 'model, plain or sealed; labels of copied channels are found in any format');
  addOpenOptions(command);
  addExamples(command, [{ command: 'modelward label graph read model.labelled.onnx', summary: 'all kinds' }]);
  onAction<OpenFlags>(host, command, async (context, flags, words) => {
    const labels = await withLazySession(context, (open) =>
      readGraphLabels(context.services, open, toOpenOptions(context, flags, words[0])),
    );
    context.ui.result({ labels }, ({ style, widthColumns }) =>
      labels.length === 0
        ? 'no label is in the graph\n'
        : toTable({
            columns: [{ title: 'kind' }, { title: 'of' }, { title: 'it says', isFlexible: true }],
            rows: labels.map(({ kind, payload, says }) => [kind, payload, says]),
            style,
            widthColumns,
          }),
    );
    return labels.length === 0 ? EXIT.findings : EXIT.ok;
  });
}

function addRemove(graph: Command, host: CommandHost): void {
  const command = addKindOptions(
    graph.command('remove').summary('take a label out of a copy; the weights are what they were'),
    'unlabelled',
  );
  addExamples(command, [
    { command: 'modelward label graph remove model.labelled.onnx --kind split', summary: 'join the tensor' },
  ]);
  onAction<KindFlags>(host, command, (context, flags, words) => {
    const written = removeGraphLabel(context.services, {
      ...toCopyOptions(context, flags, { model: words[0], ending: 'unlabelled' }),
      kind: flags.kind,
    });
    context.ui.result(written, ({ style }) => toPairs([['written', written.path]], style));
    return EXIT.ok;
  });
}
