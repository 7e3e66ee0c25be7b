/** Looks at the graph of a model file: nodes that answer a query, one node with its neighbours, and the rules it breaks. */
import type { Model } from '../../model/types.ts';
import {
  editGraph,
  type NodeLike,
  type NodeQuery,
  type NodeView,
  type Transaction,
  validateGraph,
  type Validation,
} from '../../surgery/index.ts';
import { openPlainModel } from '../open-model.ts';

export interface LookOptions {
  /** Absolute path of the model. */
  readonly path: string;
  readonly dataRoot?: string | undefined;
}

export interface FoundNode {
  readonly scope: string;
  readonly name: string;
  readonly op: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

export interface ExplainedNode extends FoundNode {
  readonly attributes: readonly string[];
  /** For each input: what makes it. */
  readonly madeBy: readonly { readonly value: string; readonly source: string }[];
  /** For each output: the nodes that read it. */
  readonly readBy: readonly { readonly value: string; readonly readers: readonly string[] }[];
}

/** Nodes that answer `query`, outer scopes first. @throws SurgeryError SURGERY_SCOPE_MISSING; FormatError | SourceError */
export function findGraphNodes(options: LookOptions, query: NodeQuery): readonly FoundNode[] {
  return look(options, (tx) => tx.find(query).map(toFound));
}

/** One node, what feeds it and what it feeds. @throws SurgeryError SURGERY_NODE_MISSING | SURGERY_NODE_AMBIGUOUS */
export function explainNode(options: LookOptions, toNode: (tx: Transaction) => NodeLike): ExplainedNode {
  return look(options, (tx) => {
    const node = tx.node(toNode(tx));
    const at = (value: string) => ({ value, ...(node.scopePath !== '' && { scope: node.scopePath }) });
    return {
      ...toFound(node),
      attributes: [...node.attributes.keys()],
      madeBy: node.inputs.map((value) => ({ value, source: toSource(tx, node, value) })),
      readBy: node.outputs
        .filter((value) => value !== '')
        .map((value) => ({ value, readers: tx.readers(at(value)).map(toTitle) })),
    };
  });
}

/** Checks a graph by the rules of `RULES`. */
export function validateFile(options: LookOptions): Validation {
  return withModel(options, validateGraph);
}

/** Runs `work` in a transaction that edits nothing. */
function look<T>(options: LookOptions, work: (tx: Transaction) => T): T {
  return withModel(options, (model) => {
    const results: T[] = [];
    editGraph(model, (tx) => {
      results.push(work(tx));
    });
    return results[0];
  });
}

function withModel<T>({ path, dataRoot }: LookOptions, work: (model: Model) => T): T {
  const model = openPlainModel(path, dataRoot);
  try {
    return work(model);
  } finally {
    model.close();
  }
}

function toFound({ scopePath, name, op, domain, inputs, outputs }: NodeView): FoundNode {
  return { scope: scopePath, name, op, domain, inputs, outputs };
}

function toTitle({ name, op, outputs }: NodeView): string {
  return `${op} ${name === '' ? (outputs[0] ?? '') : name}`;
}

/** What makes a value that a node reads, looked for from its scope outwards. */
function toSource(tx: Transaction, node: NodeView, value: string): string {
  if (value === '') return 'omitted';
  for (let path: string | null = node.scopePath; path !== null; path = tx.scope(path).parentPath) {
    const producer = tx.producer({ value, scope: path });
    if (producer !== undefined) return toTitle(producer);
    const scope = tx.scope(path);
    if (scope.initializers.includes(value)) return 'initializer';
    if (scope.inputs.some(({ name }) => name === value)) return path === '' ? 'input of the graph' : `input of ${path}`;
  }
  return 'nothing';
}
