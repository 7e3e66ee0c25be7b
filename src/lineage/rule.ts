/** When neuron agreement means descent: measured against independent models, or by a cautious fixed rule (docs/spec/lineage.md §6). */
import type { Agreement } from './agreement.ts';

export type Verdict = 'derived' | 'unrelated' | 'inconclusive';

/**
 * The rule without independent models. Independent models of the same data reached 13 % in the lab and 19 % in the work
 * that it follows; no probability is stated for it.
 */
export const BUILT_IN = {
  /** Fewer neurons than this are judged by no rule. */
  neuronsMin: 100,
  derivedShare: 0.45,
  unrelatedShare: 0.2,
  /** Layers of at least `layerNeuronsMin` neurons that must reach `derivedShare` each. */
  layersMin: 2,
  layerNeuronsMin: 16,
} as const;

/** Independent models from which on they set the bars alone. */
export const NULLS_MIN = 20;
/** The share must be this many times, and this much, above the largest of independent models. */
const MARGIN_FACTOR = 2;
const MARGIN_SHARE = 0.1;

export interface NullSummary {
  readonly models: number;
  readonly shareMax: number;
  readonly shareMean: number;
  /** Standard deviation; 0 for one model. */
  readonly shareDeviation: number;
  /**
   * (1 + models that agree at least as much) / (1 + models): the probability of such a rank when the suspect is one more
   * independent model, exchangeable with these. It cannot be below 1 / (1 + models).
   */
  readonly rankP: number;
  readonly rankPFloor: number;
  /** Distance from the mean in deviations, a description and no probability; null without a spread. */
  readonly z: number | null;
}

export interface AgreementVerdict {
  readonly verdict: Verdict;
  /** nulls: the bars come from independent models alone. built-in: from the fixed rule, raised by what nulls there are. */
  readonly rule: 'nulls' | 'built-in';
  readonly derivedShare: number;
  readonly unrelatedShare: number;
  /** Layers that reach `derivedShare`, of those with enough neurons. */
  readonly layersDerived: number;
  readonly layersJudged: number;
  readonly nulls: NullSummary | null;
}

/** @param nulls shares of independent models against the same original; those that could not be compared are left out */
export function judgeAgreement(agreement: Agreement, nulls: readonly number[]): AgreementVerdict {
  const summary = nulls.length === 0 ? null : summarize(agreement.share, nulls);
  const bars = toBars(summary);
  const judged = agreement.layers.filter(({ neurons }) => neurons >= BUILT_IN.layerNeuronsMin);
  const layersDerived = judged.filter(({ agreed, neurons }) => agreed / neurons > bars.derivedShare).length;
  const about = { ...bars, layersDerived, layersJudged: judged.length, nulls: summary };
  return { verdict: toVerdict(agreement, layersDerived, bars), ...about };
}

type Bars = Pick<AgreementVerdict, 'rule' | 'derivedShare' | 'unrelatedShare'>;

function toBars(nulls: NullSummary | null): Bars {
  const { derivedShare, unrelatedShare } = BUILT_IN;
  if (nulls === null) return { rule: 'built-in', derivedShare, unrelatedShare };
  const above = Math.max(MARGIN_FACTOR * nulls.shareMax, nulls.shareMax + MARGIN_SHARE);
  if (nulls.models >= NULLS_MIN) return { rule: 'nulls', derivedShare: above, unrelatedShare: nulls.shareMax };
  return {
    rule: 'built-in',
    derivedShare: Math.max(derivedShare, above),
    unrelatedShare: Math.max(unrelatedShare, nulls.shareMax),
  };
}

function toVerdict(agreement: Agreement, layersDerived: number, bars: Bars): Verdict {
  if (agreement.neurons < BUILT_IN.neuronsMin) return 'inconclusive';
  if (agreement.share > bars.derivedShare && layersDerived >= BUILT_IN.layersMin) return 'derived';
  // The largest share of independent models is itself one of them: not above it is not above what they show.
  const isLow = bars.rule === 'nulls' ? agreement.share <= bars.unrelatedShare : agreement.share < bars.unrelatedShare;
  return isLow ? 'unrelated' : 'inconclusive';
}

function summarize(share: number, nulls: readonly number[]): NullSummary {
  const models = nulls.length;
  const mean = nulls.reduce((sum, value) => sum + value, 0) / models;
  const squares = nulls.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const deviation = models > 1 ? Math.sqrt(squares / (models - 1)) : 0;
  const asHigh = nulls.filter((value) => value >= share).length;
  return {
    models,
    shareMax: Math.max(...nulls),
    shareMean: mean,
    shareDeviation: deviation,
    rankP: (1 + asHigh) / (1 + models),
    rankPFloor: 1 / (1 + models),
    z: deviation > 0 ? (share - mean) / deviation : null,
  };
}
