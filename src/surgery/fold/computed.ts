/** Values that hang on constants alone but that only a runtime computes: a model of those nodes is run without inputs. */
import { SURGERY_LIMITS } from '../../core/limits/surgery.ts';
import type { DType } from '../../model/dtype.ts';
import type { GraphDocument, NodeRecord, ScopeRecord } from '../../model/document.ts';
import type { Runtime, RuntimeTensor } from '../../model/runtime.ts';
import type { Model } from '../../model/types.ts';
import { editGraph } from '../edit.ts';
import type { Inference } from '../infer/inference.ts';
import type { InferredType } from '../infer/types.ts';
import type { EditStep } from '../plan.ts';
import { toRuntimeModel } from '../run/memory.ts';
import { eachScopeRecord } from '../validate/tree.ts';
import type { FoldedNode } from './known.ts';
import { findByteLength, isFoldable, isWorthwhile } from './policy.ts';

/** Nodes of the main graph that hang on constants, and those that other nodes or outputs read. */
export interface ConstantCone {
  readonly nodes: readonly NodeRecord[];
  readonly border: readonly BorderNode[];
}

/** A node whose outputs are all asked for: it is replaced as a whole. */
export interface BorderNode {
  readonly outputs: readonly string[];
  readonly dtypes: readonly DType[];
}

export function findConstantCone(document: GraphDocument, inference: Inference): ConstantCone {
  const { graph, irVersion } = document;
  const types = inference.scopes.get(graph) ?? new Map<string, InferredType>();
  const fed = new Set(irVersion < 4 ? [] : graph.inputs.map(({ name }) => name));
  const constants = new Set(graph.initializers.flatMap(({ name, tensor }) => (tensor && !fed.has(name) ? [name] : [])));
  const nodes = graph.nodes.filter((node) => {
    const isConstant = node.op === 'Constant' && node.domain === '';
    const isRead = node.inputs.every((name) => name === '' || constants.has(name));
    if (!isConstant && !(isRead && isFoldable(node) && isSmall(node, types))) return false;
    for (const output of node.outputs) constants.add(output);
    return !isConstant;
  });
  const read = collectReads(graph, new Set(nodes));
  const border = nodes.filter(({ outputs }) => outputs.some((name) => read.has(name)));
  return { nodes, border: border.flatMap((node) => toBorderNode(node, types) ?? []) };
}

/** Undefined for a node of which an output is no tensor that a runtime gives. */
function toBorderNode(node: NodeRecord, types: ReadonlyMap<string, InferredType>): BorderNode | undefined {
  const outputs = node.outputs.filter((name) => name !== '');
  const dtypes = outputs.map((name) => {
    const type = types.get(name);
    return type?.kind === 'tensor' && type.dtype !== 'string' ? type.dtype : null;
  });
  return dtypes.every((dtype) => dtype !== null) ? { outputs, dtypes } : undefined;
}

/** False when an output is too large; true when its size is not known yet. */
function isSmall(node: NodeRecord, types: ReadonlyMap<string, InferredType>): boolean {
  const inputBytes = node.inputs.reduce((sum, name) => sum + (findByteLength(types.get(name)) ?? 0), 0);
  return node.outputs.every((name) => {
    const bytes = findByteLength(types.get(name));
    return bytes === undefined || isWorthwhile(bytes, inputBytes);
  });
}

/** Names that are read outside the cone, those of subgraphs and outputs too. */
function collectReads(graph: ScopeRecord, inside: ReadonlySet<NodeRecord>): ReadonlySet<string> {
  const read = new Set(graph.outputs.map(({ name }) => name));
  for (const scope of eachScopeRecord(graph)) {
    if (scope !== graph) for (const { name } of scope.outputs) read.add(name);
    for (const node of scope.nodes) if (!inside.has(node)) for (const name of node.inputs) read.add(name);
  }
  return read;
}

/**
 * Computes the values at the border of the cone.
 * @param steps what was done to `model` so far
 * @throws RuntimeError RUNTIME_LOAD_FAILED | RUNTIME_RUN_FAILED
 */
export async function computeCone(
  model: Model,
  steps: readonly EditStep[],
  cone: ConstantCone,
  runtime: Runtime,
): Promise<readonly FoldedNode[]> {
  if (cone.border.length === 0) return [];
  const edit = editGraph(model, (tx) => {
    for (const step of steps) tx.run(step);
    const { inputs, outputs, initializers } = tx.scope();
    for (const { name } of outputs) tx.deleteOutput(name);
    for (const { outputs: names, dtypes } of cone.border) {
      for (const [i, name] of names.entries()) tx.addOutput(name, { dtype: dtypes[i] });
    }
    tx.cleanup();
    const kept = new Set(initializers);
    for (const { name } of inputs) if (!kept.has(name)) tx.deleteInput(name);
  });
  const session = await runtime.load(toRuntimeModel(edit.toRewrite()));
  try {
    return toFolded(cone, await session.run(new Map()));
  } finally {
    await session.release();
  }
}

function toFolded(cone: ConstantCone, results: ReadonlyMap<string, RuntimeTensor>): readonly FoldedNode[] {
  let total = 0;
  return cone.border.flatMap(({ outputs }): FoldedNode[] => {
    const values = outputs.map((output) => ({ output, tensor: results.get(output)! }));
    const bytes = values.reduce((sum, { tensor }) => sum + tensor.data.length, 0);
    if (bytes > SURGERY_LIMITS.foldValueBytesMax || total + bytes > SURGERY_LIMITS.foldTotalBytesMax) return [];
    total += bytes;
    return [{ scope: '', values }];
  });
}
