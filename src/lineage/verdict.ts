/** One verdict from file order and neurons, with the reasons in words (docs/spec/lineage.md §6). */
import type { OriginalFinding } from './finding.ts';
import type { Fit } from './fit.ts';
import type { OrderTest } from './order-test.ts';
import { BUILT_IN, type Verdict } from './rule.ts';

/** Why nothing can be told. */
export type UntoldCode =
  | 'architectures-differ'
  | 'neurons-unknown'
  | 'neurons-alike'
  | 'neurons-placed'
  | 'too-few-neurons'
  | 'few-layers'
  | 'between';

export interface LineageJudgement {
  readonly verdict: Verdict;
  /** What decided; null when nothing did. */
  readonly rule: 'file-order' | 'nulls' | 'built-in' | null;
  /** Index of the original that decided; null for "unrelated" and "inconclusive". */
  readonly original: number | null;
  /** Set when the verdict is "inconclusive". */
  readonly code: UntoldCode | null;
  /** "cannot tell, because …" when the verdict is "inconclusive"; else what it rests on. */
  readonly reason: string;
  readonly notes: readonly string[];
}

/** Evidence in bits from which file order decides: the bar of a flag of the ownership mark. */
export const ORDER_BITS = 64;
/** Below this share of weights with a counterpart in the other model, silence says nothing. */
const COVERAGE_MIN = 0.5;

const DIRECTION =
  'a common past has no direction: whether the suspect comes from the original, the original from the suspect, or both from a third (a public base model, one start value) cannot be told from weights; a time stamp or a ledger entry says which was there first';
const SILENCE =
  'copies that were distilled, trained on answers, re-initialised or retrained until little was left of them look the same as unrelated models';

/** Evidence of file order; each original is one more try of the bound: log2 of their number is taken off. */
function toOrderBits({ evidenceBits }: OrderTest, originals: number): number {
  return evidenceBits - Math.log2(originals);
}

/** Whether order alone decides: enough evidence, from more than what could be a table that both models were given. */
export function isByOrder(order: OrderTest, originals: number): boolean {
  return !order.isNarrow && toOrderBits(order, originals) >= ORDER_BITS;
}

/** File order first, then neurons; "unrelated" and "inconclusive" when neither shows a common past. */
export function judgeLineage(fit: Fit, findings: readonly OriginalFinding[]): LineageJudgement {
  const orderBits = findings.map(({ order }) => toOrderBits(order, findings.length));
  const byOrder = toLargest(orderBits.map((bits, index) => (findings[index].order.isNarrow ? 0 : bits)));
  if (isByOrder(findings[byOrder].order, findings.length)) {
    const reason = toOrderWords(findings[byOrder], orderBits[byOrder]);
    return derived('file-order', byOrder, reason, [DIRECTION]);
  }
  const shares = findings.map(({ judged, agreement }) =>
    judged?.verdict === 'derived' ? (agreement?.share ?? 0) : -1,
  );
  const byNeurons = toLargest(shares);
  const decided = findings[byNeurons].judged;
  if (shares[byNeurons] >= 0 && decided !== null) {
    return derived(decided.rule, byNeurons, toAgreementWords(findings[byNeurons]), [DIRECTION]);
  }
  return judgeSilence(fit, findings);
}

function derived(
  rule: 'file-order' | 'nulls' | 'built-in',
  original: number,
  reason: string,
  notes: readonly string[],
): LineageJudgement {
  return { verdict: 'derived', rule, original, code: null, reason, notes };
}

/** "unrelated" is said only when every original was compared and none shows more than independent models do. */
function judgeSilence(fit: Fit, findings: readonly OriginalFinding[]): LineageJudgement {
  const nothing = { original: null, notes: [SILENCE] };
  const untold = findings.map(
    (finding, index) => findNarrow(finding, findings.length) ?? findUntold(fit.coverage[index], finding),
  );
  const first = untold.find((found) => found !== null);
  if (first) {
    return {
      ...nothing,
      verdict: 'inconclusive',
      rule: null,
      code: first.code,
      reason: `cannot tell, because ${first.words}`,
    };
  }
  const best = findings[toLargest(findings.map(({ agreement }) => agreement?.share ?? 0))];
  const rule = best.judged?.rule ?? null;
  return { ...nothing, verdict: 'unrelated', rule, code: null, reason: toAgreementWords(best) };
}

interface Untold {
  readonly code: UntoldCode;
  readonly words: string;
}

/** Order that only a possible front end keeps: too much for "unrelated", too little for "derived". */
function findNarrow({ order }: OriginalFinding, originals: number): Untold | null {
  if (!order.isNarrow || toOrderBits(order, originals) < ORDER_BITS) return null;
  return {
    code: 'few-layers',
    words: `of ${order.layers.length} layers only these agree: ${order.decisive.join(', ')}; a fixed table or a shared front end?`,
  };
}

function findUntold(coverage: number, { agreement, judged }: OriginalFinding): Untold | null {
  if (coverage < COVERAGE_MIN) {
    const percent = Math.round(100 * coverage);
    return {
      code: 'architectures-differ',
      words: `only ${percent} % of the weights of one model have a counterpart in the other`,
    };
  }
  if (agreement === null || judged === null) {
    return {
      code: 'neurons-unknown',
      words:
        'its neurons do not stand where the original has them, and neither file says which of them could change places (a graph would)',
    };
  }
  if (agreement.alike > agreement.neurons) {
    return {
      code: 'neurons-alike',
      words: `${agreement.alike} of ${agreement.alike + agreement.neurons} neurons are copies of one another, as strong weight decay leaves them, and have no partner of their own; of the others ${agreement.agreed} get the same partner from disjoint weights`,
    };
  }
  if (agreement.placed > agreement.neurons) {
    return {
      code: 'neurons-placed',
      words: `${agreement.placed} of ${agreement.placed + agreement.neurons} neurons have their place by design (identity, bands, masks), in which independent models of that design agree, too`,
    };
  }
  if (agreement.neurons < BUILT_IN.neuronsMin) {
    return {
      code: 'too-few-neurons',
      words: `only ${agreement.neurons} neurons could be matched twice, and no rule judges fewer than ${BUILT_IN.neuronsMin}`,
    };
  }
  if (judged.verdict === 'unrelated') return null;
  return { code: 'between', words: toAgreementWords({ agreement, judged }) };
}

/** Names that a reason lists. */
const NAMES_MAX = 4;

function toOrderWords({ order: { layers, basis, decisive } }: OriginalFinding, bits: number): string {
  const fixed = layers.reduce((sum, layer) => sum + layer.fixed, 0);
  const neurons = layers.reduce((sum, layer) => sum + layer.neurons, 0);
  const taken = basis === 'topology' ? '' : "; that rows are neurons is taken from the tensors' names";
  const more = decisive.length > NAMES_MAX ? ` and ${decisive.length - NAMES_MAX} more` : '';
  const shown = decisive.length === 0 ? '' : `; above chance: ${decisive.slice(0, NAMES_MAX).join(', ')}${more}`;
  return `${fixed} of ${neurons} neurons in ${layers.length} layers stand where the original has them: at most 2^-${bits.toFixed(1)} under independent initialisation, after all tries${shown}${taken}`;
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

function toAgreementWords({ agreement, judged }: Pick<OriginalFinding, 'agreement' | 'judged'>): string {
  if (agreement === null || judged === null) return '';
  const { rule, derivedShare, unrelatedShare, layersDerived, layersJudged, nulls } = judged;
  const found = `${agreement.agreed} of ${agreement.neurons} neurons (${percent(agreement.share)}) get the same partner from disjoint weights, above the bar in ${layersDerived} of ${layersJudged} layers`;
  const bars = `derived above ${percent(derivedShare)} in total and in ${BUILT_IN.layersMin} layers, unrelated ${rule === 'nulls' ? 'up to' : 'below'} ${percent(unrelatedShare)}`;
  const against =
    nulls === null
      ? ''
      : `; ${nulls.models} independent models reach ${percent(nulls.shareMax)} at most, rank p = ${nulls.rankP.toFixed(3)}`;
  const left =
    agreement.alike === 0 ? '' : `; ${agreement.alike} more cannot be told from another neuron of their model`;
  return `${found}${left} (${rule === 'nulls' ? 'rule from independent models' : 'built-in rule'}: ${bars})${against}`;
}

/** Index of the largest number; 0 for none. */
function toLargest(values: readonly number[]): number {
  return values.reduce((best, value, index) => (value > values[best] ? index : best), 0);
}
