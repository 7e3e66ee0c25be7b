/**
 * What is asked of a model that one cannot look into, and how its answers are judged (docs/spec/remote-check.md §2).
 *
 * The one joint between `modelward verify-remote` and the marks that it can check: keyed probes (`watermark/probes/`) and
 * triggers (`watermark/triggers/`) each turn an annex and an opened sub-seed into a `QuestionSet`; the sender, the budget,
 * the hiding among other traffic and the arithmetic are the same for all. A mark of a new kind is one function
 * `open…Questions(options): QuestionSet` and one row in `workflows/remote/question-sets.ts`.
 */
import { toLog2BinomialTail } from '../../core/stats.ts';
import type { DType } from '../../model/dtype.ts';

/** One input of one question, without the batch axis. */
export interface QuestionInput {
  readonly name: string;
  readonly dtype: DType;
  /** Shape of one item; the sender puts the batch axis in front where `QuestionSet.hasBatchAxis` says so. */
  readonly shape: readonly number[];
  /** Packed little-endian row-major elements. */
  readonly data: Uint8Array;
}

export type Question =
  | { readonly kind: 'tensors'; readonly inputs: readonly QuestionInput[] }
  | { readonly kind: 'text'; readonly prompt: string }
  /** Token ids of a prompt, for the input of that name; the answer is the id of the token that follows. */
  | { readonly kind: 'tokens'; readonly name: string; readonly ids: Int32Array };

/** A class index from 0, or for text the first word as `toFirstWord` makes it. */
export type Answer = number | string;

/**
 * How a number of agreeing answers becomes evidence. In both cases p = P[Bin(questions asked, chance) ≥ agreed], and
 * `log2Trials` bits are taken off.
 *
 * exact: a suspect that is independent of the key agrees with each question independently with at most probability
 * `chance`, because labels are PRF outputs that nobody could choose. calibrated: `chance` is a rate above that of models
 * that had nothing to do with ours; such evidence names its nulls and is never alone a claim.
 */
export interface Statistic {
  readonly kind: 'exact' | 'calibrated';
  /** Largest probability of one agreement under the null hypothesis, in (0, 1). */
  readonly chance: number;
  /**
   * log2 of the number of question sets among which the owner could choose with the seed fixed: 0 when inputs and labels
   * follow from seed and count alone. Who picks T inputs from M candidates whose labels hang on the candidate picks among
   * C(M, T) sets, and could pick the ones that a stranger's model answers rightly.
   */
  readonly log2Trials: number;
  /** Null models behind `chance`; empty for exact evidence, or when none were at hand. */
  readonly nulls: readonly NullAgreement[];
  /**
   * Strongest verdict. supporting: what the evidence rests on is only said and was not seen. inconclusive: nobody measured
   * how often strangers agree, so that agreement says nothing; no agreement is still "none".
   */
  readonly verdictMax?: 'supporting' | 'inconclusive';
}

/** How often one model that has nothing to do with ours agrees. */
export interface NullAgreement {
  /** What the owner calls it: a base name. */
  readonly name: string;
  /** Format-neutral digest of its tensors, hex; null where only answers were seen. */
  readonly digest: string | null;
  /** Share of the questions, 0..1. */
  readonly agreement: number;
}

/**
 * A fixed list of questions. An implementer MUST regenerate every input from the opened sub-seed with the PRF and must
 * read none from a file: an accuser who may choose inputs chooses transferable adversarial examples (Liu et al., "False
 * Claims against Model Ownership Resolution", USENIX Security 2024). `question(i)` and `expected(i)` must not depend on
 * the order of calls. Asking fewer than `count` means asking the first ones.
 */
export interface QuestionSet {
  /** Type of the annex that it came from, such as "probes". */
  readonly type: string;
  readonly count: number;
  /** True when tensors have a batch axis in front, so that several questions can travel in one request. */
  readonly hasBatchAxis: boolean;
  /** Classes that answers are drawn from; null for text. */
  readonly classes: number | null;
  /** Output of the model whose arg-max is the answer, by its name in the graph; null for text. */
  readonly output: string | null;
  question(index: number): Question;
  expected(index: number): Answer;
  readonly statistic: Statistic;
  /** Zeroes the keys; questions that are made afterwards are not those of the set. */
  forget?(): void;
  /** Facts about the set that a reader of the verdict should know, each a full sentence. */
  readonly notes: readonly string[];
}

export interface RemoteEvidence {
  /** Questions that count: every one that was planned, answered or not. */
  readonly asked: number;
  readonly agreed: number;
  /** Planned questions without a usable answer (refused, failed, malformed, not reached); they count as disagreements. */
  readonly unanswered: number;
  /** agreed / asked. */
  readonly agreement: number;
  /** agreed / answered, which a suspect can shift by refusing; shown beside, never judged. */
  readonly agreementOfAnswered: number;
  /** -log2 p - log2Trials, less log2 of all questions where fewer were asked; at least 0. */
  readonly evidenceBits: number;
  /** The same over answered questions alone; shown beside, never judged. */
  readonly evidenceBitsOfAnswered: number;
  /** (agreement - mean of nulls) / their standard deviation; null with fewer than two nulls or no spread. */
  readonly deviations: number | null;
}

/**
 * Evidence of the answers to the first `answers.length` questions of a set; null stands for no usable answer.
 *
 * Unanswered questions count as disagreements: leaving them out would let the prover choose which answers count. So
 * refusing can only hide a copy, never accuse a stranger. Fewer answers than questions cost log2 of the questions: whoever
 * stops could have stopped anywhere.
 *
 * Null hypothesis: the suspect agrees with each question with probability at most `chance`, independently. False-alarm
 * rate at b bits: 2^-b, as far as `chance` holds.
 */
export function toRemoteEvidence(
  set: Pick<QuestionSet, 'count' | 'expected' | 'statistic'>,
  answers: readonly (Answer | null)[],
): RemoteEvidence {
  const asked = answers.length;
  if (asked > set.count) throw new TypeError('more answers than questions');
  const answered = answers.filter((answer) => answer !== null).length;
  const agreed = answers.filter((answer, index) => answer !== null && answer === set.expected(index)).length;
  const { chance, log2Trials, nulls } = set.statistic;
  // Who asks fewer could have stopped after any number: each is a trial.
  const stopBits = asked < set.count ? Math.log2(set.count) : 0;
  const toBits = (count: number): number =>
    Math.max(0, -toLog2BinomialTail(count, agreed, chance) - log2Trials - stopBits);
  const agreement = asked === 0 ? 0 : agreed / asked;
  return {
    asked,
    agreed,
    unanswered: asked - answered,
    agreement,
    agreementOfAnswered: answered === 0 ? 0 : agreed / answered,
    evidenceBits: toBits(asked),
    evidenceBitsOfAnswered: toBits(answered),
    deviations: toDeviations(
      agreement,
      nulls.map((one) => one.agreement),
    ),
  };
}

function toDeviations(value: number, nulls: readonly number[]): number | null {
  const { mean, deviation } = toSpread(nulls);
  return deviation > 0 ? (value - mean) / deviation : null;
}

/** Mean, standard deviation (n - 1; 0 below two values) and largest of some rates; zeros for none. */
export function toSpread(rates: readonly number[]): { mean: number; deviation: number; largest: number } {
  if (rates.length === 0) return { mean: 0, deviation: 0, largest: 0 };
  const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
  const squares = rates.reduce((sum, rate) => sum + (rate - mean) ** 2, 0);
  return {
    mean,
    deviation: rates.length < 2 ? 0 : Math.sqrt(squares / (rates.length - 1)),
    largest: Math.max(...rates),
  };
}

/** The first run of letters and digits of a text, in lower case; null without one. Punctuation and spacing vary by server. */
export function toFirstWord(text: string): string | null {
  const word = /[\p{L}\p{N}]+/u.exec(text.slice(0, FIRST_WORD_SEARCH))?.[0];
  return word === undefined ? null : word.toLowerCase().slice(0, FIRST_WORD_LENGTH);
}

/** Characters of an answer that are looked at, and of the word that is kept. */
const FIRST_WORD_SEARCH = 1024;
const FIRST_WORD_LENGTH = 64;

export type RemoteVerdict = 'claim' | 'flag' | 'supporting' | 'none' | 'inconclusive';

/** Bits for a flag and for a claim (watermark/detect.ts has the same), and below a flag for supporting evidence. */
export const REMOTE_BITS = { claim: 128, flag: 64, supporting: 20 } as const;

/**
 * Only exact evidence makes a claim. "none" needs answers: when more than half of the questions went unanswered and
 * there is no evidence, it is "inconclusive".
 */
export function toRemoteVerdict(
  kind: Statistic['kind'],
  evidence: RemoteEvidence,
  verdictMax?: Statistic['verdictMax'],
): RemoteVerdict {
  const { evidenceBits: bits, asked, unanswered } = evidence;
  const isCapped = verdictMax !== undefined;
  if (bits >= REMOTE_BITS.claim && kind === 'exact' && !isCapped) return 'claim';
  if (bits >= REMOTE_BITS.flag && !isCapped) return 'flag';
  if (bits >= REMOTE_BITS.supporting) return verdictMax === 'inconclusive' ? 'inconclusive' : 'supporting';
  return asked === 0 || unanswered * 2 > asked ? 'inconclusive' : 'none';
}
