/** The baseline manifest: its types, its JSON form, and the checks that make a read one consistent (docs/spec/baseline.md). */
import { z } from 'zod';
import { findBase64Bytes, toBase64, toHex } from '../core/bytes.ts';
import { type Json, toCanonicalJsonBytes } from '../core/canonical-json.ts';
import { TamperError } from '../core/errors.ts';
import { TAMPER_LIMITS } from '../core/limits/tamper.ts';
import { toMerkleRoot } from '../core/merkle.ts';
import { type DType, findElementCount, findPackedByteLength, isDType } from '../model/dtype.ts';
import type { NodeRecord } from './graph-digest.ts';
import { LEAF_BYTES, LEAF_RECORD_BYTES, leafHashesOf, toLeafCount, toTableRoot } from './leaves.ts';
import { type Segment, toSegments } from './segments.ts';

/** DSSE payload type of a baseline. */
export const BASELINE_PAYLOAD_TYPE = 'application/vnd.modelward.baseline.v1+json';

export interface BaselineSegment extends Segment {
  /** Leaf table of the stored bytes. */
  readonly leaves: Uint8Array;
}

export interface BaselineFile {
  readonly name: string;
  readonly size: number;
  /** Plain SHA-256 of the whole file, hex. */
  readonly sha256: string;
  /** RFC 6962 root over all leaves of the file in order, hex. */
  readonly root: string;
  readonly segments: readonly BaselineSegment[];
}

export interface BaselineTensor {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly storage: 'raw' | 'external' | 'typed';
  readonly fileIndex: number;
  readonly start: number;
  readonly end: number;
  /** RFC 6962 root over 64 KiB leaves of the logical bytes, hex. */
  readonly root: string;
  /** Leaf table of the logical bytes. */
  readonly leaves: Uint8Array;
}

export interface BaselineGraph {
  /** Tensors identified by content. */
  readonly digest: string;
  /** Tensors identified by name. */
  readonly wiring: string;
  readonly opaque: number;
  readonly nodes: readonly NodeRecord[];
}

export interface Baseline {
  readonly format: string;
  readonly files: readonly BaselineFile[];
  /** RFC 6962 root over the file roots, hex; of one file it is that file's root. */
  readonly rawRoot: string;
  readonly tensors: readonly BaselineTensor[];
  readonly graph: BaselineGraph | null;
  /** Metadata keys and the digest of each value, hex. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Format-neutral digest of the tensors (docs/spec/original-digest.md), hex; null where the writer had none. */
  readonly originalDigest: string | null;
}

/** For each tensor, the one segment that stores exactly its logical bytes, or undefined. */
export function toOwnSegments<T extends Segment>(
  tensors: readonly Pick<BaselineTensor, 'storage' | 'fileIndex' | 'start' | 'end'>[],
  files: readonly { readonly segments: readonly T[] }[],
): (T | undefined)[] {
  const own = tensors.map((): T | undefined => undefined);
  for (const segment of files.flatMap((file) => file.segments)) {
    const tensor = segment.tensor === null ? undefined : tensors.at(segment.tensor);
    if (segment.tensor === null || tensor === undefined || tensor.storage === 'typed') continue;
    if (segment.start === tensor.start && segment.end === tensor.end) own[segment.tensor] = segment;
  }
  return own;
}

/** RFC 6962 root over the file roots (hex in and out). */
export function toRawRoot(fileRoots: readonly string[]): string {
  return toHex(toMerkleRoot(fileRoots.map((root) => new Uint8Array(Buffer.from(root, 'hex')))));
}

/** RFC 6962 root over the leaves of all segments of a file, in order, hex. */
export function toFileRoot(segments: readonly BaselineSegment[]): string {
  function* hashes() {
    for (const segment of segments) yield* leafHashesOf(segment.leaves);
  }
  return toHex(toMerkleRoot(hashes()));
}

/**
 * RFC 8785 bytes of a baseline.
 * @throws TamperError TAMPER_BASELINE_TOO_LARGE
 */
export function encodeBaseline(baseline: Baseline): Uint8Array {
  return assertManifestSize(toCanonicalJsonBytes(toBaselineJson(baseline)));
}

/** The manifest as JSON. */
export function toBaselineJson(baseline: Baseline): Json {
  const own = toOwnSegments(baseline.tensors, baseline.files);
  return {
    v: 1,
    kind: 'modelward-baseline',
    format: baseline.format,
    leafBytes: LEAF_BYTES,
    rawRoot: baseline.rawRoot,
    files: baseline.files.map((file) => ({
      name: file.name,
      size: file.size,
      sha256: file.sha256,
      root: file.root,
      segments: file.segments.map(({ tensor, start, end, leaves }) => ({
        tensor,
        start,
        end,
        leaves: toBase64(leaves),
      })),
    })),
    tensors: baseline.tensors.map((tensor, index) => ({
      name: tensor.name,
      dtype: tensor.dtype,
      shape: tensor.shape,
      storage: tensor.storage,
      file: tensor.fileIndex,
      start: tensor.start,
      end: tensor.end,
      root: tensor.root,
      // A tensor that is stored as it is shares the leaves of its segment: written once.
      leaves: own[index] === undefined ? toBase64(tensor.leaves) : null,
    })),
    graph:
      baseline.graph === null ? null : { ...baseline.graph, nodes: baseline.graph.nodes.map((node) => ({ ...node })) },
    metadata: [...baseline.metadata],
    ...(baseline.originalDigest === null ? {} : { originalDigest: baseline.originalDigest }),
  };
}

/** @throws TamperError TAMPER_BASELINE_TOO_LARGE */
export function assertManifestSize(bytes: Uint8Array): Uint8Array {
  if (bytes.length > TAMPER_LIMITS.manifestBytesMax) {
    throw new TamperError('TAMPER_BASELINE_TOO_LARGE', {
      fields: { sizeBytes: bytes.length, bytesMax: TAMPER_LIMITS.manifestBytesMax },
    });
  }
  return bytes;
}

const count = z.int().min(0);
const digest = z.string().regex(/^[0-9a-f]{64}$/);
const shortDigest = z.string().regex(/^[0-9a-f]{24}$/);
const name = z.string();
const leafTable = z.string().transform((text, context) => {
  const bytes = findBase64Bytes(text);
  if (bytes !== undefined && bytes.length % LEAF_RECORD_BYTES === 0) return bytes;
  context.addIssue({ code: 'custom', message: 'not a leaf table' });
  return z.NEVER;
});

const manifestSchema = z.strictObject({
  v: z.literal(1),
  kind: z.literal('modelward-baseline'),
  format: z.string().min(1).max(64),
  leafBytes: z.literal(LEAF_BYTES),
  rawRoot: digest,
  files: z
    .array(
      z.strictObject({
        name,
        size: count,
        sha256: digest,
        root: digest,
        segments: z.array(z.strictObject({ tensor: count.nullable(), start: count, end: count, leaves: leafTable })),
      }),
    )
    .min(1)
    .max(TAMPER_LIMITS.filesMax),
  tensors: z
    .array(
      z.strictObject({
        name,
        dtype: z.string().refine(isDType),
        shape: z.array(count).max(TAMPER_LIMITS.rankMax),
        storage: z.enum(['raw', 'external', 'typed']),
        file: count,
        start: count,
        end: count,
        root: digest,
        leaves: leafTable.nullable(),
      }),
    )
    .max(TAMPER_LIMITS.tensorsMax),
  graph: z
    .strictObject({
      digest,
      wiring: digest,
      opaque: count,
      nodes: z
        .array(
          z.strictObject({
            scope: z.string(),
            op: name,
            name,
            output: name,
            exact: shortDigest,
            deep: shortDigest,
            local: shortDigest,
          }),
        )
        .max(TAMPER_LIMITS.nodesMax),
    })
    .nullable(),
  // Pairs, not an object: a key may be "__proto__".
  metadata: z.array(z.tuple([z.string(), digest])).max(TAMPER_LIMITS.metadataEntriesMax),
  originalDigest: digest.optional(),
});

type ManifestJson = z.output<typeof manifestSchema>;

function refuse(at: string): never {
  throw new TamperError('TAMPER_BASELINE_MALFORMED', { fields: { at } });
}

/** Segments must be exactly those that the tensors' spans give: then they cover every byte of the file once. */
function assertFile(json: ManifestJson, fileIndex: number): void {
  const file = json.files[fileIndex];
  const spans = json.tensors.map(({ file: at, start, end }) => ({ fileIndex: at, start, end }));
  const expected = toSegments(spans, fileIndex, file.size);
  if (expected.length !== file.segments.length) refuse(`files.${fileIndex}.segments`);
  expected.forEach((segment, index) => {
    const actual = file.segments[index];
    const leafCount = toLeafCount(segment.end - segment.start);
    if (
      actual.tensor !== segment.tensor ||
      actual.start !== segment.start ||
      actual.end !== segment.end ||
      actual.leaves.length !== leafCount * LEAF_RECORD_BYTES
    ) {
      refuse(`files.${fileIndex}.segments.${index}`);
    }
  });
  if (toFileRoot(file.segments) !== file.root) refuse(`files.${fileIndex}.root`);
}

function toTensor(json: ManifestJson, index: number, own: BaselineSegment | undefined): BaselineTensor {
  const { file: fileIndex, ...tensor } = json.tensors[index];
  const at = `tensors.${index}`;
  const file = json.files.at(fileIndex);
  if (file === undefined || tensor.start > tensor.end || tensor.end > file.size) refuse(at);
  const { dtype } = tensor;
  const elementCount = findElementCount(tensor.shape);
  const byteLength = elementCount === undefined ? undefined : findPackedByteLength(dtype, elementCount);
  if (byteLength === undefined) refuse(`${at}.shape`);
  const leaves = own === undefined ? tensor.leaves : own.leaves;
  if (leaves === null || (own !== undefined && tensor.leaves !== null)) refuse(`${at}.leaves`);
  // Strings have no fixed size; their logical length is known to the reader of the model alone.
  if (dtype !== 'string' && leaves.length !== toLeafCount(byteLength) * LEAF_RECORD_BYTES) refuse(`${at}.leaves`);
  if (toHex(toTableRoot(leaves)) !== tensor.root) refuse(`${at}.root`);
  return { ...tensor, dtype, fileIndex, leaves };
}

/**
 * Reads a verified payload and checks it against itself: segments cover each file once, roots follow from leaves.
 * @throws TamperError TAMPER_BASELINE_MALFORMED; field `at` names the place
 */
export function decodeBaseline(payload: Uint8Array): Baseline {
  return checkBaseline(parseManifest(payload));
}

/** @throws TamperError TAMPER_BASELINE_MALFORMED */
export function parseManifest(payload: Uint8Array): unknown {
  if (payload.length > TAMPER_LIMITS.manifestBytesMax) refuse('size');
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
  } catch {
    return refuse('not JSON');
  }
}

/** The baseline that a JSON value is, checked against itself. @throws TamperError TAMPER_BASELINE_MALFORMED */
export function checkBaseline(value: unknown): Baseline {
  const parsed = manifestSchema.safeParse(value);
  if (!parsed.success) refuse(parsed.error.issues[0].path.map(String).join('.'));
  const json = parsed.data;
  if (new Set(json.tensors.map((tensor) => tensor.name)).size !== json.tensors.length) refuse('tensors: names');
  json.files.forEach((_, index) => {
    assertFile(json, index);
  });
  const spans = json.tensors.map((tensor) => ({ ...tensor, fileIndex: tensor.file }));
  const own = toOwnSegments(spans, json.files);
  const tensors = json.tensors.map((_, index) => toTensor(json, index, own[index]));
  if (toRawRoot(json.files.map((file) => file.root)) !== json.rawRoot) refuse('rawRoot');
  return {
    format: json.format,
    files: json.files,
    rawRoot: json.rawRoot,
    tensors,
    graph: json.graph,
    metadata: new Map(json.metadata),
    originalDigest: json.originalDigest ?? null,
  };
}
