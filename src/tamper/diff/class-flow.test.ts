import { describe, expect, it } from 'vitest';
import { addFlows, createFlowTally, findFlowHints, toFlows } from './class-flow.ts';

const CLASSES = 5;

/** Twenty samples of each class; those of class 1 get `change` added to their scores. */
function flowsAfter(change: readonly number[], scale = 1): ReturnType<typeof toFlows> {
  const tally = createFlowTally();
  for (let label = 0; label < CLASSES; label++) {
    // Class 2 is the second choice of the first class.
    const scores = Array.from({ length: CLASSES }, (_, j) => (j === label ? 4 : label === 1 && j === 2 ? 2 : 0));
    const later = scores.map((score, j) => (label === 1 ? score + change[j] : score));
    const [before, after] = [scores, later].map((of) =>
      Float64Array.from({ length: 20 * CLASSES }, (_, at) => scale * of[at % CLASSES]),
    );
    const said = Int32Array.from({ length: 20 }, () => label);
    const now = said.map(() => later.indexOf(Math.max(...later)));
    addFlows(tally, { decisions: { original: said, marked: now }, scores: { before, after, classes: CLASSES } });
  }
  return toFlows(tally);
}

describe('samples that changed class', () => {
  it('were drawn to it when its score rose above all others: flipped labels', () => {
    const flows = flowsAfter([0, -4, 0, 5, 0]);
    expect(flows).toMatchObject([{ from: 1, to: 3, samples: 20, share: 1 }]);
    expect(flows[0].pull).toBeCloseTo(5 / 3.6, 6);
    expect(findFlowHints(flows)).toMatchObject([{ id: 'class-flow', grade: 'suspicious' }]);
  });

  it('were lost when only the score of their class fell: they go to their second choice', () => {
    const flows = flowsAfter([0, -4, 0, 0, 0]);
    expect(flows).toMatchObject([{ from: 1, to: 2, share: 1, pull: 0 }]);
    expect(findFlowHints(flows)).toMatchObject([{ id: 'class-flow', grade: 'benign' }]);
  });

  it('are measured in margins of the earlier model, whatever the unit of its scores', () => {
    expect(flowsAfter([0, -4, 0, 5, 0], 100)[0].pull).toBeCloseTo(flowsAfter([0, -4, 0, 5, 0])[0].pull!, 6);
  });

  it('are told without a pull where there are no scores, and nothing is said of few samples', () => {
    const tally = createFlowTally();
    const decisions = { original: new Int32Array(20).fill(1), marked: new Int32Array(20).fill(2) };
    addFlows(tally, { decisions, scores: null });
    expect(toFlows(tally)).toEqual([{ from: 1, to: 2, samples: 20, share: 1, pull: null }]);
    expect(findFlowHints(toFlows(tally))).toMatchObject([{ grade: 'suspicious' }]);
    expect(findFlowHints([{ from: 1, to: 2, samples: 9, share: 1, pull: null }])).toEqual([]);
    expect(findFlowHints([])).toEqual([]);
  });
});
