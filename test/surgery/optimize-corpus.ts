/** Optimised models against the ones they were made from: still valid, still the same outputs, same plan replayed. */
import { readGraphDocument } from '../../src/formats/index.ts';
import type { Runtime } from '../../src/model/runtime.ts';
import {
  applyEditPlan,
  formatEditPlan,
  inferDocument,
  optimizeGraph,
  type PassId,
  validateGraph,
} from '../../src/surgery/index.ts';
import { openBytes, runPlan } from '../formats/models.ts';
import { AgreementCount, findMainType, toTensorRef } from './infer.ts';
import { isClose, type RunnableCase, runModel } from './metamorphic.ts';

export interface Outcome {
  /** Undefined when the result is valid, replays to the same bytes and runs; else why not. */
  readonly invalid: string | undefined;
  /** Whether the outputs are those of the model as it was; meaningless when invalid. */
  readonly same: boolean;
  /** Whether anything was changed. */
  readonly changed: boolean;
}

export async function optimizeCase(runtime: Runtime, of: RunnableCase, passes: readonly PassId[]): Promise<Outcome> {
  const failed = (invalid: string): Outcome => ({ invalid, same: false, changed: true });
  let edited: Uint8Array;
  try {
    const model = openBytes(of.model, 'model.onnx');
    const { edit } = await optimizeGraph(model, { passes, runtime });
    edited = runPlan(edit.toRewrite());
    const replayed = applyEditPlan(model, formatEditPlan(edit.plan));
    if (Buffer.compare(runPlan(replayed.toRewrite()), edited) !== 0) return failed('the plan replays to other bytes');
    const known = new Set(validateGraph(model).problems.map(({ rule }) => rule));
    const { problems } = validateGraph(openBytes(edited, 'model.onnx'));
    const fresh = problems.filter(({ rule, severity }) => severity === 'error' && !known.has(rule));
    if (fresh.length > 0) return failed(`invalid: ${JSON.stringify(fresh[0])}`);
  } catch (error) {
    const { code, fields, stack } = error as { code?: string; fields?: unknown; stack: string };
    return failed(`${code ?? stack} ${JSON.stringify(fields)}`);
  }
  const { outputs, problem } = await runModel(runtime, edited, of.inputs);
  if (outputs === null) return failed(problem);
  return { invalid: undefined, same: isClose(of.outputs, outputs), changed: Buffer.compare(edited, of.model) !== 0 };
}

/** Inferred types of a case's outputs, with its inputs fed, against what the runtime gave. */
export function addRealTypes(count: AgreementCount, { name, model, inputs, outputs }: RunnableCase): void {
  const document = readGraphDocument(openBytes(model, 'model.onnx'));
  const initialized = new Set(document.graph.initializers.map((initializer) => initializer.name));
  const fed = document.graph.inputs.filter((input) => !initialized.has(input.name)).slice(0, inputs.length);
  const tensors = fed.flatMap((input, i) =>
    inputs[i].dtype === 'string' ? [] : [[input.name, toTensorRef(input.name, inputs[i])] as const],
  );
  const inference = inferDocument(document, { declared: 'inputs', inputTensors: new Map(tensors) });
  document.graph.outputs.forEach((output, i) => {
    if (i < outputs.length)
      count.add(`${name} ${output.name}`, findMainType(inference, document, output.name), outputs[i]);
  });
}
