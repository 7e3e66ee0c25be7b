/** Makes the signed baseline of a model: leaves of every stored byte, tensors, graph and metadata (docs/spec/baseline.md). */
import { createHash, type Hash } from 'node:crypto';
import { toHex } from '../core/bytes.ts';
import { type Progress, silentProgress } from '../core/ports.ts';
import type { Model } from '../model/types.ts';
import type { MessageSigner } from '../sign/index.ts';
import { toGraphDigest, toMetadataDigest } from './graph-digest.ts';
import { createLeafBuffer, toLeafTable, toTableRoot } from './leaves.ts';
import {
  type Baseline,
  type BaselineFile,
  type BaselineGraph,
  type BaselineTensor,
  toFileRoot,
  toOwnSegments,
  toRawRoot,
} from './manifest.ts';
import { toSegments } from './segments.ts';
import { signBaseline } from './statement.ts';

export interface BaselineOptions {
  readonly model: Model;
  /**
   * Plain SHA-256 (hex) of each file, in the order of `model.files`, from a caller who has them already; files without
   * one are hashed a second time in the same pass.
   */
  readonly fileSha256?: readonly (string | undefined)[];
  /** Receives the logical bytes of every tensor (its place in `model.tensors`) once, in order; valid during the call. */
  readonly onTensorBytes?: (tensor: number, bytes: Uint8Array) => void;
  /** Format-neutral digest of the model, hex; asked for when all bytes have passed. */
  readonly originalDigest?: () => string;
  readonly progress?: Progress;
}

/** Leaves of one file by the spans of the model's tensors; reads each byte once. */
function toBaselineFile(options: BaselineOptions, fileIndex: number, buffer: Uint8Array): BaselineFile {
  const { name, source } = options.model.files[fileIndex];
  const known = options.fileSha256?.[fileIndex];
  if (known !== undefined && !/^[0-9a-f]{64}$/.test(known)) throw new TypeError('fileSha256 must be lower-case hex');
  const plain: Hash | undefined = known === undefined ? createHash('sha256') : undefined;
  const spans = toSegments(options.model.tensors, fileIndex, source.size);
  const own = toOwnSegments(options.model.tensors, [{ segments: spans }]);
  const segments = spans.map((segment) => {
    const { tensor } = segment;
    const leaves = toLeafTable({
      lengthBytes: segment.end - segment.start,
      read: (offset, into) => {
        source.read(segment.start + offset, into);
      },
      buffer,
      onBytes: (bytes) => {
        plain?.update(bytes);
        if (tensor !== null && own[tensor] === segment) options.onTensorBytes?.(tensor, bytes);
        options.progress?.advance(bytes.length);
      },
    });
    return { ...segment, leaves };
  });
  return { name, size: source.size, sha256: known ?? plain!.digest('hex'), root: toFileRoot(segments), segments };
}

function toBaselineTensors(
  { model, onTensorBytes }: BaselineOptions,
  files: readonly BaselineFile[],
  buffer: Uint8Array,
): BaselineTensor[] {
  const own = toOwnSegments(model.tensors, files);
  return model.tensors.map((tensor, index) => {
    const { name, dtype, shape, storage, fileIndex, start, end } = tensor;
    const leaves =
      own[index]?.leaves ??
      toLeafTable({
        lengthBytes: tensor.byteLength,
        read: (offset, into) => {
          tensor.read(offset, into);
        },
        buffer,
        onBytes: (bytes) => {
          onTensorBytes?.(index, bytes);
        },
      });
    return { name, dtype, shape, storage, fileIndex, start, end, leaves, root: toHex(toTableRoot(leaves)) };
  });
}

function toBaselineGraph(model: Model, tensors: readonly BaselineTensor[]): BaselineGraph | null {
  const rootOf = new Map(tensors.map((tensor) => [tensor.name, tensor.root]));
  const byContent = toGraphDigest(model, (tensor) => rootOf.get(tensor.name) ?? `unlisted:${tensor.name}`);
  const byName = toGraphDigest(model, (tensor) => tensor.name);
  if (byContent === null || byName === null) return null;
  return { digest: byContent.digest, wiring: byName.digest, opaque: byName.opaque, nodes: byName.nodes };
}

/**
 * Describes a model as it is now. Memory: 1 MiB, and 36 bytes per 64 KiB of weights.
 * @throws FormatError | SourceError from the model's readers
 */
export function toBaseline(options: BaselineOptions): Baseline {
  const { model, progress = silentProgress } = options;
  const buffer = createLeafBuffer();
  progress.step(
    'baseline',
    model.files.reduce((sum, file) => sum + file.source.size, 0),
    'bytes',
  );
  const files = model.files.map((_, index) => toBaselineFile(options, index, buffer));
  const tensors = toBaselineTensors(options, files, buffer);
  progress.done();
  return {
    format: model.format,
    files,
    rawRoot: toRawRoot(files.map((file) => file.root)),
    tensors,
    graph: toBaselineGraph(model, tensors),
    metadata: new Map([...model.metadata].map(([key, value]) => [key, toMetadataDigest(key, value)])),
    originalDigest: options.originalDigest?.() ?? null,
  };
}

/**
 * Makes and signs the baseline of a model.
 * @returns the manifest, and the bytes of the bundle to keep
 * @throws TamperError TAMPER_BASELINE_TOO_LARGE; FormatError | SourceError from the model's readers
 */
export async function createBaseline(
  options: BaselineOptions & { readonly signer: MessageSigner },
): Promise<{ readonly baseline: Baseline; readonly envelope: Uint8Array }> {
  const baseline = toBaseline(options);
  return { baseline, envelope: await signBaseline(baseline, options.signer) };
}
