/** The looking verbs: find nodes, explain one, validate a graph. */
import type { Command } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { explainNode, findGraphNodes, validateFile } from '../../../workflows/graph/look.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction } from '../../context.ts';
import { toPairs, toTable } from '../../ui/table.ts';
import { addDataRootOption, type DataRootFlags, toLookOptions } from '../model-options.ts';
import { type FindFlags, toNode, toQuery, type WordFlags } from './words.ts';

const SCOPE = ['--scope <path>', 'path of a subgraph or function (default: all, or the main graph)'] as const;

export function defineFind(command: Command, host: CommandHost): void {
  command
    .argument('<model>', 'ONNX model')
    .option('--op <op...>', 'operators, any of them')
    .option('--name <name>', 'whole name, or /expression/')
    .option('--domain <domain>', 'domain of the operator')
    .option('--reads <value>', 'reads this value')
    .option('--makes <value>', 'makes this value')
    .option(...SCOPE);
  addDataRootOption(command);
  addExamples(command, [
    { command: 'modelward graph find model.onnx --op Conv Gemm', summary: 'all nodes with weights' },
    { command: 'modelward graph find model.onnx --name "/attn/"', summary: 'by an expression' },
  ]);
  onAction<FindFlags & DataRootFlags>(host, command, (context, flags, [path]) => {
    const nodes = findGraphNodes(toLookOptions(context, flags, path), toQuery(flags));
    context.ui.result({ nodes }, ({ style, widthColumns }) =>
      nodes.length === 0
        ? 'no node fits\n'
        : toTable({
            columns: [
              { title: 'op' },
              { title: 'name', isFlexible: true },
              { title: 'reads', isFlexible: true },
              { title: 'makes', isFlexible: true },
            ],
            rows: nodes.map(({ scope, name, op, domain, inputs, outputs }) => [
              domain === '' ? op : `${domain}.${op}`,
              scope === '' ? name : `${scope}: ${name}`,
              inputs.join(' '),
              outputs.join(' '),
            ]),
            style,
            widthColumns,
          }),
    );
    return EXIT.ok;
  });
}

export function defineExplain(command: Command, host: CommandHost): void {
  command
    .argument('<model>', 'ONNX model')
    .argument('<node>', 'node, by its name or a value that it makes')
    .option(...SCOPE);
  addDataRootOption(command);
  addExamples(command, [
    { command: 'modelward graph explain model.onnx logits', summary: 'where do the logits come from?' },
  ]);
  onAction<WordFlags & DataRootFlags>(host, command, (context, flags, [path, word]) => {
    const node = explainNode(toLookOptions(context, flags, path), (tx) => toNode(tx, word, flags));
    context.ui.result(node, ({ style }) =>
      toPairs(
        [
          ['node', `${node.op} ${node.name}`.trim()],
          ...(node.scope === '' ? [] : [['scope', node.scope] as [string, string]]),
          ...(node.attributes.length === 0 ? [] : [['attributes', node.attributes.join(', ')] as [string, string]]),
          ...node.madeBy.map(({ value, source }): [string, string] => ['reads', `${value} from ${source}`]),
          ...node.readBy.map(({ value, readers }): [string, string] => [
            'makes',
            `${value} for ${readers.length === 0 ? 'no node' : readers.join(', ')}`,
          ]),
        ],
        style,
      ),
    );
    return EXIT.ok;
  });
}

export function defineValidate(command: Command, host: CommandHost): void {
  command.argument('<model>', 'ONNX model');
  addDataRootOption(command);
  addExamples(command, [
    { command: 'modelward graph validate model.onnx', summary: 'exit code 1 when a rule is broken' },
  ]);
  onAction<DataRootFlags>(host, command, (context, flags, [path]) => {
    const { problems, count } = validateFile(toLookOptions(context, flags, path));
    context.ui.result({ problems, count }, ({ style, widthColumns }) =>
      count === 0
        ? 'no rule is broken\n'
        : toTable({
            columns: [
              { title: 'severity' },
              { title: 'rule' },
              { title: 'scope' },
              { title: 'name', isFlexible: true },
            ],
            rows: problems.map(({ severity, rule, scope, name }) => [severity, rule, scope, name]),
            style,
            widthColumns,
          }),
    );
    return problems.some(({ severity }) => severity === 'error') ? EXIT.findings : EXIT.ok;
  });
}
