/** The detector: reads the ownership mark in a suspect and says how strong the evidence is (docs/spec/watermark.md §6). */
import { alignSuspect } from '../align/index.ts';
import { findHexBytes, isEqualConstantTime } from '../core/bytes.ts';
import { AlignError } from '../core/errors.ts';
import { type Progress, silentProgress } from '../core/ports.ts';
import type { Model } from '../model/types.ts';
import { type Claim, listMarkedLayers } from './claim.ts';
import { verifyCommitment } from './commitment.ts';
import { toOriginalDigest } from './digest.ts';
import { deriveMarkKeys, toMessageBits } from './seeds.ts';
import { type Evidence, type ReadingEvidence, toReadingEvidence } from './spread/evidence.ts';
import { type Layout, toLayout } from './spread/layout.ts';
import { matchLayers, type LayerMatch } from './spread/match.ts';
import { type LayerSums, type LayerView, toLayerSums, toScales } from './spread/measure.ts';
import { createSlots, type SlotSource } from './spread/slots.ts';
import { toSoftEvidenceBits } from '../core/stats.ts';

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
  /** Statistics × keys × readings (alignments, candidate choices) × layer subsets that were looked at. */
  readonly trials: number;
  readonly schemes: readonly SchemeResult[];
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
  /** The unmarked original; without it, permuted or rescaled copies cannot be read. */
  readonly original?: Model;
  readonly progress?: Progress;
}

/** One way in which the suspect was read. */
interface Reading {
  readonly name: string;
  readonly isAligned: boolean;
  readonly evidence: ReadingEvidence;
  /** log2 of the number of candidate choices that the key was allowed to pick from. */
  readonly choicesLog2: number;
  /** Share of the mark's positions that it found. */
  readonly coverage: number;
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
  const { suspect, claim, ownSeed, progress = silentProgress } = options;
  const { preimage } = claim.commitment;
  verifyCommitment(claim.commitment, { purpose: 'own', subSeed: ownSeed });
  const originalDigest = findHexBytes(preimage.originalDigest) ?? new Uint8Array(0);
  if (options.original !== undefined) assertReference(options.original, originalDigest, progress);
  const keys = deriveMarkKeys(ownSeed, 'own', originalDigest);
  const layout = toLayout(listMarkedLayers(claim), keys.positions, preimage.params.bits);
  const reader: Reader = {
    layout,
    slots: createSlots(keys.positions, layout.bits, layout.tiles),
    message: toMessageBits(keys.bits, preimage.ownerId, layout.bits),
  };
  progress.step('reading the mark', 2, 'items');
  const matches = matchLayers(
    layout.layers.map(({ layer }) => layer),
    suspect,
  );
  const readings = [readFirst(reader, matches)];
  progress.advance(1);
  readings.push(...readBest(reader, matches));
  progress.done();
  if (options.original !== undefined && canAlign(claim))
    readings.push(readAligned(reader, claim, suspect, options.original, progress));
  const missing = matches.filter(({ candidates }) => candidates.length === 0).length;
  return judge({ layout, readings, missing, notes: toNotes(claim, options.original) });
}

interface Reader {
  readonly layout: Layout;
  readonly slots: SlotSource;
  readonly message: Int8Array;
}

function measure({ layout, slots }: Reader, views: readonly (LayerView | null)[]): LayerSums[] {
  return toLayerSums(layout, slots, views, toScales(layout, views));
}

/** The reading that needs no choice: layers by name, or by shape in order. */
function readFirst(reader: Reader, matches: readonly LayerMatch[]): Reading {
  const sums = measure(
    reader,
    matches.map(({ candidates }) => candidates[0]?.view ?? null),
  );
  return toReading(reader, sums, { name: 'spread', isAligned: false, choicesLog2: 0 });
}

function toReading(
  { layout, message }: Reader,
  sums: readonly LayerSums[],
  how: Pick<Reading, 'name' | 'isAligned' | 'choicesLog2'>,
): Reading {
  const seen = sums.reduce((total, layer) => total + layer.counts.reduce((a, b) => a + b, 0), 0);
  return { ...how, evidence: toReadingEvidence(message, sums), coverage: seen / layout.sampled };
}

/** The reading that lets the key choose among same-shaped tensors; every choice costs its logarithm. */
function readBest(reader: Reader, matches: readonly LayerMatch[]): Reading[] {
  const rounds = Math.max(...matches.map(({ candidates }) => candidates.length));
  if (rounds < 2) return [];
  const found = Array.from({ length: rounds }, (_, round) =>
    measure(
      reader,
      matches.map(({ candidates }) => candidates[round]?.view ?? null),
    ),
  );
  const softBits = (sums: LayerSums): number =>
    toSoftEvidenceBits(
      sums.sums.reduce((total, sum, i) => total + reader.message[i] * sum, 0),
      sums.squares,
    );
  const chosen = matches.map((_, index) =>
    found.map((round) => round[index]).reduce((best, sums) => (softBits(sums) > softBits(best) ? sums : best)),
  );
  const choicesLog2 = matches.reduce((sum, { candidates }) => sum + Math.log2(Math.max(1, candidates.length)), 0);
  return [toReading(reader, chosen, { name: 'spread/best-match', isAligned: false, choicesLog2 })];
}

/**
 * Checks that the reference is the committed original: aligned to a marked copy, or to an "original" made up later,
 * unrelated models begin to agree with the key.
 */
function assertReference(original: Model, originalDigest: Uint8Array, progress: Progress): void {
  if (isEqualConstantTime(toOriginalDigest(original, progress), originalDigest)) return;
  throw new AlignError('ALIGN_REFERENCE_REFUSED');
}

/** The reading after permuted, rescaled and added neurons are undone; the aligner never sees the key. */
function readAligned(reader: Reader, claim: Claim, suspect: Model, original: Model, progress: Progress): Reading {
  const { layers } = alignSuspect({ topology: claim.topology, original, suspect, progress });
  const views = reader.layout.layers.map(({ layer }) => layers.get(layer.name) ?? null);
  return toReading(reader, measure(reader, views), { name: 'spread', isAligned: true, choicesLog2: 0 });
}

interface Findings {
  readonly layout: Layout;
  readonly readings: readonly Reading[];
  /** Marked layers without any fitting tensor. */
  readonly missing: number;
  readonly notes: readonly string[];
}

/** Counts every trial once: the union over readings, subsets and statistics, each reading weighted by its choices. */
function judge({ layout, readings, missing, notes }: Findings): DetectResult {
  const coverage = Math.max(...readings.map((reading) => reading.coverage));
  const looks = readings.reduce((sum, { evidence }) => sum + STATISTICS * evidence.subsets, 0);
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
    coverage,
    reason: verdict === 'inconclusive' ? toReason(coverage, missing, layout.layers.length) : null,
    notes,
  };
}

/** Channels are known only where the original had a graph. */
function canAlign(claim: Claim): boolean {
  return claim.topology.spaces.some((space) => space.isPermutable);
}

function toNotes(claim: Claim, original: Model | undefined): string[] {
  if (original === undefined) {
    return ['read in the order of the file; a copy with permuted or rescaled neurons needs the original to be read'];
  }
  if (canAlign(claim)) return [];
  return [
    'the original has no graph, or one without neurons that can move: the suspect was read in the order of the file',
  ];
}

function toScheme(layout: Layout, reading: Reading, evidence: Evidence, looks: number): SchemeResult {
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
