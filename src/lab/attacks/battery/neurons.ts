/** Attacks on neurons, without data: any ONNX graph that has channels between two layers. */
import { addDummies, cutChannels, type DummyKind, moveChannels } from '../files/channels/moves.ts';
import type { ModelAttack } from './types.ts';

const MOVES = {
  order: { order: true, scale: false, sign: false },
  scale: { order: true, scale: true, sign: false },
  sign: { order: false, scale: false, sign: true },
  all: { order: true, scale: true, sign: true },
} as const;

const DUMMIES: Readonly<Record<DummyKind, string>> = {
  zero: 'neurons added that lead nowhere',
  clique: 'pairs of neurons added that cancel each other',
  split: 'neurons split in two',
};

function toDummyRow(kind: DummyKind): ModelAttack {
  return {
    ...{ id: `dummy-${kind}`, group: 'neurons', title: DUMMIES[kind], unit: 'share', strengths: ['0.25'] },
    accepts: { kind: 'number', min: 0.001, max: 1 },
    run: (model, strength, { seed }) => {
      const plan = addDummies(model, { kind, share: Number(strength), seed });
      return { plan, name: model.files[0].name };
    },
  };
}

export const NEURON_ATTACKS: readonly ModelAttack[] = [
  {
    ...{ id: 'permute', group: 'neurons', title: 'neurons reordered, rescaled by e^±1, negated where that is free' },
    ...{ unit: 'what', strengths: ['order', 'scale', 'sign', 'all'] },
    accepts: { kind: 'choice', values: Object.keys(MOVES) },
    run: (model, strength, { seed }) => {
      const plan = moveChannels(model, { ...MOVES[strength as keyof typeof MOVES], seed });
      return { plan, name: model.files[0].name };
    },
  },
  ...(['zero', 'clique', 'split'] as const).map(toDummyRow),
  {
    ...{
      id: 'cut-channels',
      group: 'neurons',
      title: 'weakest channels taken out',
      unit: 'share',
      strengths: ['0.1', '0.25'],
    },
    accepts: { kind: 'number', min: 0.001, max: 0.99 },
    run: (model, strength) => ({ plan: cutChannels(model, Number(strength)), name: model.files[0].name }),
  },
];
