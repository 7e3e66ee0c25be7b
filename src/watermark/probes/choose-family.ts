/** Which pattern suits a model when its probes are asked as they come (docs/spec/remote-check.md §3.2). */
import type { Answer } from '../remote/questions.ts';
import { toCommonestShare } from './chance.ts';
import type { ProbeFamily } from './families.ts';

/** Probes of each family that a model is tried on. */
export const FAMILY_TRIALS = 128;
/** A family on which a model mostly says one thing tells nobody from anybody. */
const COMMONEST_MAX = 0.5;
/** As copies keep their answers, measured (docs/lab.md). */
const ORDER: readonly ProbeFamily[] = ['sparse', 'uniform', 'blocks', 'low-pass'];

/**
 * The first family, in the order of how well copies keep its answers, of which no answer has more than half; else the one
 * whose commonest answer is rarest.
 * @param answersTo what our model says to the first probes of each family
 */
export function chooseFamily(answersTo: ReadonlyMap<ProbeFamily, readonly Answer[]>): ProbeFamily {
  const shares = ORDER.map((family) => ({ family, share: toCommonestShare(answersTo.get(family) ?? []) }));
  const first = shares.find(({ share }) => share <= COMMONEST_MAX);
  return first?.family ?? shares.reduce((a, b) => (b.share < a.share ? b : a)).family;
}
