/** Error codes of the surgery area: edits of graphs. */
import { defineErrors, EXIT } from './table.ts';

const usage = { exit: EXIT.usage, http: 409 } as const;

export const surgeryErrors = defineErrors({
  SURGERY_SCOPE_MISSING: {
    message: 'The model has no graph, subgraph or function of that path.',
    exit: EXIT.usage,
    http: 404,
    fix: 'Run "modelward graph find MODEL --json": "scope" of a node is its path.',
  },
  SURGERY_NODE_MISSING: {
    message: 'The scope has no such node.',
    exit: EXIT.usage,
    http: 404,
    fix: 'Run "modelward graph find MODEL" for the names of nodes; a node without one goes by an output.',
  },
  SURGERY_NODE_AMBIGUOUS: {
    ...usage,
    message: 'Several nodes of the scope have that name.',
    fix: 'Name the node by one of its outputs.',
  },
  SURGERY_VALUE_MISSING: {
    message: 'The scope defines no value of that name.',
    exit: EXIT.usage,
    http: 404,
    fix: 'Run "modelward graph infer MODEL" for the names of values.',
  },
  SURGERY_TENSOR_MISSING: {
    message: 'The value is neither an initializer nor the output of a Constant node.',
    exit: EXIT.usage,
    http: 404,
    fix: 'List initializers with "modelward inspect MODEL".',
  },
  SURGERY_NAME_TAKEN: { ...usage, message: 'The name is taken in a scope that sees it.', fix: 'Choose another name.' },
  SURGERY_IN_USE: {
    ...usage,
    message: 'What is to be removed is still used.',
    fix: 'Remove or reconnect its users first, or let the removal reconnect them.',
  },
  SURGERY_CANNOT_RECONNECT: {
    ...usage,
    message: 'The node cannot be bridged: a graph output would have to change its name.',
    fix: 'Replace the node by an Identity, or say which input takes the place of each output.',
  },
  SURGERY_EDGE_MISSING: {
    message: 'The node does not read that value.',
    exit: 2,
    http: 404,
    fix: 'See what the node reads with "modelward graph explain".',
  },
  SURGERY_OPSET_MISSING: {
    ...usage,
    message: 'The operator set of the domain is not imported.',
    fix: 'Import it in the same edit, with the version that the new nodes are written for.',
  },
  SURGERY_OPSET_CONFLICT: {
    ...usage,
    message: 'The operator set is imported in another version; changing it would change other nodes.',
    fix: 'Convert the whole model to that version with its exporter, or use nodes of the version that it imports.',
  },
  SURGERY_EXTRACT_OPEN: {
    ...usage,
    message: 'The outputs to extract need inputs of the model that are not among those given.',
    fix: 'Name these inputs too, or values behind them.',
  },
  SURGERY_FUNCTION_MISSING: {
    message: 'The node calls no function of the model.',
    exit: EXIT.usage,
    http: 404,
    fix: 'Name a node that calls one: "modelward graph find" lists nodes by operator.',
  },
  SURGERY_IR_TOO_OLD: {
    ...usage,
    message: 'The IR version of the model does not have that.',
    fix: 'Export the model again with the IR version that is named, or a later one.',
  },
  SURGERY_OUTLINE_GAP: {
    ...usage,
    message:
      'A node that is not among them stands between the nodes to outline: it reads what some make, and others read what it makes.',
    fix: 'Take the nodes between as well.',
  },
  SURGERY_GRAPH_TOO_LARGE: {
    message: 'The graph would have more nodes than are handled.',
    exit: EXIT.malformed,
    http: 422,
    fix: 'Work on a part of the model.',
  },
  SURGERY_MODEL_MISSING: {
    message: 'The plan names a second model that was not given.',
    exit: EXIT.usage,
    http: 404,
    fix: 'Give the models to merge by the names that the plan uses.',
  },
  SURGERY_MERGE_CONFLICT: {
    ...usage,
    message: 'The two models cannot be one: their IR versions differ too much, or a node keeps data in another file.',
    fix: 'Export both with one exporter, and keep the data of attributes inside the file.',
  },
  SURGERY_NOT_IN_SCOPE: {
    ...usage,
    message: 'That is not possible in a scope of this kind.',
    fix: 'Name another scope with --scope, or leave it out for the main graph.',
  },
  SURGERY_TENSOR_DATA: {
    message: 'The data of the tensor does not fit its type and shape.',
    exit: 2,
    http: 400,
    fix: 'Give as many values as the shape has, each within the element type.',
  },
  SURGERY_INVALID: {
    message: 'The edit would make the model invalid; nothing was changed.',
    exit: EXIT.malformed,
    http: 422,
    fix: 'Change more in the same edit, by a plan of several verbs, until the rule that is named holds again.',
  },
  SURGERY_PLAN_MALFORMED: {
    message: 'The edit plan is not a list of known verbs with their arguments.',
    exit: EXIT.malformed,
    http: 400,
    fix: 'Look at what "at" names; docs/spec/edit-plan.md has the verbs, and the JSON of nodes and tensors.',
  },
  SURGERY_PLAN_TOO_LARGE: {
    message: 'The edit holds more tensor data than a plan carries.',
    exit: EXIT.usage,
    http: 413,
    fix: 'Make the edit with the tensors in smaller steps, or without keeping a plan.',
  },
});
