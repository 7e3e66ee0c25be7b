/** The ways in which a suspect is read: as its tensors are named, with keyed choice among fitting ones, aligned (docs/spec/watermark.md §6). */
import { toSoftEvidenceBits } from '../../core/stats.ts';
import { type ReadingEvidence, toReadingEvidence } from './evidence.ts';
import { type Layout, listSegmentsIn } from './layout.ts';
import type { LayerMatch } from './match.ts';
import { type LayerSums, type LayerView, toLayerSums, toScales } from './measure.ts';
import type { SlotSource } from './slots.ts';
import { createSuspectView } from './suspect-view.ts';

/** What a key says about every position: enough to read any suspect. */
export interface Reader {
  readonly layout: Layout;
  readonly slots: SlotSource;
  /** +1 or -1 per bit. */
  readonly message: Int8Array;
}

/** One way in which the suspect was read. */
export interface Reading {
  readonly name: string;
  readonly isAligned: boolean;
  readonly evidence: ReadingEvidence;
  /** log2 of the number of candidate choices that the key was allowed to pick from. */
  readonly choicesLog2: number;
  /** Share of the mark's positions that it found, 0..1. */
  readonly coverage: number;
}

/** The reading that needs no choice: layers by name, or by shape in order; with its sums, for {@link readBest}. */
export function readFirst(
  reader: Reader,
  matches: readonly LayerMatch[],
): { readonly reading: Reading; readonly sums: readonly LayerSums[] } {
  const sums = measureRound(reader, matches, 0);
  return { reading: toReading(reader, sums, { name: 'spread', isAligned: false, choicesLog2: 0 }), sums };
}

/** True when some layer has more than one fitting tensor, so that {@link readBest} has something to choose. */
export function hasChoice(matches: readonly LayerMatch[]): boolean {
  return matches.some(({ candidates }) => candidates.length > 1);
}

/**
 * The reading that lets the key choose among fitting tensors; every choice costs its logarithm.
 * @param first sums of the first candidates, which are not measured again
 */
export function readBest(
  reader: Reader,
  matches: readonly LayerMatch[],
  first: readonly LayerSums[],
  onRound: () => void,
): Reading {
  const rounds = Math.max(...matches.map(({ candidates }) => candidates.length));
  const softBits = (sums: LayerSums): number =>
    toSoftEvidenceBits(
      sums.sums.reduce((total, sum, i) => total + reader.message[i] * sum, 0),
      sums.squares,
    );
  let chosen = first;
  for (let round = 1; round < rounds; round++) {
    const found = measureRound(reader, matches, round);
    chosen = chosen.map((best, index) => (softBits(found[index]) > softBits(best) ? found[index] : best));
    onRound();
  }
  const choicesLog2 = matches.reduce((sum, { candidates }) => sum + Math.log2(Math.max(1, candidates.length)), 0);
  return toReading(reader, chosen, { name: 'spread/best-match', isAligned: false, choicesLog2 });
}

/** The reading after permuted, rescaled and added neurons are undone; the aligner never sees the key. */
export function readAligned(reader: Reader, layers: ReadonlyMap<string, LayerView | null>): Reading {
  const views = reader.layout.layers.map(({ layer }) => layers.get(layer.name) ?? null);
  return toReading(reader, measure(reader, views), { name: 'spread', isAligned: true, choicesLog2: 0 });
}

/** Sums of every layer read in its candidate number `round`; the views and what they hold are gone afterwards. */
function measureRound(reader: Reader, matches: readonly LayerMatch[], round: number): LayerSums[] {
  const views = matches.map(({ candidates }, index) => {
    const candidate = candidates.at(round);
    if (candidate === undefined) return null;
    const runs = listSegmentsIn(reader.layout, index, 0, reader.layout.layers[index].elementCount);
    return createSuspectView(candidate.tensor, candidate.order, runs);
  });
  return measure(reader, views);
}

function measure({ layout, slots }: Reader, views: readonly (LayerView | null)[]): LayerSums[] {
  return toLayerSums(layout, slots, views, toScales(layout, views));
}

function toReading(
  { layout, message }: Reader,
  sums: readonly LayerSums[],
  how: Pick<Reading, 'name' | 'isAligned' | 'choicesLog2'>,
): Reading {
  const seen = sums.reduce((total, layer) => total + layer.counts.reduce((a, b) => a + b, 0), 0);
  return { ...how, evidence: toReadingEvidence(message, sums), coverage: seen / layout.sampled };
}
