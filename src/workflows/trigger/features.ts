/** What enters the last layer: of clean samples, and of candidates. */
import { WatermarkError } from '../../core/errors.ts';
import { TRIGGER_LIMITS } from '../../core/limits/triggers.ts';
import type { Progress } from '../../core/ports.ts';
import { findInputs, type LabelledData, toValues } from '../../fidelity/index.ts';
import { exposeValues } from '../../formats/index.ts';
import type { Runtime, RuntimeModel, RuntimeSession, RuntimeTensor } from '../../model/runtime.ts';
import type { Graph } from '../../model/types.ts';
import { type FeatureRows, type Head, toTriggerQuestion, type TriggerInput } from '../../watermark/index.ts';
import { toIntake, toQuestionFeed } from './ask.ts';

/** The model with the input of its last layer in sight. */
export async function loadExposed(
  runtime: Runtime,
  { files, graph, head }: { readonly files: RuntimeModel; readonly graph: Graph; readonly head: Head },
): Promise<RuntimeSession> {
  const isOutput = graph.outputs.some(({ name }) => name === head.data);
  return runtime.load(isOutput ? files : { ...files, main: exposeValues(files.main, [head.data]) });
}

export interface CleanSamples {
  readonly clean: FeatureRows;
  /** Class numbers of the samples; null when the labels are not those of the classes. */
  readonly labels: Int32Array | null;
  /** How inputs are made, with the range that the samples have. */
  readonly input: TriggerInput;
  /** Such as "npz data, values / 255". */
  readonly words: string;
}

/**
 * Runs up to 65,536 samples, spread over all of them.
 * @throws WatermarkError WATERMARK_TRIGGER_UNFIT; RuntimeError RUNTIME_… | DATA_…
 */
export async function readClean(
  session: RuntimeSession,
  {
    graph,
    head,
    data,
    progress,
  }: { readonly graph: Graph; readonly head: Head; readonly data: LabelledData; readonly progress: Progress },
): Promise<CleanSamples> {
  if (session.inputs.length !== 1) throw unfit(`it has ${session.inputs.length} inputs, not one`);
  const { source, words } = await findInputs(session, { graph, data });
  if (!source.hasBatchAxis) throw unfit('its input has no axis for the batch');
  const width = head.features + Number(head.bias !== null);
  const { samplesMax, featureValuesMax } = TRIGGER_LIMITS;
  const wanted = Math.min(source.samples, samplesMax, Math.floor(featureValuesMax / width));
  const runs = Math.max(1, Math.floor(wanted / source.step));
  const values = new Float32Array(runs * source.step * width);
  const indices: number[] = [];
  const range = { low: Number.POSITIVE_INFINITY, high: Number.NEGATIVE_INFINITY };
  let fed: RuntimeTensor | undefined;
  progress.step('features of clean data', runs, 'items');
  for (let run = 0; run < runs; run++) {
    const start = Math.floor((run * (source.samples - source.step)) / Math.max(1, runs - 1));
    const count = Math.min(source.step, source.samples - Math.max(0, start));
    const feeds = source.make(Math.max(0, start), count);
    fed = [...feeds.values()][0];
    widenRange(range, toValues(fed));
    const rows = toRows(await session.run(feeds), head, source.toRows(count));
    appendRows(values, indices.length, rows.subarray(0, count * head.features), head);
    for (let i = 0; i < count; i++) indices.push(Math.max(0, start) + i);
    progress.advance(1);
  }
  progress.done();
  if (fed === undefined || !(range.high > range.low) || !Number.isFinite(range.high - range.low)) {
    throw unfit('the clean samples are all the same, or not numbers');
  }
  const numbers = findClassNumbers(data.labels.values, head.classes);
  const labels = numbers === null ? null : Int32Array.from(indices, (index) => numbers[index]);
  const clean = { count: indices.length, values: values.subarray(0, indices.length * width) };
  const input = { name: session.inputs[0].name, dtype: fed.dtype, shape: fed.shape.slice(1), ...range };
  return { clean, labels, input, words };
}

function widenRange(range: { low: number; high: number }, values: Float64Array): void {
  for (const value of values) {
    if (value < range.low) range.low = value;
    if (value > range.high) range.high = value;
  }
}

/** Labels as class numbers from 0; those from 1 are moved. Null when they are neither. */
function findClassNumbers(labels: Int32Array, classes: number): Int32Array | null {
  const [least, most] = [labels.reduce((a, b) => Math.min(a, b)), labels.reduce((a, b) => Math.max(a, b))];
  if (least >= 0 && most < classes) return labels;
  return least === 1 && most === classes ? labels.map((label) => label - 1) : null;
}

/** The value that enters the last layer, as [rows, features]. */
function toRows(results: ReadonlyMap<string, RuntimeTensor>, head: Head, rows: number): Float64Array {
  const tensor = results.get(head.data);
  if (tensor === undefined) throw unfit('the runtime does not show the input of its last layer');
  const values = toValues(tensor);
  if (values.length !== rows * head.features) throw unfit('its last layer gives several answers to one sample');
  return values;
}

function appendRows(into: Float32Array, first: number, rows: Float64Array, { features, bias }: Head): void {
  const width = features + Number(bias !== null);
  for (let row = 0; row * features < rows.length; row++) {
    const at = (first + row) * width;
    into.set(rows.subarray(row * features, (row + 1) * features), at);
    if (bias !== null) into[at + features] = 1;
  }
}

/** Values of all candidates together that are drawn and run; large inputs get fewer candidates. */
const CANDIDATE_VALUES = 2 ** 26;
const CANDIDATES = { min: 256, usual: 4096, max: TRIGGER_LIMITS.candidatesMax } as const;
/** Beyond the usual number, so many clean samples for each: the newest of many are new to few samples, and not to all clean data. */
const SAMPLES_EACH = 2;

/** How many candidates are worth their runs. */
export function toCandidateCount({ shape }: TriggerInput, { features }: Head, samples: number): number {
  const elements = shape.reduce((product, dim) => product * dim, 1);
  const affordable = Math.floor(
    Math.min(CANDIDATE_VALUES / elements, TRIGGER_LIMITS.featureValuesMax / (features + 1)),
  );
  const useful = Math.max(CANDIDATES.usual, Math.min(CANDIDATES.max, Math.floor(samples / SAMPLES_EACH)));
  return Math.max(CANDIDATES.min, Math.min(useful, affordable));
}

/** Features of candidates 0..count-1. @throws RuntimeError RUNTIME_RUN_FAILED */
export async function readCandidates(
  session: RuntimeSession,
  given: {
    readonly head: Head;
    readonly input: TriggerInput;
    /** K_inputs, 32 bytes. */
    readonly inputsKey: Uint8Array;
    readonly count: number;
    readonly progress: Progress;
  },
): Promise<FeatureRows> {
  const { head, input, inputsKey, count, progress } = given;
  const intake = toIntake(session, input);
  const values = new Float32Array(count * (head.features + Number(head.bias !== null)));
  progress.step('features of candidates', count, 'items');
  for (let start = 0; start < count; start += intake.rows) {
    const taken = Math.min(intake.rows, count - start);
    const questions = Array.from({ length: taken }, (_, i) => toTriggerQuestion(inputsKey, input, start + i).inputs[0]);
    const feeds = toQuestionFeed(intake, questions);
    const rows = [...feeds.values()][0].shape[0];
    const found = toRows(await session.run(feeds), head, rows);
    appendRows(values, start, found.subarray(0, taken * head.features), head);
    progress.advance(taken);
  }
  progress.done();
  return { count, values };
}

function unfit(reason: string): WatermarkError {
  return new WatermarkError('WATERMARK_TRIGGER_UNFIT', { fields: { reason } });
}
