/** Attacks that mix copies, or put other marks on top. */
import { LabError } from '../../../core/errors.ts';
import type { Model } from '../../../model/types.ts';
import { openRewriteSource } from '../../../source/index.ts';
import type { RewritePlan } from '../../../source/rewrite.ts';
import { openModel } from '../../../formats/index.ts';
import { changeTensors, readValues } from '../files/tensors.ts';
import { embedThief } from '../overwrite.ts';
import type { Trainer } from '../training/trainer.ts';
import type { AttackOutcome, ModelAttack } from './types.ts';

/** Double the default strength of a mark. */
const THIEF_TAU = 0.25;

/** A plan opened as a model of one file; plans with external files are refused. */
function openPlan(plan: RewritePlan, name: string): Model {
  if (plan.files.length > 1) {
    throw new LabError('LAB_ATTACK_UNFIT', {
      fields: { reason: 'models of several files are not marked again and again' },
    });
  }
  return openModel({ source: openRewriteSource(name, plan.files[0].ops), name, folder: null });
}

/** Marks of other owners, each on top of the last. */
function overwriteTimes(model: Model, times: number, seed: string): AttackOutcome {
  const { name } = model.files[0];
  let plan = model.plan(embedThief(model, 0, { tau: THIEF_TAU, seed }));
  for (let round = 1; round < times; round += 1) {
    const last = openPlan(plan, name);
    plan = last.plan(embedThief(last, round, { tau: THIEF_TAU, seed }));
  }
  return { plan, name };
}

/** Weighted sum with another copy, tensor by tensor of equal name and shape. */
function mix(model: Model, other: Model, share: number): AttackOutcome {
  const others = new Map(other.tensors.map((tensor) => [tensor.name, tensor]));
  let mixed = 0;
  const edits = changeTensors(model, ({ name, shape, values }) => {
    const found = others.get(name);
    if (found?.shape.join() !== shape.join()) return values;
    const more = readValues(found);
    return values.map((value, at) => (1 - share) * value + share * more[at]);
  });
  for (const { tensor } of edits) mixed += Number(others.has(tensor));
  if (mixed === 0) {
    throw new LabError('LAB_ATTACK_UNFIT', { fields: { reason: 'the copies have no tensor of one name in common' } });
  }
  return { plan: model.plan(edits), name: model.files[0].name };
}

function need<T>(value: T | null, reason: string): T {
  if (value === null) throw new LabError('LAB_ATTACK_UNFIT', { fields: { reason } });
  return value;
}

export const COPY_ATTACKS: readonly ModelAttack[] = [
  {
    ...{ id: 'overwrite', group: 'copies', title: 'marks of other owners, of double strength', unit: 'how many' },
    ...{ strengths: ['1', '3'], accepts: { kind: 'number', min: 1, max: 20, isWhole: true } },
    run: (model, strength, { seed }) => overwriteTimes(model, Number(strength), seed),
  },
  {
    ...{ id: 'average', group: 'copies', title: 'averaged with a copy of another mark', unit: 'share of the other' },
    ...{ strengths: ['0.5'], accepts: { kind: 'number', min: 0, max: 1 } },
    run: (model, strength, { original, seed }) => {
      const source = need(original, 'another copy is made from the unmarked original: pass it with --original');
      const other = openPlan(source.plan(embedThief(source, 0, { tau: THIEF_TAU / 2, seed })), source.files[0].name);
      return mix(model, other, Number(strength));
    },
  },
  {
    ...{ id: 'merge', group: 'copies', title: 'merged with a copy trained on', unit: 'share of the trained' },
    ...{ strengths: ['0.5'], accepts: { kind: 'number', min: 0, max: 1 } },
    run: (model, strength, { tuned, trainer }) => {
      const other = tuned ?? toTuned(model, trainer());
      return mix(model, other, Number(strength));
    },
  },
  {
    ...{ id: 'tuned', group: 'copies', title: 'the trained copy that was given', unit: '', strengths: ['-'] },
    accepts: { kind: 'choice', values: ['-'] },
    run: (_model, _strength, { tuned }) => {
      const given = need(tuned, 'pass a copy that you trained with --tuned');
      return { plan: given.plan([]), name: given.files[0].name };
    },
  },
];

/** Five epochs on all layers. */
function toTuned(model: Model, trainer: Trainer): Model {
  return openPlan(trainer.toPlan(trainer.tune({ epochs: 5, layers: 'all' })), model.files[0].name);
}
