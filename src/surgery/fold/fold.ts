/** Constant folding: nodes that always give the same become constants. */
import { ModelwardError } from '../../core/errors.ts';
import { readGraphDocument } from '../../formats/index.ts';
import type { GraphDocument } from '../../model/document.ts';
import type { Runtime } from '../../model/runtime.ts';
import type { Model } from '../../model/types.ts';
import { editGraph, type GraphEdit } from '../edit.ts';
import { inferDocument } from '../infer/infer.ts';
import type { EditStep } from '../plan.ts';
import type { Transaction } from '../transaction.ts';
import { computeCone, findConstantCone } from './computed.ts';
import { type FoldedNode, listKnownNodes } from './known.ts';

export interface FoldOptions {
  /** Computes what is beyond shape arithmetic and small elementwise work; without one, that stays as it is. */
  readonly runtime?: Runtime;
}

export interface FoldReport {
  /** Nodes that became constants by our own arithmetic. */
  readonly known: number;
  /** Nodes that became constants with what the runtime gave; those that only they read went with them. */
  readonly computed: number;
  /** Bytes of the new constants. */
  readonly bytes: number;
  /** Code of the error when the runtime refused; what needs it was left as it is then. */
  readonly runtimeFailure: string | null;
  /** What nothing needs any more. */
  readonly removedNodes: number;
  readonly removedInitializers: number;
}

/**
 * Folds the constants of a model's graph and its subgraphs; function bodies stay. The edit is recorded in verbs and
 * replays without a runtime.
 *
 * Never folded: random operators, Quantize-, Dequantize- and DynamicQuantizeLinear, control flow, and values that would
 * be larger than what they are made from by more than 16 KiB. Declared shapes of inputs are taken as given, as
 * runtimes enforce them; declared types of inner values are not.
 * @throws FormatError FORMAT_GRAPH_UNSUPPORTED; SurgeryError SURGERY_INVALID; SourceError
 */
export async function foldConstants(
  model: Model,
  options: FoldOptions = {},
): Promise<{ readonly edit: GraphEdit; readonly report: FoldReport }> {
  const folding = await planFolding(model, { document: readGraphDocument(model), steps: [], ...options });
  let report: FoldReport | null = null;
  const edit = editGraph(model, (tx) => {
    report = folding(tx);
  });
  return { edit, report: report! };
}

export interface FoldContext extends FoldOptions {
  /** The graph as it is after `steps`. */
  readonly document: GraphDocument;
  /** What was done to the model so far. */
  readonly steps: readonly EditStep[];
}

/** Works out what to fold, outside the transaction, since a runtime answers later. */
export async function planFolding(model: Model, context: FoldContext): Promise<(tx: Transaction) => FoldReport> {
  const { document, runtime, steps } = context;
  const inference = inferDocument(document, { declared: 'inputs' });
  const known = listKnownNodes(document, inference);
  const knownOutputs = new Set(known.flatMap(({ scope, values }) => values.map(({ output }) => `${scope}\n${output}`)));
  let computed: readonly FoldedNode[] = [];
  let runtimeFailure: string | null = null;
  if (runtime !== undefined) {
    try {
      const nodes = await computeCone(model, steps, findConstantCone(document, inference), runtime);
      computed = nodes.filter(({ values }) => !values.some(({ output }) => knownOutputs.has(`\n${output}`)));
    } catch (error) {
      if (!(error instanceof ModelwardError) || !error.code.startsWith('RUNTIME_')) throw error;
      runtimeFailure = error.code;
    }
  }
  return (tx) => {
    const bytes = [...known, ...computed].reduce((sum, node) => sum + applyFold(tx, node), 0);
    const { nodes, initializers } = tx.cleanup();
    return {
      known: known.length,
      computed: computed.length,
      bytes,
      runtimeFailure,
      removedNodes: nodes,
      removedInitializers: initializers,
    };
  };
}

/** Puts constants in the place of a node. @returns their bytes */
function applyFold(tx: Transaction, { scope, values }: FoldedNode): number {
  const node = tx.node({ output: values[0].output, scope });
  const constants = values.map(({ output, tensor }) => ({
    op: 'Constant',
    name: tx.fresh(`${output}_folded`),
    inputs: [],
    outputs: [output],
    attributes: { value: { tensor } },
  }));
  tx.replace([node], constants);
  const { outputs } = tx.scope(scope);
  for (const { output } of values) {
    // Below IR 4 an initializer would be an input; an output of a graph must be made by a node for some runtimes.
    const isNode = tx.irVersion < 4 || outputs.some(({ name }) => name === output);
    if (!isNode) tx.constantToInitializer({ scope, value: output });
  }
  return values.reduce((sum, { tensor }) => sum + (tensor.data as Uint8Array).length, 0);
}
