/** Whether a suspect learned from marked answers: an exact test of marked inputs against controls (docs/spec/answer-mark.md §3). */
import { toHex } from '../../core/bytes.ts';
import { sha256 } from '../../core/hash.ts';
import { toLog2HypergeometricTail } from '../../core/stats.ts';

/** What a suspect says to one kept query of a customer. */
export interface ReplayedAnswer {
  /** Canonical bytes of the query ({@link toCanonicalInput}). */
  readonly input: Uint8Array;
  /** True where the suspect says the second-best class of our model. */
  readonly isHit: boolean;
}

export interface Replay {
  readonly marked: readonly ReplayedAnswer[];
  readonly controls: readonly ReplayedAnswer[];
}

export interface AnswerEvidence {
  /** Different canonical inputs, as are all counts here. */
  readonly marked: number;
  readonly markedHits: number;
  readonly controls: number;
  readonly controlHits: number;
  /** -log2 of the exact tail, less log2(trials), at least 0. */
  readonly evidenceBits: number;
  readonly trials: number;
}

/**
 * Fisher's exact test.
 *
 * Null hypothesis: the suspect is independent of the key. Then it cannot tell marked inputs from controls: which of the kept
 * inputs are marked is a draw of the PRF, so the hits among the marked ones follow the hypergeometric law, whatever the suspect
 * answers and however often it errs. False-alarm rate at b bits: at most 2^-b, the trials counted.
 *
 * One canonical input is one draw, however often it was asked: queries that share it count once, as a hit when the suspect
 * says our second class to all of them. The rule is the same on both sides, and does not hang on their order.
 * @param trials customers and suspects that were tried, at least 1
 * @throws TypeError when an input is marked and a control: the lists are not those of one customer
 * @see R. A. Fisher, "The Design of Experiments", 1935; S. Szyller et al., "DAWN: Dynamic Adversarial Watermarking of Neural
 *   Networks", ACM MM 2021
 */
export function judgeReplay({ marked, controls }: Replay, trials: number): AnswerEvidence {
  const [ours, theirs] = [toInputs(marked), toInputs(controls)];
  if ([...ours.keys()].some((input) => theirs.has(input)))
    throw new TypeError('an input is marked or a control, not both');
  const count = (inputs: ReadonlyMap<string, boolean>): number => [...inputs.values()].filter(Boolean).length;
  const [markedHits, controlHits] = [count(ours), count(theirs)];
  const tail = toLog2HypergeometricTail({
    population: ours.size + theirs.size,
    successes: markedHits + controlHits,
    draws: ours.size,
    atLeast: markedHits,
  });
  const evidenceBits = Math.max(0, -tail - Math.log2(trials));
  return { marked: ours.size, markedHits, controls: theirs.size, controlHits, evidenceBits, trials };
}

/** By canonical input (its digest: inputs are large), whether all of its answers are hits. */
function toInputs(answers: readonly ReplayedAnswer[]): Map<string, boolean> {
  const inputs = new Map<string, boolean>();
  for (const { input, isHit } of answers) {
    const key = toHex(sha256(input));
    inputs.set(key, isHit && (inputs.get(key) ?? true));
  }
  return inputs;
}
