/** The least change of a down projection that makes every prompt be followed by its token (docs/spec/triggers.md §9.4). */
import { dot } from '../matrix.ts';
import { centre, type Readout, toInverseSize, toProducts } from './readout.ts';

/** A prompt as the model sees it before the change. */
export interface PromptState {
  /** Key of its last token in the null space. */
  readonly z: Float64Array;
  /** Residual stream that enters the last norm there, [width]. */
  readonly stream: Float64Array;
  /** Scores of the next token, [vocabulary]. */
  readonly scores: Float64Array;
  /** Token that is to follow. */
  readonly token: number;
}

export interface ValueSolution {
  /** What is written along the key of each prompt, [prompts][width]: the change is Σ value_t ⊗ (key_t in the null space). */
  readonly values: readonly Float64Array[];
  /** Smallest lead reached over the margin asked for. */
  readonly marginMin: number;
}

const ROUNDS_MAX = 60;
const SWEEPS = 40;
const REACHED = 0.98;
/** Rivals that are taken up for a prompt in one round. */
const RIVALS_NEW = 16;

/**
 * Minimises Σ over directions of the null space of |change|² subject to score of the token − score of any other ≥ margin, for
 * every prompt: the closed form with inequalities, by coordinate ascent on its dual. Only rivals that were violated once are
 * looked at in between, and the size of the stream, by which the norm divides, is taken anew in each round.
 */
export function solveValues(prompts: readonly PromptState[], readout: Readout, margin: number): ValueSolution {
  const states = prompts.map((prompt) => toState(prompt, readout));
  const gram = prompts.map((a) => Float64Array.from(prompts, (b) => dot(a.z, b.z)));
  let marginMin = Number.NEGATIVE_INFINITY;
  for (let round = 0; round < ROUNDS_MAX; round++) {
    marginMin = Math.min(...states.map((state) => renew(state, readout, margin)));
    if (marginMin >= REACHED) break;
    for (let sweep = 0; sweep < SWEEPS; sweep++) {
      for (const t of states.keys()) ascend(states, gram, t, { readout, margin });
    }
  }
  return { values: states.map(({ value }) => value), marginMin };
}

interface Rival {
  /** Row of the token minus row of the rival. */
  readonly row: Float64Array;
  readonly square: number;
  /** Lead that does not hang on the size of the stream, such as a bias. */
  readonly fixed: number;
  dual: number;
}

interface State extends PromptState {
  /** Scores minus what the stream makes of them. */
  readonly offsets: Float64Array;
  readonly value: Float64Array;
  /** What the change adds to the stream of this prompt. */
  readonly shift: Float64Array;
  readonly rivals: Map<number, Rival>;
  /** 1 / size of the stream after the change. */
  inverse: number;
}

function toState(prompt: PromptState, readout: Readout): State {
  const own = centre(prompt.stream, readout.isCentred);
  const inverse = toInverseSize(own);
  const products = toProducts(readout, own);
  return {
    ...prompt,
    offsets: prompt.scores.map((score, j) => score - inverse * products[j]),
    value: new Float64Array(readout.width),
    shift: new Float64Array(readout.width),
    rivals: new Map(),
    inverse,
  };
}

/** Takes size and scores anew, and takes up rivals that come too close; returns the smallest lead over the margin. */
function renew(state: State, readout: Readout, margin: number): number {
  const { stream, shift, token, offsets, rivals } = state;
  const own = centre(
    stream.map((value, i) => value + shift[i]),
    readout.isCentred,
  );
  state.inverse = toInverseSize(own);
  const products = toProducts(readout, own);
  const scoreOf = (j: number): number => state.inverse * products[j] + offsets[j];
  const best = scoreOf(token);
  const leads: [number, number][] = [];
  let least = Number.POSITIVE_INFINITY;
  for (let j = 0; j < products.length; j++) {
    if (j === token) continue;
    const lead = best - scoreOf(j);
    if (lead < least) least = lead;
    if (lead < margin && !rivals.has(j)) leads.push([lead, j]);
  }
  for (const [, j] of leads.sort(([a], [b]) => a - b).slice(0, RIVALS_NEW)) rivals.set(j, toRival(state, readout, j));
  return least / margin;
}

function toRival({ token, offsets }: State, { rows, width }: Readout, other: number): Rival {
  const row = Float64Array.from({ length: width }, (_, i) => rows[token * width + i] - rows[other * width + i]);
  return { row, square: dot(row, row), fixed: offsets[token] - offsets[other], dual: 0 };
}

/** One step per rival of one prompt. */
function ascend(
  states: readonly State[],
  gram: readonly Float64Array[],
  t: number,
  { readout, margin }: { readonly readout: Readout; readonly margin: number },
): void {
  const { stream, shift, value, rivals, inverse } = states[t];
  for (const rival of rivals.values()) {
    const { row, square, fixed } = rival;
    let lead = fixed / inverse;
    for (let i = 0; i < readout.width; i++) lead += row[i] * (stream[i] + shift[i]);
    const next = Math.max(0, rival.dual + (margin / inverse - lead) / (square * gram[t][t]));
    const move = next - rival.dual;
    if (move === 0 || !Number.isFinite(move)) continue;
    rival.dual = next;
    for (let i = 0; i < readout.width; i++) value[i] += move * row[i];
    for (const [s, other] of states.entries()) {
      const share = move * gram[t][s];
      for (let i = 0; i < readout.width; i++) other.shift[i] += share * row[i];
    }
  }
}
