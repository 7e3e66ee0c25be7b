/** The claim file: everything that the detector needs, with the seed sealed under the owner key (docs/spec/claim.md). */
import { z } from 'zod';
import { findTopologyFault, type Layer, type Topology, topologySchema } from '../align/index.ts';
import { toHex, utf8, zeroize } from '../core/bytes.ts';
import { type Json, toCanonicalJson, toCanonicalJsonBytes } from '../core/canonical-json.ts';
import { WatermarkError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { WATERMARK_LIMITS } from '../core/limits/watermark.ts';
import { type Commitment, createCommitment, toCommitmentDigest, verifyCommitment } from './commitment.ts';
import type { SeedBox } from './ports.ts';
import { deriveSeeds, SEED_PURPOSES, type SeedPurpose } from './seeds.ts';
import { type EmbeddedMark, SCHEME } from './spread/embed.ts';
import { MARK_BITS } from './spread/layout.ts';

const hex32 = z.string().regex(/^[0-9a-f]{64}$/);
const json: z.ZodType<Json> = z.json();

const markParamsSchema = z.strictObject({
  scheme: z.literal(SCHEME),
  bits: z.union(MARK_BITS.map((bits) => z.literal(bits))),
  tau: z.number().positive().max(1),
  /** Positions that carry the mark. */
  weights: z.number().int().positive(),
  tileWeights: z.literal(WATERMARK_LIMITS.tileWeights),
  sampleWeightsMax: z.literal(WATERMARK_LIMITS.sampleWeightsMax),
  /** SHA-256 of the canonical JSON of {layers, topology}: which layers are read is committed, too. */
  topologyDigest: hex32,
});

const preimageSchema = z.strictObject({
  v: z.literal(1),
  ownerKey: z.string().min(1).max(10_000),
  ownerId: z.string().min(1).max(1000),
  originalDigest: hex32,
  markedDigest: hex32,
  params: markParamsSchema,
  seeds: z.strictObject({ own: hex32, recipient: hex32, probe: hex32, trigger: hex32, api: hex32 }),
});

const claimSchema = z.strictObject({
  v: z.literal(1),
  kind: z.literal('modelward-claim'),
  commitment: z.strictObject({ preimage: preimageSchema, digest: hex32 }),
  topology: topologySchema,
  /** Names of the marked layers, in position order. */
  layers: z.array(z.string().max(4096)).min(1).max(WATERMARK_LIMITS.layersMax),
  /** What the SeedBox made of S; its additional data is the commitment digest. */
  sealedSeed: json,
  /** Where the commitment was recorded (ledger checkpoint, time stamp); read by workflows, not by the detector. */
  attestations: z.record(z.string().max(100), json).optional(),
});

export type MarkParams = z.infer<typeof markParamsSchema>;
export type Claim = z.infer<typeof claimSchema>;

export interface CreateClaimOptions {
  /** S, 32 bytes; zeroed by the caller. */
  readonly seed: Uint8Array;
  readonly seedBox: SeedBox;
  readonly ownerKey: string;
  readonly ownerId: string;
  readonly originalDigest: Uint8Array;
  readonly markedDigest: Uint8Array;
  readonly mark: EmbeddedMark;
}

/** Parameters of a mark as they are committed. */
export function toMarkParams({ record, topology }: EmbeddedMark): MarkParams {
  return {
    scheme: record.scheme,
    bits: record.bits,
    tau: record.tau,
    weights: record.weights,
    tileWeights: WATERMARK_LIMITS.tileWeights,
    sampleWeightsMax: WATERMARK_LIMITS.sampleWeightsMax,
    topologyDigest: toTopologyDigest(
      topology,
      record.perLayer.map((layer) => layer.name),
    ),
  };
}

function toTopologyDigest(topology: Topology, layers: readonly string[]): string {
  return toHex(sha256(toCanonicalJsonBytes({ layers, topology: topology as unknown as Json })));
}

/** Commits to a mark and seals its seed. */
export function createClaim(options: CreateClaimOptions): Claim {
  const { seed, seedBox, mark, ...named } = options;
  const seeds = deriveSeeds(seed);
  try {
    const params = toMarkParams(mark);
    const commitment = createCommitment({ ...named, params, seeds });
    return {
      v: 1,
      kind: 'modelward-claim',
      commitment: commitment as Claim['commitment'],
      topology: mark.topology,
      layers: mark.record.perLayer.map((layer) => layer.name),
      sealedSeed: seedBox.sealSeed(seed, toSeedAad(commitment)),
    };
  } finally {
    zeroize(...Object.values(seeds));
  }
}

/** Additional data of the sealed seed: it opens only beside the commitment that it was made for. */
export function toSeedAad({ digest }: Pick<Commitment, 'digest'>): Uint8Array {
  return utf8(`modelward/claim/v1\0${digest}`);
}

/** Canonical JSON of a claim, as UTF-8 bytes. */
export function encodeClaim(claim: Claim): Uint8Array {
  return utf8(`${toCanonicalJson(claim)}\n`);
}

/**
 * Parses a claim file strictly and checks its inner hashes.
 * @throws WatermarkError WATERMARK_CLAIM_MALFORMED
 */
export function parseClaim(bytes: Uint8Array): Claim {
  if (bytes.length > WATERMARK_LIMITS.claimBytesMax) throw malformed('the claim file is too large', bytes.length);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new WatermarkError('WATERMARK_CLAIM_MALFORMED', { message: 'the claim file is not UTF-8 JSON', cause });
  }
  const result = claimSchema.safeParse(value);
  if (!result.success) {
    const brought = findBroughtKey(result.error.issues);
    if (brought !== undefined) throw new WatermarkError('WATERMARK_KEY_FITTED', { fields: { member: brought } });
    const paths = result.error.issues.slice(0, 20).map((issue) => `${issue.path.join('.') || '.'}: ${issue.code}`);
    throw new WatermarkError('WATERMARK_CLAIM_MALFORMED', { fields: { issues: paths } });
  }
  const claim = result.data;
  if (toCommitmentDigest(claim.commitment.preimage) !== claim.commitment.digest) {
    throw malformed('the commitment is not the hash of its parts', bytes.length);
  }
  if (toTopologyDigest(claim.topology, claim.layers) !== claim.commitment.preimage.params.topologyDigest) {
    throw malformed('the layers are not those that were committed', bytes.length);
  }
  const fault = findTopologyFault(claim.topology);
  if (fault !== undefined) throw malformed(`the topology has ${fault}`, bytes.length);
  listMarkedLayers(claim);
  return claim;
}

/** What a key that was fitted to weights afterwards would have to bring along; ours all follow from the committed seed. */
const FITTED_MEMBERS: ReadonlySet<string> = new Set([
  ...['chips', 'columns', 'key', 'keys', 'matrix', 'message', 'payload', 'positions', 'projection'],
]);

function findBroughtKey(issues: readonly z.core.$ZodIssue[]): string | undefined {
  const unknown = issues.flatMap((issue) => (issue.code === 'unrecognized_keys' ? issue.keys : []));
  return unknown.find((name) => FITTED_MEMBERS.has(name.toLowerCase()));
}

function malformed(message: string, sizeBytes: number): WatermarkError {
  return new WatermarkError('WATERMARK_CLAIM_MALFORMED', { message, fields: { sizeBytes } });
}

/**
 * The marked layers in position order.
 * @throws WatermarkError WATERMARK_CLAIM_MALFORMED when a name is not in the topology, or twice
 */
export function listMarkedLayers(claim: Pick<Claim, 'layers' | 'topology'>): Layer[] {
  const byName = new Map(claim.topology.layers.map((layer) => [layer.name, layer]));
  if (new Set(claim.layers).size !== claim.layers.length) throw malformed('a layer is named twice', 0);
  return claim.layers.map((name) => {
    const layer = byName.get(name);
    if (layer === undefined) throw malformed('a marked layer is not in the topology', 0);
    return layer;
  });
}

/**
 * Opens the sealed seed and returns one sub-seed, 32 bytes, which the caller zeroes; S itself and the others are zeroed.
 * @throws the SeedBox's error, or WatermarkError WATERMARK_SEED_MISMATCH when the seed is not the committed one
 */
export function openSubSeed(claim: Claim, seedBox: SeedBox, purpose: SeedPurpose): Uint8Array {
  const seed = seedBox.openSeed(claim.sealedSeed, toSeedAad(claim.commitment));
  try {
    const seeds = deriveSeeds(seed);
    const subSeed = seeds[purpose];
    zeroize(...SEED_PURPOSES.filter((other) => other !== purpose).map((other) => seeds[other]));
    verifyCommitment(claim.commitment, { purpose, subSeed });
    return subSeed;
  } finally {
    zeroize(seed);
  }
}

/** S_own of a claim. @see openSubSeed */
export function openOwnSeed(claim: Claim, seedBox: SeedBox): Uint8Array {
  return openSubSeed(claim, seedBox, 'own');
}
