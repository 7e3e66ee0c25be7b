/** The battery against a model file: every attack with its strengths. */
import { LabError } from '../../../core/errors.ts';
import { COPY_ATTACKS } from './copies.ts';
import { FILE_ATTACKS } from './files.ts';
import { NEURON_ATTACKS } from './neurons.ts';
import { TRAINING_ATTACKS } from './training.ts';
import type { ModelAttack, StrengthKind } from './types.ts';
import { WEIGHT_ATTACKS } from './weights.ts';

export * from './types.ts';

/** In the order in which they run: the marked copy as it is, what costs nothing, what needs training. */
export const MODEL_ATTACKS: readonly ModelAttack[] = [
  ...WEIGHT_ATTACKS,
  ...NEURON_ATTACKS,
  ...FILE_ATTACKS,
  ...COPY_ATTACKS,
  ...TRAINING_ATTACKS,
];

/** One run of the battery. */
export interface Trial {
  readonly attack: ModelAttack;
  readonly strength: string;
}

/**
 * @param only ids or groups; all attacks without
 * @param strengths replace those of every chosen attack
 * @throws LabError LAB_ATTACK_UNKNOWN | LAB_STRENGTH_UNFIT
 */
export function listTrials(options: { only?: readonly string[]; strengths?: readonly string[] } = {}): Trial[] {
  const { only = [], strengths = [] } = options;
  for (const name of only) {
    if (MODEL_ATTACKS.some(({ id, group }) => id === name || group === name)) continue;
    throw new LabError('LAB_ATTACK_UNKNOWN', { fields: { attack: name } });
  }
  const chosen = MODEL_ATTACKS.filter(
    ({ id, group }) => only.length === 0 || only.includes(id) || only.includes(group),
  );
  return chosen.flatMap((attack) => {
    for (const strength of strengths) assertStrength(attack, strength);
    return (strengths.length > 0 ? strengths : attack.strengths).map((strength) => ({ attack, strength }));
  });
}

function assertStrength({ id, accepts }: ModelAttack, strength: string): void {
  if (!fits(accepts, strength)) {
    throw new LabError('LAB_STRENGTH_UNFIT', { fields: { attack: id, strength, accepts: toWords(accepts) } });
  }
}

function fits(accepts: StrengthKind, strength: string): boolean {
  if (accepts.kind === 'choice') return accepts.values.includes(strength);
  const value = Number(strength);
  const isInside = strength.trim() !== '' && value >= accepts.min && value <= accepts.max;
  return isInside && (accepts.isWhole !== true || Number.isInteger(value));
}

/** What a strength may be, in words. */
export function toWords(accepts: StrengthKind): string {
  if (accepts.kind === 'choice') return accepts.values.join(', ');
  return `${accepts.isWhole === true ? 'a whole number' : 'a number'} from ${accepts.min} to ${accepts.max}`;
}
