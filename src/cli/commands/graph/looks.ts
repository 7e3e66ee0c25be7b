/** The looking verbs: find nodes, explain one, validate a graph. */
import type { Command } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { explainNode, findGraphNodes, validateFile } from '../../../workflows/graph/look.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction, toPathOption } from '../../context.ts';
import { toPairs, toTable } from '../../ui/table.ts';
import { type FindFlags, toNode, toQuery, type WordFlags } from './words.ts';

interface DataFlags {
  readonly dataRoot?: string;
}

const DATA_ROOT = ['--data-root <dir>', 'follow links that stay below this folder'] as const;
const SCOPE = ['--scope <path>', 'path of a subgraph or function (default: all, or the main graph)'] as const;

export function defineFind(command: Command, host: CommandHost): void {
  command
    .argument('<model>', 'ONNX model')
    .option('--op <op...>', 'operators, any of them')
    .option('--name <name>', 'whole name, or /expression/')
    .option('--domain <domain>', 'domain of the operator')
    .option('--reads <value>', 'reads this value')
    .option('--makes <value>', 'makes this value')
    .option(...SCOPE)
    .option(...DATA_ROOT);
  addExamples(command, [
    { command: 'modelward graph find model.onnx --op Conv Gemm', summary: 'all nodes with weights' },
    { command: 'modelward graph find model.onnx --name "/attn/"', summary: 'by an expression' },
  ]);
  onAction<FindFlags & DataFlags>(host, command, (context, flags, [path]) => {
    const options = { path: context.toAbsolute(path), ...toPathOption(context, 'dataRoot', flags.dataRoot) };
    const nodes = findGraphNodes(options, toQuery(flags));
    context.ui.result({ nodes }, ({ style, widthColumns }) =>
      toTable({
        columns: [{ title: 'op' }, { title: 'name', isFlexible: true }, { title: 'reads' }, { title: 'makes' }],
        rows: nodes.map(({ scope, name, op, domain, inputs, outputs }) => [
          domain === '' ? op : `${domain}.${op}`,
          scope === '' ? name : `${scope}: ${name}`,
          inputs.join(' '),
          outputs.join(' '),
        ]),
        style,
        ...(widthColumns === undefined ? {} : { widthColumns }),
      }),
    );
    return EXIT.ok;
  });
}

export function defineExplain(command: Command, host: CommandHost): void {
  command
    .argument('<model>', 'ONNX model')
    .argument('<node>', 'node, by its name or a value that it makes')
    .option(...SCOPE)
    .option(...DATA_ROOT);
  addExamples(command, [
    { command: 'modelward graph explain model.onnx logits', summary: 'where do the logits come from?' },
  ]);
  onAction<WordFlags & DataFlags>(host, command, (context, flags, [path, word]) => {
    const options = { path: context.toAbsolute(path), ...toPathOption(context, 'dataRoot', flags.dataRoot) };
    const node = explainNode(options, (tx) => toNode(tx, word, flags));
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
  command.argument('<model>', 'ONNX model').option(...DATA_ROOT);
  addExamples(command, [
    { command: 'modelward graph validate model.onnx', summary: 'exit code 1 when a rule is broken' },
  ]);
  onAction<DataFlags>(host, command, (context, flags, [path]) => {
    const options = { path: context.toAbsolute(path), ...toPathOption(context, 'dataRoot', flags.dataRoot) };
    const { problems, count } = validateFile(options);
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
            ...(widthColumns === undefined ? {} : { widthColumns }),
          }),
    );
    return problems.some(({ severity }) => severity === 'error') ? EXIT.findings : EXIT.ok;
  });
}
