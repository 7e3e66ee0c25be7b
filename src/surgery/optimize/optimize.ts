/** The optimiser: separate passes, each of which says what it did, in one edit; outputs are compared before and after. */
import type { GraphDocument, ScopeRecord } from '../../model/document.ts';
import type { Runtime } from '../../model/runtime.ts';
import type { Model } from '../../model/types.ts';
import { editGraph, type GraphEdit } from '../edit.ts';
import type { EditStep } from '../plan.ts';
import { type Comparison, compareModels, type Feeds } from '../run/compare.ts';
import { toPlanBytes, toRuntimeModel } from '../run/memory.ts';
import { eachScopeRecord } from '../validate/tree.ts';
import type { Pass, PassResult } from './pass.ts';
import { cleanup } from './passes/cleanup.ts';
import { deduplicate } from './passes/deduplicate.ts';
import { fold } from './passes/fold.ts';
import { fuseBatchNorm } from './passes/fuse-batch-norm.ts';
import { half } from './passes/half.ts';

const rows = { fold, cleanup, fuseBatchNorm, deduplicate, half } as const satisfies Record<string, Pass>;

export type PassId = keyof typeof rows;

/** Every pass by its name, in the order in which they help each other. */
export const OPTIMIZE_PASSES: readonly PassId[] = Object.freeze(Object.keys(rows) as PassId[]);

/** All but `half`, which changes outputs by more than the order of additions does. */
export const DEFAULT_PASSES: readonly PassId[] = Object.freeze(OPTIMIZE_PASSES.filter((id) => id !== 'half'));

/** Relative to the largest magnitude of an output: f32 keeps 24 bits, sums of some thousand terms lose some ten. */
const EXACT_TOLERANCE = 1e-4;
/** f16 keeps 11 bits. */
const HALF_TOLERANCE = 2e-2;

export interface OptimizeOptions {
  /** In this order; {@link DEFAULT_PASSES} when left out. */
  readonly passes?: readonly PassId[];
  /** Folds what our own arithmetic does not, and compares outputs. */
  readonly runtime?: Runtime;
  /** Inputs to compare on; none are compared without. */
  readonly feeds?: readonly Feeds[];
  /** Of float outputs, relative to the largest magnitude; 1e-4, and 2e-2 when `half` is among the passes. */
  readonly tolerance?: number;
  /** For `half`: inputs and outputs stay f32. True unless told. */
  readonly keepIo?: boolean;
}

export interface GraphSize {
  /** Nodes of all scopes and functions. */
  readonly nodes: number;
  readonly initializers: number;
  /** Bytes of all files. */
  readonly bytes: number;
}

export interface PassReport extends PassResult {
  readonly id: PassId;
  readonly after: GraphSize;
}

export interface OptimizeReport {
  readonly before: GraphSize;
  readonly after: GraphSize;
  readonly passes: readonly PassReport[];
  /** Null when no runtime or no feeds were given. */
  readonly comparison: Comparison | null;
}

/**
 * Optimises the graph of a model. Nothing is written: `edit` says what to write, and its plan replays without a runtime.
 * The caller decides on `report.comparison`; a disagreement is no error here.
 * @throws FormatError FORMAT_GRAPH_UNSUPPORTED; SurgeryError SURGERY_INVALID; RuntimeError when either model cannot be
 *   run for the comparison; SourceError
 */
export async function optimizeGraph(
  model: Model,
  options: OptimizeOptions = {},
): Promise<{ readonly edit: GraphEdit; readonly report: OptimizeReport }> {
  const { passes = DEFAULT_PASSES, runtime = null, feeds = [], keepIo = true } = options;
  let edit = editGraph(model, () => undefined);
  const before = toGraphSize(edit);
  const reports: PassReport[] = [];
  for (const id of passes) {
    const { steps } = edit.plan;
    const apply = await rows[id]({ model, document: edit.document, steps, runtime, keepIo });
    const step = continueEdit(model, steps, apply);
    edit = step.edit;
    reports.push({ id, ...step.result, after: toGraphSize(edit) });
  }
  const tolerance = options.tolerance ?? (passes.includes('half') ? HALF_TOLERANCE : EXACT_TOLERANCE);
  const comparison =
    runtime === null || feeds.length === 0 ? null : await compareEdit(runtime, model, edit, feeds, tolerance);
  return { edit, report: { before, after: toGraphSize(edit), passes: reports, comparison } };
}

/** The edit with one pass more. */
function continueEdit(
  model: Model,
  steps: readonly EditStep[],
  apply: Awaited<ReturnType<Pass>>,
): { readonly edit: GraphEdit; readonly result: PassResult } {
  let result: PassResult | null = null;
  const edit = editGraph(model, (tx) => {
    for (const step of steps) tx.run(step);
    result = apply(tx);
  });
  return { edit, result: result! };
}

/**
 * Runs a model as it was opened and as an edit leaves it.
 * @throws RuntimeError
 */
export function compareEdit(
  runtime: Runtime,
  model: Model,
  edit: GraphEdit,
  feeds: readonly Feeds[],
  tolerance: number,
): Promise<Comparison> {
  const models = { before: toRuntimeModel(model.plan([])), after: toRuntimeModel(edit.toRewrite()) };
  return compareModels(runtime, models, feeds, tolerance);
}

function toGraphSize(edit: GraphEdit): GraphSize {
  const scopes = listScopes(edit.document);
  return {
    nodes: scopes.reduce((sum, { nodes }) => sum + nodes.length, 0),
    initializers: scopes.reduce((sum, { initializers }) => sum + initializers.length, 0),
    bytes: toPlanBytes(edit.toRewrite()),
  };
}

function listScopes({ graph, functions }: GraphDocument): readonly ScopeRecord[] {
  return [graph, ...functions.map(({ body }) => body)].flatMap((root) => [...eachScopeRecord(root)]);
}
