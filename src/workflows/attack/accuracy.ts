/** How often a copy is right on the evaluation data; the scale of the samples is the one that suits the marked model. */
import { ModelwardError } from '../../core/errors.ts';
import { compareRuns, type FeedSource, findInputs, type LabelledData, readRuntimeModel } from '../../fidelity/index.ts';
import type { Model } from '../../model/types.ts';
import type { Runtime, RuntimeSession } from '../../model/runtime.ts';
import type { RewritePlan } from '../../source/rewrite.ts';
import type { AttackRecord } from '../../report/index.ts';
import { openEvalData } from '../protect/eval-data.ts';
import type { Services } from '../services.ts';

export interface Samples {
  readonly data: LabelledData;
  readonly source: FeedSource;
  readonly words: string;
}

/** Opens labelled data as the marked model takes it. @throws RuntimeError DATA_… | RUNTIME_…; SourceError */
export async function openSamples(
  services: Services,
  model: Model,
  at: { readonly path: string; readonly labelColumn?: 'auto' | 'first' | 'last' | undefined },
): Promise<Samples> {
  const data = openEvalData(services, { evalPath: at.path, ...(at.labelColumn && { labelColumn: at.labelColumn }) })!;
  try {
    const runtime = await services.openRuntime();
    const session = await runtime.load(readRuntimeModel(model));
    try {
      const { source, words } = await findInputs(session, { graph: model.graph, data });
      return { data, source, words };
    } finally {
      await session.release();
    }
  } catch (error) {
    data.close();
    throw error;
  }
}

export interface Meter {
  readonly facts: AttackRecord['evaluation'];
  /** Share of right answers of a copy; null when it cannot be run, or answers no classes. */
  measure(model: Model, plan?: RewritePlan): Promise<number | null>;
  close(): void;
}

const NO_METER: Meter = { facts: null, measure: () => Promise.resolve(null), close: () => undefined };

/** @param path absolute path of the data; null measures nothing */
export async function openMeter(
  services: Services,
  model: Model,
  at: { readonly path: string | undefined; readonly labelColumn?: 'auto' | 'first' | 'last' | undefined },
): Promise<Meter> {
  const { path } = at;
  if (path === undefined) return NO_METER;
  const runtime = await services.openRuntime();
  const samples = await openSamples(services, model, { ...at, path });
  return {
    facts: { samples: samples.data.count, words: samples.words, runtime: `${runtime.id} ${runtime.version}` },
    measure: (copy, plan) => measureCopy(runtime, samples, copy, plan),
    close: () => {
      samples.data.close();
    },
  };
}

async function measureCopy(
  runtime: Runtime,
  { source, data }: Samples,
  model: Model,
  plan: RewritePlan | undefined,
): Promise<number | null> {
  let session: RuntimeSession | undefined;
  try {
    session = await runtime.load(readRuntimeModel(model, plan));
    const { counts } = await compareRuns({ original: session, marked: session, source, labels: data.labels });
    return counts === null ? null : counts.rightOriginal / data.count;
  } catch (error) {
    // A copy that no engine runs has no accuracy; that is a finding, not a failure.
    if (error instanceof ModelwardError && error.code.startsWith('RUNTIME_')) return null;
    throw error;
  } finally {
    await session?.release();
  }
}
