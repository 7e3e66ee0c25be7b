/** What a change does to the answers: both models run on the same inputs, and every output compared. */
import { RuntimeError } from '../../core/errors.ts';
import { type Progress, silentProgress } from '../../core/ports.ts';
import {
  addRun,
  createTally,
  type FeedSource,
  findInputs,
  type InputOptions,
  type OutputKind,
  type OutputTally,
  toAgreement,
  toRelativeL2,
  toValues,
} from '../../fidelity/index.ts';
import type { Runtime, RuntimeModel, RuntimeSession, RuntimeTensor } from '../../model/runtime.ts';
import { comparePrototypes, toPrototypeHints } from './prototype-shift.ts';
import { addFlows, type ClassFlow, createFlowTally, findFlowHints, type FlowTally, toFlows } from './class-flow.ts';
import { findScorePort, type ScorePort } from './prototypes.ts';
import { findTriggerHints } from './trigger-hints.ts';
import { drawSamples } from './trigger-samples.ts';
import { isSearchable, searchTriggers, type TriggerSearch } from './trigger-search.ts';
import { TRAINED } from './layers.ts';
import type { Hint, ModelDiff } from './types.ts';

export interface BehaviourOptions extends InputOptions {
  readonly runtime: Runtime;
  readonly before: RuntimeModel;
  readonly after: RuntimeModel;
  /** What the weights say: inputs are made up for each class only where they were trained. None are without it. */
  readonly weights?: ModelDiff;
  readonly progress?: Progress;
}

export interface OutputChange {
  readonly name: string;
  readonly kind: OutputKind;
  /** Largest and mean |after - before| over values that are finite on both sides. */
  readonly maxChange: number;
  readonly meanChange: number;
  /** ‖after - before‖ / ‖before‖; null when the outputs cannot be compared. */
  readonly relativeL2: number | null;
  /** Fraction of samples with the same class; null for outputs that name none. */
  readonly agreement: number | null;
}

export type Behaviour =
  | {
      readonly kind: 'measured';
      readonly runtime: string;
      /** Such as "seeded probes". */
      readonly inputs: string;
      readonly samples: number;
      readonly outputs: readonly OutputChange[];
      /** The largest first, at most five. */
      readonly flows: readonly ClassFlow[];
      /** What a search of triggers found on labelled data; null where none was made. */
      readonly triggers: TriggerSearch | null;
      readonly hints: readonly Hint[];
    }
  | { readonly kind: 'unmeasured'; readonly reason: string };

const FLOWS_MAX = 5;

/**
 * Runs both models on labelled samples or seeded probes. A model that does not load or run is a reason, not an error.
 * @throws RuntimeError DATA_… when the data does not fit or cannot be read; SourceError
 */
export async function compareBehaviour(options: BehaviourOptions): Promise<Behaviour> {
  const sessions: RuntimeSession[] = [];
  try {
    const before = await options.runtime.load(options.before);
    sessions.push(before);
    const after = await options.runtime.load(options.after);
    sessions.push(after);
    return await compareSessions(before, after, options);
  } catch (error) {
    if (!(error instanceof RuntimeError) || !error.code.startsWith('RUNTIME_')) throw error;
    const detail = typeof error.fields.reason === 'string' ? ` (${error.fields.reason})` : '';
    return { kind: 'unmeasured', reason: `${error.message.replace(/\.$/, '')}${detail}` };
  } finally {
    for (const session of sessions) await session.release();
  }
}

interface Sums {
  readonly tally: OutputTally;
  readonly other: string;
  max: number;
  total: number;
  count: number;
}

async function compareSessions(
  before: RuntimeSession,
  after: RuntimeSession,
  options: BehaviourOptions,
): Promise<Behaviour> {
  const { runtime, progress = silentProgress } = options;
  const { source, words } = await findInputs(before, options);
  const names = new Map(before.inputs.map(({ name }, index) => [name, toPartner(name, index, after.inputs)]));
  let sums: Sums[] = [];
  const flows = createFlowTally();
  progress.step('behaviour', source.samples, 'items');
  for (let start = 0; start < source.samples; start += source.step) {
    const count = Math.min(source.step, source.samples - start);
    const rows = { total: source.toRows(count), count };
    const feeds = source.make(start, count);
    const former = await before.run(feeds);
    const now = await after.run(new Map([...feeds].map(([name, value]) => [names.get(name) ?? name, value])));
    if (start === 0) sums = createSums(former, after, rows.total, source.hasBatchAxis);
    for (const sum of sums) addOutputs(sum, former, now, rows, sum === findDecider(sums) ? flows : null);
    progress.advance(count);
  }
  progress.done();
  const listed = toFlows(flows);
  const triggers = await searchInData(before, after, sums, source, options);
  const shown = triggers === null ? [] : findTriggerHints(triggers);
  return {
    ...{ kind: 'measured', runtime: `${runtime.id} ${runtime.version}`, inputs: words, samples: source.samples },
    outputs: sums.map(toOutputChange),
    flows: listed.slice(0, FLOWS_MAX),
    triggers,
    hints:
      options.data === null
        ? await findMadeUpHints(before, after, sums, options)
        : [...findFlowHints(listed), ...shown],
  };
}

/** Without data: inputs that are made up for each class. */
async function findMadeUpHints(
  before: RuntimeSession,
  after: RuntimeSession,
  sums: readonly Sums[],
  options: BehaviourOptions,
): Promise<Hint[]> {
  const port = findPort(before, after, sums, options);
  if (port === null) return [];
  const shift = await comparePrototypes(before, after, port, options.progress ?? silentProgress);
  return shift === null ? [] : toPrototypeHints(shift, options.weights?.classShift ?? null);
}

/** With data: input changes that send samples to one class in the later model alone. */
async function searchInData(
  before: RuntimeSession,
  after: RuntimeSession,
  sums: readonly Sums[],
  source: FeedSource,
  options: BehaviourOptions,
): Promise<TriggerSearch | null> {
  const { data, weights, progress = silentProgress } = options;
  const port = findPort(before, after, sums, options);
  if (data === null || port === null || !isSearchable(port, weights?.before.parameters ?? Infinity)) return null;
  const samples = drawSamples(source, data.labels, port);
  return samples === null ? null : searchTriggers({ sessions: [before, after], port, ...samples, progress });
}

/** Where inputs go in and scores come out of both models alike; null unless the weights were trained. */
function findPort(
  before: RuntimeSession,
  after: RuntimeSession,
  sums: readonly Sums[],
  { weights }: BehaviourOptions,
): ScorePort | null {
  const decider = findDecider(sums);
  if (weights === undefined || !isTrained(weights) || decider?.tally.kind !== 'classes') return null;
  const { name, classCount } = decider.tally;
  if (decider.other !== name || !hasSameInput(before, after)) return null;
  return findScorePort(before, { name, classes: classCount }, weights.before.parameters);
}

function isTrained({ classes, verdict }: ModelDiff): boolean {
  return verdict.class !== 'other-model' && [...TRAINED].some((kind) => kind !== null && (classes[kind] ?? 0) > 0);
}

function hasSameInput(before: RuntimeSession, after: RuntimeSession): boolean {
  const [a, b] = [before, after].map(({ inputs }) => inputs.map(({ name, dtype }) => `${name} ${dtype}`).join());
  return a === b;
}

/** The value of the same name, else the one at the same place. */
function toPartner(name: string, index: number, others: readonly { readonly name: string }[]): string {
  return others.some((other) => other.name === name) ? name : (others.at(index)?.name ?? name);
}

function createSums(
  former: ReadonlyMap<string, RuntimeTensor>,
  after: RuntimeSession,
  rows: number,
  hasBatchAxis: boolean,
): Sums[] {
  return [...former].map(([name, output], index) => ({
    tally: createTally(name, output, rows, hasBatchAxis),
    other: toPartner(name, index, after.outputs),
    ...{ max: 0, total: 0, count: 0 },
  }));
}

/** The output whose classes are followed: the first with scores, else the first with numbers of classes. */
function findDecider(sums: readonly Sums[]): Sums | undefined {
  return sums.find(({ tally }) => tally.kind === 'classes') ?? sums.find(({ tally }) => tally.kind === 'label');
}

function addOutputs(
  sum: Sums,
  former: ReadonlyMap<string, RuntimeTensor>,
  now: ReadonlyMap<string, RuntimeTensor>,
  rows: { readonly total: number; readonly count: number },
  flows: FlowTally | null,
): void {
  const [a, b] = [former.get(sum.tally.name), now.get(sum.other)];
  if (a === undefined || b === undefined) {
    sum.tally.incomparable += 1;
    return;
  }
  const decisions = addRun(sum.tally, a, b, rows);
  const [x, y] = [toValues(a), toValues(b)];
  if (decisions !== null && flows !== null) {
    const classes = sum.tally.classCount;
    addFlows(flows, { decisions, scores: classes === 0 ? null : { before: x, after: y, classes } });
  }
  if (x.length !== y.length) return;
  for (let i = 0; i < x.length; i++) {
    const change = Math.abs(y[i] - x[i]);
    if (!Number.isFinite(change)) continue;
    sum.max = Math.max(sum.max, change);
    sum.total += change;
    sum.count += 1;
  }
}

function toOutputChange({ tally, max, total, count }: Sums): OutputChange {
  return {
    ...{ name: tally.name, kind: tally.kind, maxChange: max, meanChange: count === 0 ? 0 : total / count },
    ...{ relativeL2: toRelativeL2(tally), agreement: toAgreement(tally) },
  };
}
