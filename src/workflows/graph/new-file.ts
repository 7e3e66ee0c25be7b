/** A model file from nothing: an empty graph, or what a plan makes of one. */
import { applyEditPlan, createModel, type CreateOptions, editGraph } from '../../surgery/index.ts';
import { writeCopy, type WriteServices, type WrittenCopy } from '../write-copy.ts';

export interface NewFileOptions extends CreateOptions {
  /** Absolute path of the new model. */
  readonly out: string;
  readonly force: boolean;
  /** JSON text or value of a plan that fills the graph; null leaves it empty. */
  readonly plan: unknown;
}

export interface NewFileResult {
  readonly created: WrittenCopy;
  readonly steps: number;
}

/** @throws SurgeryError as `applyEditPlan`; TypeError for versions that are none */
export function createGraphFile(services: WriteServices, options: NewFileOptions): NewFileResult {
  const { out, force, plan, ...create } = options;
  const model = createModel(create);
  try {
    const edit = plan === null ? editGraph(model, () => undefined) : applyEditPlan(model, plan);
    return { created: writeCopy(services, { out, force }, edit.toRewrite()), steps: edit.plan.steps.length };
  } finally {
    model.close();
  }
}
