/** Neurons that one side of the layers around them cannot tell from another neuron of the same model (docs/spec/lineage.md §4). */
import { type ChannelMaps, createLayerMapper } from './channel-maps.ts';
import { isReadByParts } from './large.ts';
import { type LoadLattice, toLengths } from './lattice.ts';
import { areMany, findAlike } from './many.ts';
import { chooseOthers, type Piece, type ReadEntries, readEntries } from './pieces.ts';
import { addFeatures, type Features, type Side, toFeatures, toFeaturesMax } from './similarity.ts';

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
export function findTwins(pieces: readonly Piece[], options: TwinOptions): Uint8Array {
  const { channels } = options;
  const looks = pieces.flatMap((piece) => toOwnFeatures(piece, options) ?? []);
  if (areMany(channels, channels)) return findAlike(looks, channels, TWIN_COSINE);
  const matrix = { rows: channels, columns: channels, values: new Float32Array(channels * channels) };
  for (const look of looks) addFeatures(matrix, look, look);
  const weight = looks.reduce((sum, { width }) => sum + width, 0);
  const twins = new Uint8Array(channels);
  for (let row = 0; row < channels; row++) {
    for (let other = 0; other < channels; other++) {
      if (other !== row && matrix.values[row * channels + other] > TWIN_COSINE * weight) twins[row] = 1;
    }
  }
  return twins;
}

/** The channels of one model through one piece, all of it; null where the model has other channels there. */
function toOwnFeatures({ pair, side, at }: Piece, { model, channels, counts, load }: TwinOptions): Features | null {
  const shape = pair[model];
  if (shape === null) return null;
  const maps: ChannelMaps = { counts, bySpace: [] };
  const mapper = createLayerMapper(pair, side, maps);
  const entries = model === 'ours' ? mapper.ourEntries(at) : mapper.theirEntries(at);
  const { inner } = pair.layer[side]!;
  const lengths = toLengths(shape);
  const [ownLength, length] = side === 'out' ? [lengths.out, lengths.in] : [lengths.in, lengths.out];
  if (entries.length !== channels * inner || (model === 'theirs' && mapper.theirLength !== ownLength)) return null;
  const others = Int32Array.from({ length }, (_, entry) => entry);
  const featuresMax = toFeaturesMax(channels);
  const toSide = (source: ReadEntries): Side => ({
    ...{ ...source, side, inner, weights: new Float32Array(source.others.length).fill(1) },
  });
  if (!isReadByParts(pair)) return toFeatures(toSide({ lattice: load(shape), entries, others }), featuresMax);
  const { ours: chosen } = chooseOthers({ ours: others, theirs: others }, entries.length);
  return toFeatures(toSide(readEntries(load, shape, side, { entries, others: chosen })), featuresMax);
}
