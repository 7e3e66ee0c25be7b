/** Neurons that one side of the layers around them cannot tell from another neuron of the same model (docs/spec/lineage.md §4). */
import { type ChannelMaps, createLayerMapper } from './channel-maps.ts';
import type { LoadLattice } from './lattice.ts';
import type { Piece } from './pieces.ts';
import { addSimilarities, type Side } from './similarity.ts';

/** From this cosine on with another neuron, either could be its partner. */
const TWIN_COSINE = 0.9;

export interface TwinOptions {
  readonly model: 'ours' | 'theirs';
  /** Channels of the space in that model. */
  readonly channels: number;
  /** Channels of each space in the suspect. */
  readonly counts: readonly number[];
  readonly load: LoadLattice;
}

/** For each channel of a space 1 when another channel of the same model looks the same through all `pieces`. */
export function findTwins(pieces: readonly Piece[], { model, channels, counts, load }: TwinOptions): Uint8Array {
  const matrix = { rows: channels, columns: channels, values: new Float32Array(channels * channels) };
  let weight = 0;
  for (const { pair, side, at } of pieces) {
    const shape = pair[model];
    if (shape === null) continue;
    const maps: ChannelMaps = { counts, bySpace: [] };
    const mapper = createLayerMapper(pair, side, maps);
    const lattice = load(shape);
    const entries = model === 'ours' ? mapper.ourEntries(at) : mapper.theirEntries(at);
    const { inner } = pair.layer[side]!;
    const [ownLength, length] =
      side === 'out' ? [lattice.outLength, lattice.inLength] : [lattice.inLength, lattice.outLength];
    if (entries.length !== channels * inner || (model === 'theirs' && mapper.theirLength !== ownLength)) continue;
    const others = Int32Array.from({ length }, (_, entry) => entry);
    const own: Side = { lattice, side, entries, inner, others, weights: new Float32Array(length).fill(1) };
    weight += addSimilarities(matrix, own, own);
  }
  const twins = new Uint8Array(channels);
  for (let row = 0; row < channels; row++) {
    for (let other = 0; other < channels; other++) {
      if (other !== row && matrix.values[row * channels + other] > TWIN_COSINE * weight) twins[row] = 1;
    }
  }
  return twins;
}
