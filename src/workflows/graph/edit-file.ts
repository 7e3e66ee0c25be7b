/** Edits the graph of a model file into a copy, and keeps the plan of what was done. */
import { utf8 } from '../../core/bytes.ts';
import {
  applyEditPlan,
  editGraph,
  formatEditPlan,
  type GraphEdit,
  type Problem,
  type Transaction,
} from '../../surgery/index.ts';
import type { Model } from '../../model/types.ts';
import { gatherPlainModels } from '../open-model.ts';
import { assertNoInput, makeParent, writeBytes } from '../write-bytes.ts';
import { writeCopy, type WriteServices, type WrittenCopy } from '../write-copy.ts';

export interface EditFileOptions {
  /** Absolute path of the model. */
  readonly path: string;
  /** Absolute path of the edited copy; null checks the edit and writes nothing. */
  readonly out: string | null;
  /** Absolute path where the plan is kept; null for nowhere. */
  readonly planPath: string | null;
  readonly force: boolean;
  /** True when `out` is the model itself and is to be replaced, with or without `force`. */
  readonly inPlace?: boolean;
  readonly dataRoot?: string | undefined;
  /** Absolute paths of models that `merge` may take, by the name that it gives them. */
  readonly others?: Readonly<Record<string, string>>;
}

export interface EditFileResult {
  readonly edited: WrittenCopy | null;
  readonly plan: string | null;
  /** Verbs that were run. */
  readonly steps: number;
  /** Problems that the model had before and still has, and warnings that the edit brought. */
  readonly inherited: readonly Problem[];
  readonly warnings: readonly Problem[];
}

/** @throws SurgeryError; FormatError | SourceError */
export function editGraphFile(
  services: WriteServices,
  options: EditFileOptions,
  act: (tx: Transaction) => void,
): EditFileResult {
  return withEdit(services, options, (model, others) => editGraph(model, act, others));
}

/** Replays a plan, as {@link editGraphFile}. @param plan JSON text or value */
export function applyPlanToFile(services: WriteServices, options: EditFileOptions, plan: unknown): EditFileResult {
  return withEdit(services, options, (model, others) => applyEditPlan(model, plan, others));
}

interface Others {
  readonly models: Readonly<Record<string, Model>>;
}

function withEdit(
  services: WriteServices,
  options: EditFileOptions,
  work: (model: Model, others: Others) => GraphEdit,
): EditFileResult {
  const { path, dataRoot, others = {} } = options;
  const plain = gatherPlainModels(dataRoot);
  try {
    const model = plain.open(path);
    const models = Object.fromEntries(Object.entries(others).map(([name, file]) => [name, plain.open(file)]));
    return writeEdit(services, options, work(model, { models }));
  } finally {
    plain.close();
  }
}

/**
 * Writes what an edit made, and its plan, where the options say.
 * @throws SourceError WRITE_OVER_INPUT | WRITE_EXISTS | WRITE_FAILED | WRITE_SEVERAL_FILES | SOURCE_CHANGED
 */
export function writeEdit(
  services: WriteServices,
  {
    path,
    out,
    planPath,
    force,
    inPlace = false,
  }: Pick<EditFileOptions, 'path' | 'out' | 'planPath' | 'force' | 'inPlace'>,
  edit: GraphEdit,
): EditFileResult {
  assertNoInput([planPath], [path]);
  if (planPath !== null) writePlan(services, planPath, edit, force);
  const edited = out === null ? null : writeCopy(services, { out, force: force || inPlace }, edit.toRewrite());
  const { inherited, warnings } = edit;
  return { edited, plan: planPath, steps: edit.plan.steps.length, inherited, warnings };
}

function writePlan({ storage }: WriteServices, path: string, { plan }: GraphEdit, force: boolean): void {
  makeParent(storage, path);
  writeBytes(storage, { path, mode: 0o644, bytes: utf8(formatEditPlan(plan)), replace: force });
}
