/** The detector: reads the ownership mark in a suspect and says how strong the evidence is (docs/spec/watermark.md §6). */
import { type Alignment, type AlignOptions, alignSuspect } from '../align/index.ts';
import { findHexBytes } from '../core/bytes.ts';
import { type Progress, silentProgress } from '../core/ports.ts';
import type { Model } from '../model/types.ts';
import { type Claim, listMarkedLayers } from './claim.ts';
import { verifyCommitment } from './commitment.ts';
import { checkReference, type Reference, toReference } from './reference.ts';
import { deriveMarkKeys, toMessageBits } from './seeds.ts';
import type { Evidence } from './spread/evidence.ts';
import { toLayout } from './spread/layout.ts';
import { matchLayers } from './spread/match.ts';
import { hasChoice, readAligned, readBest, type Reader, readFirst, type Reading } from './spread/readings.ts';
import { createSlots } from './spread/slots.ts';

/** Evidence from which the verdict is "flag", and from which it is "claim", after all trials are counted. */
export const FLAG_BITS = 64;
export const CLAIM_BITS = 128;
/** Below this share of the mark's positions found in the suspect, silence says nothing. */
const COVERAGE_MIN = 0.5;
/** Statistics per subset: hard and soft. */
const STATISTICS = 2;

export type Verdict = 'claim' | 'flag' | 'none' | 'inconclusive';

export interface SchemeResult {
  readonly name: string;
  /** Message bits read, and how many of them disagree. */
  readonly bits: number;
  readonly bitErrors: number;
  /** After all trials. */
  readonly evidenceBits: number;
  /** Whether the suspect was aligned to the original first. */
  readonly aligned: boolean;
  /** Marked layers that this statistic left out (re-initialised, replaced), by name. */
  readonly layersWithout: readonly string[];
}

export interface DetectResult {
  readonly verdict: Verdict;
  /** -log2 of the probability that a suspect independent of the key shows this much, after all trials. */
  readonly evidenceBits: number;
  /** Statistics × keys × readings (alignments, candidate choices) × layer subsets that were looked at or paid for. */
  readonly trials: number;
  readonly schemes: readonly SchemeResult[];
  /** True when the reading in the order of the file left nothing open, so that no other was needed. */
  readonly settled: boolean;
  /** Share of the mark's positions that the suspect has, 0..1. */
  readonly coverage: number;
  /** Why the verdict is "inconclusive"; null otherwise. */
  readonly reason: string | null;
  /** What a reader of the verdict should know. */
  readonly notes: readonly string[];
}

export interface DetectMarkOptions {
  readonly suspect: Model;
  readonly claim: Claim;
  /** S_own, 32 bytes. */
  readonly ownSeed: Uint8Array;
  /**
   * The unmarked original, whose digest is checked at once; or how to get at it, asked only when the reading in the order
   * of the file leaves something open. Without it, permuted or rescaled copies cannot be read.
   */
  readonly original?: Model | (() => Reference | undefined);
  /**
   * needed (default): the reading in the order of the file, then the others unless it settles the matter; the price is
   * that of all. first: that one alone, at its own price. all: every reading, needed or not.
   */
  readonly readings?: 'first' | 'needed' | 'all';
  /** Aligns the suspect where that is needed; by default each call anew. */
  readonly align?: (options: AlignOptions) => Alignment;
  readonly progress?: Progress;
}

/**
 * Reads the mark. Every suspect gets a verdict: a p-value needs no assumption about the suspect, because bits and chips
 * are outputs of a PRF whose key was committed before.
 *
 * Null hypothesis: the suspect is independent of the seed. False-alarm rate of "flag": at most 2^-64, of "claim": 2^-128.
 * @throws WatermarkError WATERMARK_SEED_MISMATCH when `ownSeed` is not the committed one
 * @throws AlignError ALIGN_REFERENCE_REFUSED when `original` is not the committed original
 * @throws FormatError | SourceError from the readers
 */
export function detectMark(options: DetectMarkOptions): DetectResult {
  const { suspect, claim, original, readings = 'needed', align = alignSuspect, progress = silentProgress } = options;
  verifyCommitment(claim.commitment, { purpose: 'own', subSeed: options.ownSeed });
  const given = typeof original === 'object' ? checkReference(toReference(original, progress), claim) : undefined;
  const reader = createReader(claim, options.ownSeed);
  const matches = matchLayers(
    reader.layout.layers.map(({ layer }) => layer),
    suspect,
  );
  const isAll = readings !== 'first';
  const plan = { best: isAll && hasChoice(matches), aligned: isAll && original !== undefined && canAlign(claim) };
  const planned = 1 + Number(plan.best) + Number(plan.aligned);

  progress.step('reading the mark', undefined, 'items');
  const first = readFirst(reader, matches);
  const done = [first.reading];
  progress.advance(1);
  const isSettled = readings !== 'all' && isConclusive(first.reading, planned);
  if (plan.best && !isSettled) {
    done.push(
      readBest(reader, matches, first.sums, () => {
        progress.advance(1);
      }),
    );
  }
  progress.done();
  const reference = isSettled || !plan.aligned ? undefined : (given ?? findReference(original, claim));
  if (reference !== undefined) {
    const { layers } = align({ topology: claim.topology, original: reference.model, suspect, progress });
    done.push(readAligned(reader, layers));
  }
  return judge({
    reader,
    readings: done,
    // Unless the first settled it, every reading that could be taken was.
    paid: isSettled ? planned : done.length,
    isSettled,
    missing: matches.filter(({ candidates }) => candidates.length === 0).length,
    notes: isSettled ? toSettledNotes(planned) : toNotes(claim, reference ?? given),
  });
}

function createReader(claim: Claim, ownSeed: Uint8Array): Reader {
  const { originalDigest, ownerId, params } = claim.commitment.preimage;
  const keys = deriveMarkKeys(ownSeed, 'own', findHexBytes(originalDigest) ?? new Uint8Array(0));
  const layout = toLayout(listMarkedLayers(claim), keys.positions, params.bits);
  return {
    layout,
    slots: createSlots(keys.positions, layout.bits, layout.tiles),
    message: toMessageBits(keys.bits, ownerId, layout.bits),
  };
}

function findReference(original: DetectMarkOptions['original'], claim: Claim): Reference | undefined {
  const found = typeof original === 'function' ? original() : undefined;
  return found === undefined ? undefined : checkReference(found, claim);
}

/**
 * True when nothing that another reading could show would matter: every bit over all layers, a claim at the price of all
 * readings that were planned. Looking at fewer looks than are paid for can only lower the evidence (§6.4).
 */
function isConclusive({ evidence }: Reading, planned: number): boolean {
  const { hard, subsets } = evidence;
  const isWhole = hard.layers === 'all' && hard.bits > 0 && hard.bitErrors === 0;
  return isWhole && hard.rawBits - Math.log2(planned * STATISTICS * subsets) >= CLAIM_BITS;
}

interface Findings {
  readonly reader: Reader;
  /** In the order in which they were taken; the first always is. */
  readonly readings: readonly Reading[];
  /** Readings that are paid for, taken or not. */
  readonly paid: number;
  readonly isSettled: boolean;
  /** Marked layers without any fitting tensor. */
  readonly missing: number;
  readonly notes: readonly string[];
}

/** Counts every trial once: the union over paid readings, subsets and statistics, each reading weighted by its choices. */
function judge({ reader: { layout }, readings, paid, isSettled, missing, notes }: Findings): DetectResult {
  const coverage = Math.max(...readings.map((reading) => reading.coverage));
  // The subsets depend on the number of layers alone: every reading has as many.
  const looks = paid * STATISTICS * readings[0].evidence.subsets;
  const schemes = readings.flatMap((reading) =>
    [reading.evidence.hard, reading.evidence.soft].map((evidence) => toScheme(layout, reading, evidence, looks)),
  );
  const best = schemes.reduce((a, b) => (b.evidenceBits > a.evidenceBits ? b : a));
  const bestReading = readings[Math.floor(schemes.indexOf(best) / STATISTICS)];
  const verdict = toVerdict(best.evidenceBits, coverage);
  return {
    verdict,
    evidenceBits: best.evidenceBits,
    trials: looks * 2 ** bestReading.choicesLog2,
    schemes,
    settled: isSettled,
    coverage,
    reason: verdict === 'inconclusive' ? toReason(coverage, missing, layout.layers.length) : null,
    notes,
  };
}

/** Channels are known only where the original had a graph. */
function canAlign(claim: Claim): boolean {
  return claim.topology.spaces.some((space) => space.isPermutable);
}

function toSettledNotes(planned: number): string[] {
  if (planned === 1) return [];
  return [
    'no bit is wrong in the order of the file, so no other reading was taken; their price is counted all the same',
  ];
}

function toNotes(claim: Claim, reference: Reference | undefined): string[] {
  if (!canAlign(claim)) {
    return [
      'the original has no graph, or one without neurons that can move: the suspect was read in the order of the file',
    ];
  }
  if (reference !== undefined) return [];
  return ['read in the order of the file; a copy with permuted or rescaled neurons needs the original to be read'];
}

function toScheme(layout: Reader['layout'], reading: Reading, evidence: Evidence, looks: number): SchemeResult {
  const without = evidence.layers === 'all' ? [] : evidence.layers.without;
  return {
    name: `${reading.name}/${evidence.statistic}`,
    bits: evidence.bits,
    bitErrors: evidence.bitErrors,
    evidenceBits: Math.max(0, evidence.rawBits - Math.log2(looks) - reading.choicesLog2),
    aligned: reading.isAligned,
    layersWithout: without.map((index) => layout.layers[index].layer.name),
  };
}

function toVerdict(evidenceBits: number, coverage: number): Verdict {
  if (evidenceBits >= CLAIM_BITS) return 'claim';
  if (evidenceBits >= FLAG_BITS) return 'flag';
  return coverage < COVERAGE_MIN ? 'inconclusive' : 'none';
}

function toReason(coverage: number, missing: number, total: number): string {
  if (missing === total) return 'cannot tell, because no tensor of the suspect has the shape of a marked layer';
  const percent = Math.round(coverage * 100);
  return `cannot tell, because only ${percent} % of the marked weights were found (${missing} of ${total} layers are missing)`;
}
