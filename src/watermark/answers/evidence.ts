/** Whether a suspect learned from marked answers: an exact test of marked inputs against controls (docs/spec/answer-mark.md §3). */
import { toLog2HypergeometricTail } from '../../core/stats.ts';

/** What a suspect says to inputs that a customer asked about; true where it says the second-best class of our model. */
export interface Replay {
  readonly marked: readonly boolean[];
  readonly controls: readonly boolean[];
}

export interface AnswerEvidence {
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
 * @param trials customers and suspects that were tried, at least 1
 * @see R. A. Fisher, "The Design of Experiments", 1935; S. Szyller et al., "DAWN: Dynamic Adversarial Watermarking of Neural
 *   Networks", ACM MM 2021
 */
export function judgeReplay({ marked, controls }: Replay, trials: number): AnswerEvidence {
  const count = (list: readonly boolean[]): number => list.filter(Boolean).length;
  const [markedHits, controlHits] = [count(marked), count(controls)];
  const tail = toLog2HypergeometricTail({
    population: marked.length + controls.length,
    successes: markedHits + controlHits,
    draws: marked.length,
    atLeast: markedHits,
  });
  const evidenceBits = Math.max(0, -tail - Math.log2(trials));
  return { marked: marked.length, markedHits, controls: controls.length, controlHits, evidenceBits, trials };
}
