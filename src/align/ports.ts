/** The topology: which tensors are layers, how their axes lie, and which channels belong together (docs/spec/watermark.md §5). */
import { z } from 'zod';
import { WATERMARK_LIMITS } from '../core/limits/watermark.ts';
import { DTYPES, type DType, isDType } from '../model/dtype.ts';

const dim = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const shape = z.array(dim).max(16);
const name = z.string().max(4096);
const dtype = z.custom<DType>((value) => typeof value === 'string' && isDType(value) && value in DTYPES);

/** A run of channels of one space on an axis; space -1 means "fixed: never permuted". */
const segmentSchema = z.strictObject({ space: z.number().int().min(-1), channels: dim });

/**
 * One axis of a tensor that indexes channels: position = channel * inner + k, k < inner (inner > 1 after a flatten).
 * Where a channels-last value was flattened, channels are interleaved: position = k * channels + channel, channels
 * counted over all segments. Concatenated inputs make several segments.
 */
const channelAxisSchema = z.strictObject({
  axis: z.number().int().min(0).max(15),
  segments: z.array(segmentSchema).max(4096),
  inner: z.number().int().min(1).max(Number.MAX_SAFE_INTEGER),
  isInterleaved: z.literal(true).optional(),
});

const layerSchema = z.strictObject({
  /** Name of the weight tensor in the original. */
  name,
  kind: z.enum(['dense', 'conv', 'recurrent', 'embedding', 'plain']),
  dtype,
  /** As stored, and as the layer uses it; both list the elements in the same row-major order. */
  storedShape: shape,
  shape,
  /** Axes of `shape`; null when unknown. */
  outAxis: z.number().int().min(0).max(15).nullable(),
  inAxis: z.number().int().min(0).max(15).nullable(),
  groups: z.number().int().min(1).max(Number.MAX_SAFE_INTEGER),
  /** True when its result is a model output: transfer learning replaces it, so it carries no mark. */
  isOutput: z.boolean(),
  out: channelAxisSchema.nullable(),
  in: channelAxisSchema.nullable(),
});

/** A tensor that follows a space's permutation: bias, normalisation vector, added table. */
const vectorSchema = z.strictObject({
  name,
  role: z.enum(['bias', 'scale', 'shift', 'mean', 'variance', 'slope']),
  shape,
  channels: channelAxisSchema,
});

const spaceSchema = z.strictObject({
  channels: dim,
  /** False when an operator reads channel positions (heads, softmax over the axis, a model output, …). */
  isPermutable: z.boolean(),
});

export const topologySchema = z.strictObject({
  v: z.literal(1),
  layers: z.array(layerSchema).max(WATERMARK_LIMITS.layersMax),
  vectors: z.array(vectorSchema).max(WATERMARK_LIMITS.layersMax),
  spaces: z.array(spaceSchema).max(WATERMARK_LIMITS.layersMax),
});

export type ChannelSegment = z.infer<typeof segmentSchema>;
export type ChannelAxis = z.infer<typeof channelAxisSchema>;
export type Layer = z.infer<typeof layerSchema>;
export type LayerKind = Layer['kind'];
export type ChannelVector = z.infer<typeof vectorSchema>;
export type Space = z.infer<typeof spaceSchema>;
export type Topology = z.infer<typeof topologySchema>;

/** A layer of the suspect in the original's element order; missing weights are NaN. */
export interface AlignedLayer {
  /** Fills `into` with the elements from `first`. */
  read(first: number, into: Float64Array): void;
}
