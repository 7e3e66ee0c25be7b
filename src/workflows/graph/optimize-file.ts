/** Optimises a model file into a copy, with before and after measured: nodes, bytes, outputs, time. */
import { findInputs, type LabelledData, readRuntimeModel } from '../../fidelity/index.ts';
import type { Runtime, RuntimeTensor } from '../../model/runtime.ts';
import type { Model } from '../../model/types.ts';
import { type GraphEdit, optimizeGraph, type OptimizeReport, type PassId } from '../../surgery/index.ts';
import { openPlainModel } from '../open-model.ts';
import { type LatencyRatio, measureLatencyRatio } from '../latency.ts';
import { openEvalData } from '../protect/eval-data.ts';
import type { Services } from '../services.ts';
import { type EditFileOptions, type EditFileResult, writeEdit } from './edit-file.ts';

export interface OptimizeFileOptions extends EditFileOptions {
  readonly passes: readonly PassId[];
  /** False runs nothing: outputs are not compared, and constants are folded by our own arithmetic alone. */
  readonly runs: boolean;
  /** Absolute path of data to compare on; seeded probes without. */
  readonly evalPath?: string | undefined;
}

export interface OptimizeFileResult extends EditFileResult {
  readonly report: OptimizeReport;
  /** Where the inputs came from; null when nothing was run. */
  readonly inputs: string | null;
  /** Null when nothing was run, or outputs differ. */
  readonly latency: LatencyRatio | null;
}

interface Trial {
  readonly runtime: Runtime;
  readonly words: string;
  readonly feeds: readonly ReadonlyMap<string, RuntimeTensor>[];
}

/** Runs on which outputs are compared. */
const RUNS_MAX = 16;

/**
 * Writes nothing when `report.comparison` says that outputs differ.
 * @throws RuntimeError when a model cannot be run: what is not measured is not written, unless `runs` is false
 * @throws FormatError FORMAT_GRAPH_UNSUPPORTED; SurgeryError SURGERY_INVALID; SourceError
 */
export async function optimizeFile(services: Services, options: OptimizeFileOptions): Promise<OptimizeFileResult> {
  const { path, passes, runs } = options;
  const model = openPlainModel(path, options.dataRoot);
  const data = runs ? openEvalData(services, options) : null;
  try {
    const trial = runs ? await openTrial(services, model, data) : null;
    const given = trial === null ? {} : { runtime: trial.runtime, feeds: trial.feeds };
    const { edit, report } = await optimizeGraph(model, { passes, ...given });
    const isWritten = report.comparison === null || report.comparison.agreed;
    const latency = trial === null || !isWritten ? null : await timeBoth(services, model, edit, trial);
    const written = writeEdit(services, isWritten ? options : { ...options, out: null, planPath: null }, edit);
    return { ...written, report, inputs: trial?.words ?? null, latency };
  } finally {
    data?.close();
    model.close();
  }
}

/** Inputs on which the model runs. */
async function openTrial(services: Services, model: Model, data: LabelledData | null): Promise<Trial> {
  const runtime = await services.openRuntime();
  const session = await runtime.load(readRuntimeModel(model));
  try {
    const { source, words } = await findInputs(session, { graph: model.graph, data, probes: RUNS_MAX });
    const starts = Array.from({ length: Math.ceil(source.samples / source.step) }, (_, i) => i * source.step);
    const feeds = starts
      .slice(0, RUNS_MAX)
      .map((start) => source.make(start, Math.min(source.step, source.samples - start)));
    return { runtime, words, feeds };
  } finally {
    await session.release();
  }
}

async function timeBoth(
  { clock }: Services,
  model: Model,
  edit: GraphEdit,
  { runtime, feeds: [feeds] }: Trial,
): Promise<LatencyRatio> {
  const before = await runtime.load(readRuntimeModel(model));
  try {
    const after = await runtime.load(readRuntimeModel(model, edit.toRewrite()));
    try {
      return await measureLatencyRatio({ before, after, feeds, clock });
    } finally {
      await after.release();
    }
  } finally {
    await before.release();
  }
}
