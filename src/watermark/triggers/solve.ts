/** The least change of a last layer that makes every trigger answer its label with a margin (docs/spec/triggers.md §4). */
import { dot } from './matrix.ts';

export interface SolveOptions {
  /** Whitened features of the triggers, L⁻¹h. */
  readonly whitened: readonly Float64Array[];
  /** Logits of the triggers before the edit, [triggers, classes]. */
  readonly logits: readonly Float64Array[];
  readonly labels: readonly number[];
  /** By how much the label's logit must lead every other. */
  readonly margin: number;
}

export interface Solution {
  /** Change of the rows of the weight in the whitened space, [classes][size]. */
  readonly change: readonly Float64Array[];
  /** Smallest lead reached over the margin asked for. */
  readonly marginMin: number;
}

const SWEEPS_MAX = 2000;
const REACHED = 0.995;

/**
 * Minimises Σ |change of row c|² subject to (w_y − w_j)·h ≥ margin for every trigger and every other class j: the closed form
 * with inequalities, by exact coordinate ascent on its dual. Each step lifts one trigger's label over its strongest rival by
 * the least change, and takes back what later steps made needless.
 * @see C.-J. Hsieh et al., "A Dual Coordinate Descent Method for Large-scale Linear SVM", ICML 2008
 */
export function solveMargins({ whitened, logits, labels, margin }: SolveOptions): Solution {
  const classes = logits[0].length;
  const size = whitened[0].length;
  const change = Array.from({ length: classes }, () => new Float64Array(size));
  const squares = whitened.map((z) => dot(z, z));
  /** Dual weights, [triggers][classes]. */
  const duals = logits.map(() => new Float64Array(classes));
  let marginMin = 0;
  for (let sweep = 0; sweep < SWEEPS_MAX; sweep++) {
    marginMin = Number.POSITIVE_INFINITY;
    for (const [t, z] of whitened.entries()) {
      const now = logits[t].map((logit, j) => logit + dot(change[j], z));
      marginMin = Math.min(
        marginMin,
        ascend({ z, now, square: squares[t], dual: duals[t], label: labels[t], margin, change }),
      );
    }
    if (marginMin >= REACHED) break;
  }
  return { change, marginMin };
}

/** One step per rival of one trigger; returns its lead before, over the margin. */
function ascend(step: {
  readonly z: Float64Array;
  readonly now: Float64Array;
  readonly square: number;
  readonly dual: Float64Array;
  readonly label: number;
  readonly margin: number;
  readonly change: readonly Float64Array[];
}): number {
  const { z, now, square, dual, label, margin, change } = step;
  let lead = Number.POSITIVE_INFINITY;
  for (let j = 0; j < now.length; j++) if (j !== label) lead = Math.min(lead, now[label] - now[j]);
  for (let j = 0; j < now.length; j++) {
    if (j === label) continue;
    const lacking = margin - (now[label] - now[j]);
    const next = Math.max(0, dual[j] + lacking / (2 * square));
    const move = next - dual[j];
    if (move === 0) continue;
    dual[j] = next;
    for (let i = 0; i < z.length; i++) {
      change[label][i] += move * z[i];
      change[j][i] -= move * z[i];
    }
    now[label] += move * square;
    now[j] -= move * square;
  }
  return lead / margin;
}
