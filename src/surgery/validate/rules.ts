/** The rules that a graph is checked by, with their ids; docs and plans refer to these. */

export interface RuleRow {
  /** error: no runtime must accept it. warning: legal or widely accepted, and worth a look. */
  readonly severity: 'error' | 'warning';
  readonly message: string;
}

const rows = {
  'empty-name': { severity: 'error', message: 'An input, initializer or output of the graph has no name.' },
  'duplicate-value': { severity: 'error', message: 'A value is defined twice in one scope.' },
  'shadowed-value': { severity: 'error', message: 'A value of a subgraph has the name of one around it.' },
  'undefined-value': { severity: 'error', message: 'A node reads a value that nothing defines.' },
  'undefined-output': { severity: 'error', message: 'An output of the graph is a value that nothing defines.' },
  'captured-output': {
    severity: 'warning',
    message: 'An output of a subgraph is a value of a scope around it, which not every runtime accepts.',
  },
  'use-before-definition': { severity: 'error', message: 'A node reads a value that a later node makes.' },
  cycle: { severity: 'error', message: 'A node reads, through others, what it makes.' },
  'initializer-not-input': {
    severity: 'error',
    message: 'Below IR 4, an initializer must be among the inputs of its graph.',
  },
  'duplicate-node-name': { severity: 'warning', message: 'Two nodes of one scope share a name.' },
  'opset-missing': { severity: 'error', message: 'The operator set of the domain of a node is not imported.' },
  'opset-conflict': { severity: 'error', message: 'One operator set is imported in two versions.' },
  'duplicate-function': { severity: 'error', message: 'Two functions have one name, domain and overload.' },
  'function-cycle': { severity: 'error', message: 'A function calls itself, directly or through others.' },
  'unknown-reference': {
    severity: 'error',
    message: 'An attribute of a function body refers to an attribute that the function does not have.',
  },
  'reference-outside-function': {
    severity: 'error',
    message: 'An attribute refers to an attribute of a function, but stands outside any.',
  },
  'subgraph-missing': { severity: 'error', message: 'A control-flow node lacks a subgraph that it must have.' },
  'subgraph-interface': {
    severity: 'error',
    message: 'The inputs or outputs of a subgraph do not fit the node that holds it.',
  },
  'constant-value': { severity: 'error', message: 'A Constant node must have exactly one value and one output.' },
  'type-mismatch': { severity: 'error', message: 'A constant has another type or shape than the one declared for it.' },
  depth: { severity: 'error', message: 'Messages would be nested deeper than runtimes read.' },
} as const satisfies Record<string, RuleRow>;

export type RuleId = keyof typeof rows;

export const RULES: Readonly<Record<RuleId, RuleRow>> = Object.freeze(
  Object.assign(Object.create(null) as Record<RuleId, RuleRow>, rows),
);

/** A rule that is broken, and where. */
export interface Problem {
  readonly rule: RuleId;
  readonly severity: RuleRow['severity'];
  /** Path of the scope; "" for the main graph. */
  readonly scope: string;
  /** The value, node, function, domain or attribute at fault; "" when there is no one name. */
  readonly name: string;
  /** Name of the node, or its first output when it has none; "" when no node is at fault. */
  readonly node: string;
}
