/** Compares two models: graph, tensors, what was done, and what it does to the answers. */
import { basename } from 'node:path';
import { utf8 } from '../core/bytes.ts';
import { ModelwardError } from '../core/errors.ts';
import { type LabelledData, readRuntimeModel } from '../fidelity/index.ts';
import type { Model } from '../model/types.ts';
import { toDiffHtml, toDiffSarif } from '../report/index.ts';
import { type Behaviour, compareBehaviour, diffModels, type Grade, type ModelDiff } from '../tamper/index.ts';
import { openAnyModel, type OpenedModel } from './open-model.ts';
import { openEvalData } from './protect/eval-data.ts';
import type { Services } from './services.ts';
import type { Session } from './session.ts';
import { assertNoInput, writeOutput } from './write-bytes.ts';

export interface DiffModelsOptions {
  /** Absolute paths, plain or sealed. */
  readonly before: string;
  readonly after: string;
  readonly keyUri: string | null;
  readonly dataRoot?: string;
  /** Absolute path of labelled data that both models are run on; seeded probes without it. */
  readonly evalPath?: string;
  readonly labelColumn?: 'auto' | 'first' | 'last' | undefined;
  /** Runs the models; only ONNX can be run. */
  readonly isRun: boolean;
  /** How many probes, where there is no data. */
  readonly probes: number;
  /** Absolute paths of reports to write. */
  readonly htmlPath?: string;
  readonly sarifPath?: string;
}

export interface DiffModelsReport extends ModelDiff {
  readonly names: { readonly before: string; readonly after: string };
  readonly behaviour: Behaviour;
  /** The worst of weights, graph and behaviour. */
  readonly grade: Grade;
  /** What could not be compared, one sentence each; a report with entries here is not "the same". */
  readonly open: readonly string[];
}

/**
 * Opens both models, compares them, and runs them on the same inputs. Nothing is recorded: two files are compared, not
 * a model with its owner's record (that is `verifyModel`).
 * @throws FormatError | SourceError | SealError; WRITE_OVER_INPUT | WRITE_FAILED for the reports; RuntimeError DATA_… for the evaluation data
 */
export async function diffModelFiles(
  services: Services,
  openSession: () => Session,
  options: DiffModelsOptions,
): Promise<DiffModelsReport> {
  assertNoInput([options.htmlPath, options.sarifPath], [options.before, options.after]);
  // First: data that cannot be read is told even where the models turn out to be the same.
  const data = openEvalData(services, options);
  const opened: OpenedModel[] = [];
  const open = async (path: string): Promise<Model> => {
    const { dataRoot, keyUri } = options;
    const base = { path, keyUri, ...(dataRoot === undefined ? {} : { dataRoot }) };
    opened.push(await openAnyModel(services, () => openSession().recorder, base));
    return opened[opened.length - 1].model;
  };
  try {
    const before = await open(options.before);
    const after = await open(options.after);
    const diff = diffModels({ before, after, progress: services.progress });
    const behaviour = await findBehaviour(services, options, { before, after, diff, data });
    const hints = behaviour.kind === 'measured' ? behaviour.hints : [];
    const names = { before: basename(options.before), after: basename(options.after) };
    const grade = hints.some((hint) => hint.grade === 'suspicious') ? 'suspicious' : diff.verdict.grade;
    const report = { ...diff, names, behaviour, grade, open: listOpen(diff) };
    writeReports(services, options, report);
    return report;
  } finally {
    data?.close();
    for (const { model } of opened) model.close();
  }
}

function writeReports(services: Services, options: DiffModelsOptions, report: DiffModelsReport): void {
  const { toolVersion } = services;
  const { names, behaviour, grade, open, ...diff } = report;
  const page = { names, toolVersion, diff, behaviour, grade, open };
  if (options.htmlPath !== undefined) writeOutput(services, options.htmlPath, utf8(toDiffHtml(page)));
  if (options.sarifPath !== undefined) writeOutput(services, options.sarifPath, utf8(toDiffSarif(page)));
}

interface Compared {
  readonly before: Model;
  readonly after: Model;
  readonly diff: ModelDiff;
  readonly data: LabelledData | null;
}

async function findBehaviour(
  services: Services,
  options: DiffModelsOptions,
  { before, after, diff, data }: Compared,
): Promise<Behaviour> {
  const unmeasured = (reason: string): Behaviour => ({ kind: 'unmeasured', reason });
  if (!options.isRun) return unmeasured('not asked for');
  if (diff.verdict.grade === 'same' && listOpen(diff).length === 0) return unmeasured('both compute the same');
  if (before.format !== 'onnx' || after.format !== 'onnx') return unmeasured('only ONNX models can be run');
  try {
    const runtime = await services.openRuntime();
    const files = { before: readRuntimeModel(before), after: readRuntimeModel(after) };
    const { progress } = services;
    const inputs = { graph: before.graph, data, probes: options.probes };
    return await compareBehaviour({ runtime, ...files, ...inputs, weights: diff, progress });
  } catch (error) {
    // A machine without an engine, or a model above its limit, is still compared.
    if (!(error instanceof ModelwardError) || !error.code.startsWith('RUNTIME_')) throw error;
    return unmeasured(error.message.replace(/\.$/, ''));
  }
}

function listOpen({ before, after, notCompared }: ModelDiff): string[] {
  const open: string[] = [];
  if ((before.nodes === null) !== (after.nodes === null)) {
    open.push('Only one of the files holds a graph, so graphs were not compared.');
  }
  if (before.nodes !== null && after.nodes !== null && before.format !== after.format) {
    open.push(`Graphs of ${before.format} and ${after.format} have operators of their own, so they were not compared.`);
  }
  if (notCompared.length > 0) open.push(`${notCompared.length} tensors could not be compared element by element.`);
  return open;
}
