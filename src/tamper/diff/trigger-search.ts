/**
 * Searches input changes that send samples to one class in the later model and not in the earlier: small patches for
 * all classes, small patches for one class, and faint patterns. The earlier model is the yardstick: what is fragile in
 * both is no trigger. What is found on some samples is measured on others.
 */
import { DIFF_LIMITS } from '../../core/limits/diff.ts';
import type { Progress } from '../../core/ports.ts';
import type { RuntimeSession } from '../../model/runtime.ts';
import { type InputChange, type Patch, toGrid, toPatchChange } from './input-grid.ts';
import type { ScorePort } from './prototypes.ts';
import {
  type Arena,
  type Both,
  type SampleSet,
  type Shares,
  scoreChanges,
  toShares,
  toUniversal,
} from './trigger-arena.ts';
import { refinePatch, toPattern } from './trigger-refine.ts';
import { type Sweep, sweepPatches } from './trigger-sweep.ts';

export type TriggerKind = 'patch' | 'pattern' | 'class-patch';

/** One input change, measured on samples that the search did not use. */
export interface Trigger {
  readonly kind: TriggerKind;
  /** The class whose samples are sent, for `class-patch`; null for all but the target. */
  readonly from: number | null;
  readonly to: number;
  /** Of those samples, the share that each model sends to `to` under the change. */
  readonly shares: Both<number>;
  /**
   * Shares less those without the change, later model less earlier; for patterns the mean over their strengths, for
   * `class-patch` with what the earlier model does counted three times.
   */
  readonly gain: number;
  /** The same of the strongest change of this kind towards any other class: fragile models have many alike. */
  readonly rival: number;
  /** Such as "row 9, column 9". */
  readonly place: string;
}

export interface TriggerSearch {
  readonly samples: number;
  /** Of those samples, the share that each model puts in its class. */
  readonly right: Both<number>;
  /** The strongest of each kind. */
  readonly found: readonly Trigger[];
}

/** How far values go towards a pattern. */
const STRENGTHS = [0.1, 0.2, 0.3];
/** Gain on the samples of the search from which a patch is worth making stronger. */
const PATCH_PROMISE = 0.15;
/** Targets of patches that are measured: the best, and those that it must stand out from. */
const RIVALS = 2;
/** Pairs of classes that are measured. */
const PAIRS = 16;
/** Besides once in the difference: one class is close to another in many models. */
const FORMER_WEIGHT = 2;

export interface TriggerOptions {
  readonly sessions: Both<RuntimeSession>;
  readonly port: ScorePort;
  readonly range: readonly [number, number];
  readonly search: SampleSet;
  readonly confirm: SampleSet;
  readonly progress: Progress;
}

/** True for models that are small enough for half a million runs. */
export function isSearchable({ shape, batch }: ScorePort, parameters: number): boolean {
  const elements = shape.reduce((product, dim) => product * dim, 1);
  return batch === null && parameters * elements <= DIFF_LIMITS.triggerCostMax;
}

/** @throws RuntimeError RUNTIME_RUN_FAILED */
export async function searchTriggers(options: TriggerOptions): Promise<TriggerSearch> {
  const { progress, ...rest } = options;
  const arena: Arena = { ...rest, grid: toGrid(options.port.shape) };
  const sweep = await sweepPatches(arena, progress);
  const candidates = [
    ...(await listPatchCandidates(arena, sweep)),
    ...listPatternCandidates(arena, sweep),
    ...listPairCandidates(arena, sweep),
  ];
  const { right, triggers } = await measureAll(arena, candidates);
  const kinds: readonly TriggerKind[] = ['patch', 'pattern', 'class-patch'];
  const found = kinds.flatMap((kind) => toStrongest(triggers.filter((one) => one.kind === kind)));
  return { samples: arena.confirm.labels.length, right, found };
}

interface Candidate {
  readonly kind: TriggerKind;
  readonly from: number | null;
  readonly to: number;
  /** One, or a pattern in its strengths. */
  readonly changes: readonly InputChange[];
  readonly place: string;
}

function toOrder(gains: readonly number[]): number[] {
  return [...gains.keys()].sort((a, b) => gains[b] - gains[a]);
}

async function listPatchCandidates(arena: Arena, sweep: Sweep): Promise<Candidate[]> {
  const gains = sweep.universal.map(({ gain }) => gain);
  const candidates: Candidate[] = [];
  for (const to of toOrder(gains).slice(0, RIVALS)) {
    const found = sweep.universal[to];
    const isPromising = Math.max(...gains) >= PATCH_PROMISE;
    const change = isPromising ? await refinePatch(arena, sweep, found, to) : toPatchChange(arena.grid, found.patch);
    candidates.push({ kind: 'patch', from: null, to, changes: [change], place: toPlace(arena, found.patch) });
  }
  return candidates;
}

/** For every class a pattern in all strengths. */
function listPatternCandidates(arena: Arena, sweep: Sweep): Candidate[] {
  return arena.search.perClass.map((_, to) => {
    const changes = STRENGTHS.map((strength) => toPattern(arena, sweep, to, strength));
    return { kind: 'pattern', from: null, to, changes, place: 'all over' };
  });
}

/** The pairs of classes for which a patch looked best. */
function listPairCandidates(arena: Arena, { pairs }: Sweep): Candidate[] {
  const { classes } = arena.port;
  const order = toOrder(pairs.map((found) => found?.gain ?? -Infinity)).slice(0, PAIRS);
  return order.flatMap((pair): Candidate[] => {
    const found = pairs[pair];
    if (found === null || found.gain === -Infinity) return [];
    const changes = [toPatchChange(arena.grid, found.patch)];
    const [from, to] = [Math.floor(pair / classes), pair % classes];
    return [{ kind: 'class-patch', from, to, changes, place: toPlace(arena, found.patch) }];
  });
}

function toPlace({ grid, range }: Arena, { row, column, side, value }: Patch): string {
  const first =
    grid.rows === 1 ? `value ${column * grid.side}` : `row ${row * grid.side}, column ${column * grid.side}`;
  return `${side * grid.side} wide at ${first}, ${value === range[1] ? 'high' : 'low'}`;
}

/** Runs every change on the samples that the search did not use. */
async function measureAll(
  arena: Arena,
  candidates: readonly Candidate[],
): Promise<{ right: Both<number>; triggers: Omit<Trigger, 'rival'>[] }> {
  const { confirm, grid } = arena;
  const cells = grid.rows * grid.columns;
  const none: InputChange = { strength: new Float64Array(cells), value: new Float64Array(cells) };
  const all: Both<Shares>[] = [];
  const changes = [none, ...candidates.flatMap((one) => one.changes)];
  await scoreChanges(arena, confirm, changes, (scores) =>
    all.push([toShares(confirm, scores[0]), toShares(confirm, scores[1])]),
  );
  const [plain, ...rest] = all;
  const triggers = candidates.map((one) => toTrigger(arena, one, plain, rest.splice(0, one.changes.length)));
  return { right: [toRight(arena, plain[0]), toRight(arena, plain[1])], triggers };
}

function toTrigger(
  { confirm }: Arena,
  { changes, ...one }: Candidate,
  plain: Both<Shares>,
  measured: readonly Both<Shares>[],
): Omit<Trigger, 'rival'> {
  const classes = confirm.perClass.length;
  const of = (shares: Shares): number =>
    one.from === null ? toUniversal(shares, confirm.perClass, one.to) : shares[one.from * classes + one.to];
  const gains = measured.map(([former, now]) => of(now) - of(plain[1]) - (of(former) - of(plain[0])));
  const best = measured[gains.indexOf(Math.max(...gains))];
  const mean = gains.reduce((sum, value) => sum + value, 0) / changes.length;
  const gain = one.from === null ? mean : mean - FORMER_WEIGHT * Math.max(0, of(best[0]) - of(plain[0]));
  return { ...one, shares: [of(best[0]), of(best[1])], gain };
}

function toRight({ confirm }: Arena, shares: Shares): number {
  const classes = confirm.perClass.length;
  const right = confirm.perClass.reduce((sum, samples, label) => sum + samples * shares[label * classes + label], 0);
  return right / confirm.labels.length;
}

function toStrongest(triggers: readonly Omit<Trigger, 'rival'>[]): Trigger[] {
  const [first, ...others] = [...triggers].sort((a, b) => b.gain - a.gain);
  if (triggers.length === 0) return [];
  const rival = Math.max(0, ...others.filter(({ to }) => to !== first.to).map(({ gain }) => gain));
  return [{ ...first, rival }];
}
