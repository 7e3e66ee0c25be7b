/** Compares files with a baseline byte range by byte range, by the baseline's own layout; needs no parser. */
import { TamperError } from '../core/errors.ts';
import { CompactRange } from '../core/merkle.ts';
import type { Progress } from '../core/ports.ts';
import type { ModelFile } from '../model/types.ts';
import { type ChangeList, toChange } from './changes.ts';
import { noteForeignContent, type TensorsByRoot } from './compare-tensors.ts';
import { hashLeaves, isSameHash, LEAF_BYTES, toLeafCount, toLeafHash } from './leaves.ts';
import { addLeafChanges } from './locate.ts';
import type { Baseline, BaselineFile, BaselineSegment } from './manifest.ts';

export interface CompareBytesOptions {
  readonly baseline: Baseline;
  readonly files: readonly ModelFile[];
  /** Files of the original, in the same order, or null. */
  readonly reference: readonly ModelFile[] | null;
  readonly buffer: Uint8Array;
  readonly progress: Progress;
  readonly byRoot: TensorsByRoot;
  /** Receives what differs inside tensors that are stored as they are. */
  readonly tensors: ChangeList;
  /** Receives what differs between tensors. */
  readonly gaps: ChangeList;
}

/** Tensors whose stored bytes are not their logical bytes, and which differ: their elements are found by decoding. */
export interface ByteComparison {
  readonly typed: ReadonlySet<number>;
}

/** Names of other tensors that share the bytes of a segment. */
function toSharers(baseline: Baseline, fileIndex: number, segment: BaselineSegment): string | null {
  const names = baseline.tensors
    .filter((tensor, index) => {
      const overlaps = tensor.start < segment.end && tensor.end > segment.start;
      return index !== segment.tensor && tensor.fileIndex === fileIndex && overlaps;
    })
    .map((tensor) => tensor.name);
  return names.length === 0 ? null : `also part of ${names.slice(0, 4).join(', ')}${names.length > 4 ? ', …' : ''}`;
}

/** Compares the part of a segment that the file at hand still has. */
function compareSegment(
  options: CompareBytesOptions,
  fileIndex: number,
  segment: BaselineSegment,
  typed: Set<number>,
): void {
  const { baseline, files, reference } = options;
  const { name, source } = files[fileIndex];
  const tensor = segment.tensor === null ? null : baseline.tensors[segment.tensor];
  const isTyped = tensor?.storage === 'typed';
  const presentBytes = Math.max(0, Math.min(segment.end, source.size) - segment.start);
  const isCut = presentBytes < segment.end - segment.start;
  const lastWhole = isCut ? Math.floor(presentBytes / LEAF_BYTES) : toLeafCount(presentBytes);
  const original = reference?.[fileIndex].source;
  const leaves = toLeafCount(segment.end - segment.start);
  const range = new CompactRange();
  let sharers: string | null | undefined;
  let changed = 0;
  hashLeaves({
    lengthBytes: presentBytes,
    buffer: options.buffer,
    read: (offset, into) => {
      source.read(segment.start + offset, into);
    },
    onLeaf: (leaf) => {
      options.progress.advance(leaf.bytes.length);
      if (leaf.index >= lastWhole || isSameHash(leaf.hash, toLeafHash(segment.leaves, leaf.index))) return;
      if (isTyped) {
        typed.add(segment.tensor!);
        return;
      }
      const list = tensor === null ? options.gaps : options.tensors;
      list.countLeaf(tensor?.name ?? null, leaves);
      if (changed === leaf.index) range.append(leaf.hash);
      changed += 1;
      if (sharers === undefined) sharers = tensor === null ? null : toSharers(baseline, fileIndex, segment);
      addLeafChanges(list, {
        tensor,
        rangeStart: tensor === null ? 0 : segment.start - tensor.start,
        expected: segment.leaves,
        leaf: leaf.index,
        bytes: leaf.bytes,
        file: name,
        fileOffset: segment.start + leaf.index * LEAF_BYTES,
        readReference:
          original === undefined
            ? null
            : (offset, into) => {
                original.read(segment.start + offset, into);
              },
        detail: sharers,
      });
    },
  });
  const isWhole = tensor !== null && segment.start === tensor.start && segment.end === tensor.end;
  if (isWhole && changed > 0 && changed === leaves) {
    noteForeignContent(options.tensors, options.byRoot, tensor.name, range.toRoot());
  }
}

/** What lies after the end of the baseline's file, or is missing before it. */
function addSizeChanges(options: CompareBytesOptions, fileIndex: number, file: BaselineFile): void {
  const { name, source } = options.files[fileIndex];
  if (source.size > file.size) {
    const detail = `${source.size - file.size} bytes more`;
    options.gaps.add(toChange({ kind: 'appended', severity: 'medium', file: name, offset: file.size, detail }));
  }
  if (source.size >= file.size) return;
  for (const segment of file.segments.filter((one) => one.end > source.size)) {
    const tensor = segment.tensor === null ? null : options.baseline.tensors[segment.tensor];
    const from = Math.max(segment.start, source.size);
    const change = toChange({
      kind: 'truncated',
      severity: 'high',
      tensor: tensor?.name ?? null,
      file: name,
      offset: from,
      detail: `${segment.end - from} bytes missing`,
    });
    (tensor === null ? options.gaps : options.tensors).add(change);
  }
}

/**
 * Compares every byte range of the baseline that the files have; each byte is hashed once.
 * @throws TamperError TAMPER_REFERENCE_MISMATCH
 */
export function compareBytes(options: CompareBytesOptions): ByteComparison {
  const typed = new Set<number>();
  options.baseline.files.forEach((file, fileIndex) => {
    if (fileIndex >= options.files.length) return;
    for (const segment of file.segments) compareSegment(options, fileIndex, segment, typed);
    addSizeChanges(options, fileIndex, file);
  });
  return { typed };
}

/** @throws TamperError TAMPER_REFERENCE_MISMATCH when the sizes of the reference are not those of the baseline */
export function assertReferenceSizes(baseline: Baseline, reference: readonly ModelFile[]): void {
  const sizes = baseline.files.map((file) => file.size);
  const actual = reference.map((file) => file.source.size);
  if (sizes.length === actual.length && sizes.every((size, index) => size === actual[index])) return;
  throw new TamperError('TAMPER_REFERENCE_MISMATCH', { fields: { expected: sizes, actual } });
}
