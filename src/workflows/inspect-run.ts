/** Looks at a model while it runs: statistics of inner values, time of every node. Plain models only. */
import { WorkflowError } from '../core/errors.ts';
import { FIDELITY_LIMITS } from '../core/limits/fidelity.ts';
import { type Activations, findInputs, type Inputs, observeValues, readRuntimeModel } from '../fidelity/index.ts';
import { openModelPath } from '../formats/index.ts';
import type { Profile, Runtime, RuntimeModel } from '../model/runtime.ts';
import type { Graph, Model } from '../model/types.ts';
import { isSealedPath } from './open-model.ts';
import { openEvalData } from './protect/eval-data.ts';
import type { Services } from './services.ts';

export interface InspectRunOptions {
  /** Absolute path of an ONNX model. */
  readonly path: string;
  readonly dataRoot?: string | undefined;
  /** Absolute path of data; seeded probes without. */
  readonly evalPath?: string | undefined;
}

export interface ActivationReport extends Activations {
  readonly runtime: string;
  /** Where the inputs came from: "seeded probes". */
  readonly inputs: string;
}

export interface ProfileReport extends Profile {
  readonly inputs: string;
}

/** Runs of a profile; fewer for graphs of many nodes. */
const PROFILE_RUNS = 20;

/**
 * @param options.values names, or expressions, of inputs and of values that nodes of the main graph make
 * @throws WorkflowError INSPECT_SEALED | INSPECT_VALUE_MISSING; RuntimeError; FormatError | SourceError
 */
export function inspectActivations(
  services: Services,
  options: InspectRunOptions & { readonly values: readonly (string | RegExp)[] },
): Promise<ActivationReport> {
  return withRun(services, options, async ({ runtime, model, graph, inputs: { source, words } }) => {
    const names = findNames(graph, options.values);
    const observed = await observeValues({ runtime, model, graph, names, source, progress: services.progress });
    return { runtime: `${runtime.id} ${runtime.version}`, inputs: words, ...observed };
  });
}

/** @throws WorkflowError INSPECT_SEALED; RuntimeError RUNTIME_PROFILE_UNAVAILABLE and others; FormatError | SourceError */
export function profileModel(
  services: Services,
  options: InspectRunOptions & { readonly isOptimized: boolean },
): Promise<ProfileReport> {
  return withRun(services, options, async ({ model, graph, inputs: { source, words } }) => {
    const profiler = await services.openProfiler();
    const runs = Math.floor(FIDELITY_LIMITS.profileTimingsMax / Math.max(1, graph.nodes.length));
    const profile = await profiler.profile(
      model,
      source.make(0, Math.min(source.isFree ? 1 : source.step, source.samples)),
      {
        runs: Math.max(1, Math.min(PROFILE_RUNS, runs)),
        isOptimized: options.isOptimized,
      },
    );
    return { ...profile, inputs: words };
  });
}

interface Running {
  readonly runtime: Runtime;
  readonly model: RuntimeModel;
  readonly graph: Graph;
  readonly inputs: Inputs;
}

/** Opens model and data, and finds inputs on which the model runs. */
async function withRun<T>(
  services: Services,
  options: InspectRunOptions,
  work: (running: Running) => Promise<T>,
): Promise<T> {
  if (isSealedPath(options.path)) throw new WorkflowError('INSPECT_SEALED');
  const model = openModelPath(options.path, { dataRoot: options.dataRoot });
  try {
    const bytes = readRuntimeModel(model);
    const runtime = await services.openRuntime();
    const inputs = await openInputs(services, options, { model, bytes, runtime });
    try {
      return await work({ runtime, model: bytes, graph: model.graph!, inputs });
    } finally {
      inputs.close();
    }
  } finally {
    model.close();
  }
}

async function openInputs(
  services: Services,
  options: InspectRunOptions,
  { model, bytes, runtime }: { readonly model: Model; readonly bytes: RuntimeModel; readonly runtime: Runtime },
): Promise<Inputs & { close(): void }> {
  const data = openEvalData(services, options);
  const close = (): void => data?.close();
  try {
    const session = await runtime.load(bytes);
    try {
      return { ...(await findInputs(session, { graph: model.graph, data })), close };
    } finally {
      await session.release();
    }
  } catch (error) {
    close();
    throw error;
  }
}

function findNames(graph: Graph, wanted: readonly (string | RegExp)[]): string[] {
  const made = graph.nodes.flatMap(({ outputs }) => outputs).filter((name) => name !== '');
  const known = new Set([...graph.inputs.map(({ name }) => name), ...made]);
  return wanted.flatMap((word) => {
    const found =
      typeof word === 'string'
        ? [word].filter((name) => known.has(name))
        : [...known].filter((name) => word.test(name));
    if (found.length === 0) throw new WorkflowError('INSPECT_VALUE_MISSING', { fields: { value: String(word) } });
    return found;
  });
}
