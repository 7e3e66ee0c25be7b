/** Undoes what was changed inside heads and among the query heads of a key head (docs/spec/transformer-topology.md §5). */
import { ALIGN_LIMITS } from '../../core/limits/align.ts';
import { UNMATCHED } from '../assignment.ts';
import { type ChannelMaps, createLayerMapper } from '../channel-maps.ts';
import { isReadByParts } from '../large.ts';
import type { Lattice, LatticeChange, LatticeChanges, LayerShape, LoadLattice } from '../lattice.ts';
import type { Attention, Strand } from './attention.ts';
import { applyFit, type Block, type Bond, type BondFit, fitBond, toRest } from './bond.ts';
import { addSpans, matchSpans, type Span, toSpans } from './match.ts';
import { createChange, type Move, readBlock } from './move.ts';

const PARTS = ['query', 'key', 'value', 'output'] as const;
type Part = (typeof PARTS)[number];
type Blocks = Readonly<Record<Part, readonly Block[]>>;

/** Every block whose heads explain less than this of the original's is looked into. */
const LIKE_MIN = 0.8;

/**
 * For each attention in which heads do not look like the original's: finds the suspect's head of each head by what its
 * rows span, its query heads in the same way, and the matrices inside by least squares.
 *
 * Works from the original alone, so it is part of the one aligned reading. What an unrelated suspect's heads are fitted to
 * explains too little, and they stay as they are.
 */
export function undoHeads(attentions: readonly Attention[], maps: ChannelMaps, load: LoadLattice): LatticeChanges {
  const changes = new Map<LayerShape, LatticeChange[]>();
  for (const attention of attentions) {
    const { width } = attention.query;
    if (Math.max(width, attention.value.width) > ALIGN_LIMITS.headWidthMax) continue;
    const moves = undoAttention(attention, maps, load);
    if (moves.length === 0) continue;
    for (const part of PARTS) {
      const strand = attention[part];
      const { theirs } = strand.pair;
      const change = createChange({
        ...{ side: strand.side, width: strand.width, entries: toEntries(strand, 'theirs', maps) },
        moves: moves.map((move) => move[part]),
      });
      changes.set(theirs!, [...(changes.get(theirs!) ?? []), change]);
    }
  }
  return changes;
}

/** Blocks of one key head: one each of keys and values, and those of its query heads. */
interface Head {
  readonly scores: Bond;
  readonly mix: Bond;
}

function undoAttention(attention: Attention, maps: ChannelMaps, load: LoadLattice): Record<Part, Move>[] {
  const read = (model: 'ours' | 'theirs'): Blocks | undefined => readBlocks(attention, model, maps, load);
  const [ours, theirs] = [read('ours'), read('theirs')];
  if (ours === undefined || theirs === undefined) return [];
  const { keyHeads, queryHeads, space } = attention;
  const isShared = keyHeads === 1;
  const found = isShared ? null : maps.bySpace[space];
  const own = Array.from({ length: keyHeads }, (_, head) => toHead(attention, ours, head));
  const heads = found ?? Int32Array.of(0);
  const isLike = own.every(
    (head, at) => heads[at] !== UNMATCHED && toHeadRest(head, toHead(attention, theirs, heads[at])) < 1 - LIKE_MIN,
  );
  if (isLike) return [];
  const spans = [toHeadSpans(attention, ours), toHeadSpans(attention, theirs)] as const;
  const partners = matchSpans(...(spans.map((all) => all.map(({ whole }) => whole)) as [Span[][], Span[][]]));
  const changes: Record<Part, Move>[] = [];
  own.forEach((head, at) => {
    if (partners[at] === UNMATCHED) return;
    const order = matchSpans(spans[0][at].queries, spans[1][partners[at]].queries);
    const plain = toHead(attention, theirs, partners[at]);
    const turned = toHead(attention, theirs, partners[at], order);
    const fits = { scores: fitBond(head.scores, turned.scores), mix: fitBond(head.mix, turned.mix) };
    const result = {
      scores: fits.scores === null ? turned.scores : applyFit(turned.scores, fits.scores),
      mix: fits.mix === null ? turned.mix : applyFit(turned.mix, fits.mix),
    };
    if (toHeadRest(head, result) > GAIN * toHeadRest(head, plain)) return;
    // Query heads that share the one key head are channels themselves: they are matched, not moved.
    const places = isShared ? order.map((_, place) => place) : order;
    const first = partners[at] * queryHeads;
    const one = (fit: BondFit | null) => ({ first: partners[at], order: Int32Array.of(0), matrix: fit?.one ?? null });
    const many = (fit: BondFit | null) => ({ first, order: places, matrix: fit?.many ?? null });
    changes.push({ query: many(fits.scores), key: one(fits.scores), value: one(fits.mix), output: many(fits.mix) });
  });
  return changes;
}

/** What is left unexplained must fall to this share of it. */
const GAIN = 0.8;

function toHeadRest(ours: Head, theirs: Head): number {
  return (toRest(ours.scores, theirs.scores) + toRest(ours.mix, theirs.mix)) / 2;
}

function toHead(
  { queryHeads, query, value }: Attention,
  blocks: Blocks,
  head: number,
  order: ArrayLike<number> = Array.from({ length: queryHeads }, (_, at) => at),
): Head {
  const many = (all: readonly Block[]): Block[] => Array.from(order, (at) => all[head * queryHeads + at]);
  return {
    scores: { width: query.width, one: blocks.key[head], many: many(blocks.query) },
    mix: { width: value.width, one: blocks.value[head], many: many(blocks.output) },
  };
}

/** Blocks of all heads of one model over the same entries of the other axis; undefined while that is unknown. */
function readBlocks(
  attention: Attention,
  model: 'ours' | 'theirs',
  maps: ChannelMaps,
  load: LoadLattice,
): Blocks | undefined {
  const lists = PARTS.map((part) => {
    const strand = attention[part];
    const { pair, side, width } = strand;
    const others = toOthers(strand, maps);
    if (others === undefined || others[model].length < width) return undefined;
    const entries = toEntries(strand, model, maps);
    if (isReadByParts(pair)) {
      const part = side === 'out' ? { out: entries, in: others[model] } : { out: others[model], in: entries };
      return splitBlocks(load.part(pair[model]!, part), side, width);
    }
    const lattice = load(pair[model]!);
    if (lattice.kernel.length !== 1) return undefined;
    return Array.from({ length: entries.length / width }, (_, at) =>
      readBlock(lattice, side, entries.subarray(at * width, (at + 1) * width), others[model]),
    );
  });
  if (lists.includes(undefined)) return undefined;
  const [query, key, value, output] = lists as Block[][];
  return { query, key, value, output };
}

/** The blocks of a part that has all their entries, one block after the other. */
function splitBlocks(lattice: Lattice, side: 'out' | 'in', width: number): Block[] {
  const { outLength, inLength } = lattice;
  const [length, others] = side === 'out' ? [outLength, inLength] : [inLength, outLength];
  const [own, other] = [length, others].map((count) => Int32Array.from({ length: count }, (_, at) => at));
  return Array.from({ length: length / width }, (_, at) =>
    readBlock(lattice, side, own.subarray(at * width, (at + 1) * width), other),
  );
}

function toEntries({ pair, side, at }: Strand, model: 'ours' | 'theirs', maps: ChannelMaps): Int32Array {
  const mapper = createLayerMapper(pair, side, maps);
  return model === 'ours' ? mapper.ourEntries(at) : mapper.theirEntries(at);
}

/** Entries of the other axis that both have, some of them, evenly chosen, where there are many. */
function toOthers({ pair, side, width }: Strand, maps: ChannelMaps): Record<'ours' | 'theirs', Int32Array> | undefined {
  const mapped = createLayerMapper(pair, side === 'out' ? 'in' : 'out', maps).toTheirs();
  if (mapped === undefined) return undefined;
  const known = Array.from(mapped.keys()).filter((entry) => mapped[entry] !== UNMATCHED);
  const count = Math.min(known.length, Math.max(ALIGN_LIMITS.headOthers, 8 * width));
  const ours = Int32Array.from({ length: count }, (_, at) => known[Math.floor((at * known.length) / count)]);
  return { ours, theirs: ours.map((entry) => mapped[entry]) };
}

interface HeadSpans {
  /** Keys, values, and all query heads together in queries and output. */
  readonly whole: readonly Span[];
  /** For each query head queries and output. */
  readonly queries: readonly (readonly Span[])[];
}

function toHeadSpans({ query, value, queryHeads }: Attention, blocks: Blocks): HeadSpans[] {
  const [keys, values] = [toSpans(blocks.key, query.width), toSpans(blocks.value, value.width)];
  const [asked, mixed] = [toSpans(blocks.query, query.width), toSpans(blocks.output, value.width)];
  return keys.map((key, head) => {
    const own = (all: readonly Span[]): readonly Span[] => all.slice(head * queryHeads, (head + 1) * queryHeads);
    return {
      whole: [key, values[head], addSpans(own(asked)), addSpans(own(mixed))],
      queries: own(asked).map((span, at) => [span, own(mixed)[at]]),
    };
  });
}
