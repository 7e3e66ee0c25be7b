import { describe, expect, it } from 'vitest';
import { type ClassHintOptions, findClassHints } from './class-hints.ts';
import type { Layer } from './layers.ts';
import type { ChangeClass, TensorDiff } from './types.ts';

/** A last layer of ten classes whose row 7 holds `share` of its change, and `baseShare` of its weights. */
function toLast(share: number, kind: ChangeClass = 'fine-tuned', baseShare = 0.1): Layer {
  const row = { index: 7, share, baseShare, energy: 4 };
  const outputs = { size: 10, top: [row, { ...row, index: 2, share: 0.1 }], fewShare: share, fewCount: 1 };
  return { name: 'fc.weight', moved: 0.1, outputs, diff: { class: kind } as TensorDiff };
}

const find = (last: Layer, more: Partial<ClassHintOptions> = {}) =>
  findClassHints({ layers: [last], classShift: null, readBiasChange: () => null, ...more });

describe('signs in the last layer', () => {
  it('suspect a row that holds nearly half of the change, and no row below that', () => {
    expect(find(toLast(0.6))).toMatchObject([{ id: 'class-row', grade: 'suspicious', value: 0.6 }]);
    expect(find(toLast(0.4))).toEqual([]);
  });

  it('only tell a row whose bias fell with it: the data lacked that class', () => {
    const [fallen] = find(toLast(0.6), { readBiasChange: (index) => (index === 7 ? -0.3 : 0) });
    expect(fallen).toMatchObject({ id: 'class-row', grade: 'benign' });
    expect(fallen.text).toContain('Output 7 of the last layer holds 60 % of its change, and it fell');
    for (const change of [0.3, 0, -0.05]) {
      expect(find(toLast(0.6), { readBiasChange: () => change })).toMatchObject([{ grade: 'suspicious' }]);
    }
  });

  it('do not take the rounding of a row with large weights for training', () => {
    expect(find(toLast(0.6, 'quantised', 0.5))).toEqual([]);
    expect(find(toLast(0.6, 'quantised', 0.1))).toMatchObject([{ grade: 'suspicious' }]);
  });

  it('name the pair of classes', () => {
    const [direction] = find(toLast(0.3), { classShift: { from: 3, to: 8, value: 0.7 } });
    expect(direction).toMatchObject({ id: 'class-direction', grade: 'suspicious', value: 0.7 });
    expect(direction.text).toContain('labelled 8');
    expect(find(toLast(0.3), { classShift: { from: 3, to: 8, value: 0.4 } })).toEqual([]);
  });

  it('are not looked for in casts and scaled layers', () => {
    const classShift = { from: 3, to: 8, value: 0.9 };
    for (const kind of ['fp16-cast', 'scaled', 'permuted'] as const) {
      expect(find(toLast(0.9, kind), { classShift })).toEqual([]);
    }
  });
});
