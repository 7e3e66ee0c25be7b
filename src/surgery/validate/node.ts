/** Rules of single nodes that need no operator schemas: control flow and constants. */
import type { NodeRecord, ScopeRecord } from '../../model/document.ts';
import type { Findings } from './findings.ts';

const CONSTANT_VALUES: ReadonlySet<string> = new Set([
  'value',
  'sparse_value',
  'value_float',
  'value_floats',
  'value_int',
  'value_ints',
  'value_string',
  'value_strings',
]);

/** How many inputs and outputs a subgraph must have, by what its node has; null where it may have any. */
interface SubgraphRule {
  readonly attribute: string;
  readonly inputs: (node: NodeRecord) => number | null;
  readonly outputs: (node: NodeRecord) => number | null;
}

const CONTROL: ReadonlyMap<string, readonly SubgraphRule[]> = new Map([
  [
    'If',
    ['then_branch', 'else_branch'].map((attribute) => ({
      attribute,
      inputs: () => 0,
      outputs: ({ outputs }: NodeRecord) => outputs.length,
    })),
  ],
  [
    'Loop',
    [
      {
        attribute: 'body',
        // Iteration number, condition, and the values that are carried from turn to turn.
        inputs: ({ inputs }: NodeRecord) => Math.max(2, inputs.length),
        // The condition, the carried values, and any number of values that are collected.
        outputs: ({ outputs }: NodeRecord) => outputs.length + 1,
      },
    ],
  ],
  ['Scan', [{ attribute: 'body', inputs: () => null, outputs: () => null }]],
]);

export function checkNode(findings: Findings, node: NodeRecord, path: string): void {
  if (node.domain !== '') return;
  if (node.op === 'Constant') {
    let values = 0;
    for (const name of node.attributes.keys()) if (CONSTANT_VALUES.has(name)) values++;
    if (values !== 1 || node.outputs.length !== 1) findings.add('constant-value', path, node.outputs[0] ?? '', node);
    return;
  }
  for (const rule of CONTROL.get(node.op) ?? []) checkSubgraph(findings, node, rule, path);
}

function checkSubgraph(findings: Findings, node: NodeRecord, rule: SubgraphRule, path: string): void {
  const attribute = node.attributes.get(rule.attribute);
  if (attribute?.kind === 'other') return;
  if (attribute?.kind !== 'graph') {
    findings.add('subgraph-missing', path, rule.attribute, node);
    return;
  }
  const { inputs, outputs } = attribute.graph;
  const expected = { inputs: rule.inputs(node), outputs: rule.outputs(node) };
  // Omitted trailing outputs of the node need not be named.
  const isOutputsFit = expected.outputs === null || outputs.length >= expected.outputs;
  const isInputsFit =
    expected.inputs === null || countFed(attribute.graph) === expected.inputs || inputs.length === expected.inputs;
  if (!isInputsFit || !isOutputsFit) findings.add('subgraph-interface', path, rule.attribute, node);
}

/** Inputs that are not initializers. */
function countFed(graph: ScopeRecord): number {
  const initialized = new Set(graph.initializers.map(({ name }) => name));
  return graph.inputs.filter(({ name }) => !initialized.has(name)).length;
}
