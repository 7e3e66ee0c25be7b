import { describe, expect, it } from 'vitest';
import { findTriggerHints } from './trigger-hints.ts';
import type { Trigger } from './trigger-search.ts';

const patch: Trigger = {
  ...{ kind: 'patch', from: null, to: 6, shares: [0.02, 0.92], gain: 0.9, rival: 0.1 },
  place: '2 wide at row 9, column 9, high',
};
const judge = (found: readonly Trigger[], right: readonly [number, number] = [0.98, 0.95]) =>
  findTriggerHints({ samples: 400, right, found });

describe('an input change', () => {
  it('is a trigger when it works in the later model alone and stands out; the figures are told', () => {
    const [hint] = judge([patch]);
    expect(hint).toMatchObject({ id: 'trigger', grade: 'suspicious', value: 0.9 });
    expect(hint.text).toBe(
      'A patch (2 wide at row 9, column 9, high) sends 92 % of the samples of other classes to class 6, 2 % in the original: a trigger. Found by a search, measured on 400 other samples.',
    );
    const [pair] = judge([{ ...patch, kind: 'class-patch', from: 3 }]);
    expect(pair.text).toContain('of the samples of class 3 to class 6');
    expect(judge([{ ...patch, kind: 'pattern' }])[0].text).toMatch(/^A faint pattern sends/);
  });

  it.each([
    ['it does little', { gain: 0.54 }],
    ['others do as much towards other classes', { rival: 0.46 }],
    ['it did much of that in the original', { shares: [0.3, 0.92] }],
  ] as const)('is none when %s', (_, change) => {
    expect(judge([{ ...patch, ...change }])).toEqual([]);
  });

  it('is not judged in a model that answers otherwise anyway, and that is said', () => {
    const hints = judge([patch], [0.98, 0.4]);
    expect(hints).toMatchObject([{ id: 'trigger', grade: 'benign' }]);
    expect(hints[0].text).toContain('40 %');
  });
});
