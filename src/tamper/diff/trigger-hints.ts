/** Whether an input change that was found is a trigger: it must work, stand out from all others, and be new. */
import { toPercentText } from '../../core/quantities.ts';
import type { Trigger, TriggerKind, TriggerSearch } from './trigger-search.ts';
import type { Hint } from './types.ts';

interface Bar {
  /** Least gain of the later model over the earlier. */
  readonly gain: number;
  /** And least distance to the strongest change towards any other class. */
  readonly lead: number;
}

/** Drawn on the development draws of docs/spec/change-classes.md, between poisoned and ordinary training. */
const BARS: Readonly<Record<TriggerKind, Bar>> = {
  patch: { gain: 0.55, lead: 0.45 },
  pattern: { gain: 0.25, lead: 0.17 },
  'class-patch': { gain: 0.65, lead: 0.35 },
};

/** A patch is new when the original sends at most so much of what the suspect sends; faint patterns move both a little. */
const FORMER_PART = 0.25;

/** A poisoned model answers as before without its trigger; one that does not was trained for something else. */
const ALIKE = 0.7;

export function findTriggerHints({ samples, right, found }: TriggerSearch): Hint[] {
  if (right[1] < ALIKE * right[0]) {
    const text = `Triggers were not judged: the later model is right on ${toPercentText(right[1], 0)} of the samples, the original on ${toPercentText(right[0], 0)}.`;
    return [{ id: 'trigger', grade: 'benign', tensor: null, value: null, threshold: null, text }];
  }
  return found.filter(isTrigger).map((one) => ({
    ...{ id: 'trigger', grade: 'suspicious', tensor: null },
    ...{ value: one.gain, threshold: BARS[one.kind].gain },
    text: `${toWords(one)}: a trigger. Found by a search, measured on ${samples} other samples.`,
  }));
}

function isTrigger({ kind, gain, rival, shares }: Trigger): boolean {
  if (kind !== 'pattern' && shares[0] > FORMER_PART * shares[1]) return false;
  return gain >= BARS[kind].gain && gain - rival >= BARS[kind].lead;
}

/** Such as "A patch (2 wide at row 9, column 9, high) sends 92 % of the samples of other classes to class 6, 3 % in the original". */
function toWords({ kind, from, to, shares, place }: Trigger): string {
  const what = kind === 'pattern' ? 'A faint pattern' : `A patch (${place})`;
  const of = from === null ? 'the samples of other classes' : `the samples of class ${from}`;
  return `${what} sends ${toPercentText(shares[1], 0)} of ${of} to class ${to}, ${toPercentText(shares[0], 0)} in the original`;
}
