/** Compares the tensors of a model with a baseline by name and logical content, wherever and however they are stored. */
import { toHex } from '../core/bytes.ts';
import { CompactRange } from '../core/merkle.ts';
import type { Progress } from '../core/ports.ts';
import type { Model, TensorRef } from '../model/types.ts';
import { type ChangeList, toChange } from './changes.ts';
import { hashLeaves, isSameHash, LEAF_BYTES, toLeafCount, toLeafHash } from './leaves.ts';
import { addLeafChanges } from './locate.ts';
import type { Baseline, BaselineTensor } from './manifest.ts';

export interface CompareTensorsOptions {
  readonly baseline: Baseline;
  readonly model: Model;
  /** Tensors of the original by name; empty without a reference. */
  readonly originals: ReadonlyMap<string, TensorRef>;
  readonly buffer: Uint8Array;
  readonly progress: Progress;
  readonly list: ChangeList;
  readonly byRoot: TensorsByRoot;
  /** Only these tensors of the baseline, by index; all where absent. */
  readonly only?: ReadonlySet<number>;
}

/** Tensors of a baseline by their content. */
export type TensorsByRoot = ReadonlyMap<string, readonly BaselineTensor[]>;

export function toTensorsByRoot(baseline: Baseline): TensorsByRoot {
  const byRoot = new Map<string, BaselineTensor[]>();
  for (const tensor of baseline.tensors) {
    const same = byRoot.get(tensor.root);
    if (same === undefined) byRoot.set(tensor.root, [tensor]);
    else same.push(tensor);
  }
  return byRoot;
}

/** Names in the baseline by their names in the model, for tensors that were renamed. */
export type Renames = ReadonlyMap<string, string>;

const isSameShape = (a: readonly number[], b: readonly number[]) =>
  a.length === b.length && a.every((dim, i) => dim === b[i]);

/** RFC 6962 root over the leaves of the logical bytes, hex. */
function toTensorRoot(tensor: TensorRef, buffer: Uint8Array): string {
  const range = new CompactRange();
  hashLeaves({
    lengthBytes: tensor.byteLength,
    buffer,
    read: (offset, into) => {
      tensor.read(offset, into);
    },
    onLeaf: (leaf) => {
      range.append(leaf.hash);
    },
  });
  return toHex(range.toRoot());
}

/** Adds what differs inside one tensor of unchanged type and shape. @returns the number of differing leaves */
function compareContent(options: CompareTensorsOptions, before: BaselineTensor, now: TensorRef): number {
  const original = options.originals.get(before.name);
  const leaves = toLeafCount(now.byteLength);
  const isStored = now.storage !== 'typed';
  const range = new CompactRange();
  let changed = 0;
  hashLeaves({
    lengthBytes: now.byteLength,
    buffer: options.buffer,
    read: (offset, into) => {
      now.read(offset, into);
    },
    onLeaf: (leaf) => {
      options.progress.advance(leaf.bytes.length);
      if (isSameHash(leaf.hash, toLeafHash(before.leaves, leaf.index))) return;
      if (changed === leaf.index) range.append(leaf.hash);
      changed += 1;
      options.list.countLeaf(before.name, leaves);
      addLeafChanges(options.list, {
        tensor: before,
        rangeStart: 0,
        expected: before.leaves,
        leaf: leaf.index,
        bytes: leaf.bytes,
        file: options.model.files[now.fileIndex].name,
        fileOffset: isStored ? now.start + leaf.index * LEAF_BYTES : null,
        readReference:
          original === undefined
            ? null
            : (offset, into) => {
                original.read(offset, into);
              },
        detail: null,
      });
    },
  });
  if (changed > 0 && changed === leaves) noteForeignContent(options.list, options.byRoot, before.name, range.toRoot());
  return changed;
}

function isMoved(before: BaselineTensor, now: TensorRef): boolean {
  return before.storage !== now.storage || before.fileIndex !== now.fileIndex || before.start !== now.start;
}

function compareTensor(options: CompareTensorsOptions, before: BaselineTensor, now: TensorRef): void {
  const { list } = options;
  const file = options.model.files[now.fileIndex].name;
  const place = { tensor: before.name, file, offset: now.start };
  if (before.dtype !== now.dtype) {
    list.add(
      toChange({ kind: 'dtype-changed', severity: 'high', ...place, detail: `${before.dtype} -> ${now.dtype}` }),
    );
    return;
  }
  if (!isSameShape(before.shape, now.shape)) {
    const isSameContent = toTensorRoot(now, options.buffer) === before.root;
    const shapes = `[${before.shape.join(', ')}] -> [${now.shape.join(', ')}]`;
    const detail = `${shapes}, content ${isSameContent ? 'unchanged' : 'changed'}`;
    list.add(toChange({ kind: 'shape-changed', severity: 'high', ...place, detail }));
    return;
  }
  const changed = compareContent(options, before, now);
  if (changed > 0) return;
  if (isMoved(before, now)) {
    const detail = `${before.storage} -> ${now.storage}`;
    list.add(
      toChange({ kind: 'moved', severity: 'info', ...place, detail: before.storage === now.storage ? null : detail }),
    );
  }
}

/** Says so when a tensor that differs in every leaf now holds what another one held: they were swapped or copied. */
export function noteForeignContent(list: ChangeList, byRoot: TensorsByRoot, name: string, root: Uint8Array): void {
  const owner = byRoot.get(toHex(root))?.find((tensor) => tensor.name !== name);
  if (owner === undefined) return;
  const detail = `holds what ${owner.name} held`;
  list.add(toChange({ kind: 'weights-changed', severity: 'high', tensor: name, subject: owner.name, detail }));
}

const toKindKey = (tensor: Pick<TensorRef, 'dtype' | 'shape'>) => `${tensor.dtype} ${tensor.shape.join()}`;

/** Pairs tensors that only changed their names: same type, shape and content; the rest was removed or added. */
function addUnmatched(
  options: CompareTensorsOptions,
  removed: readonly BaselineTensor[],
  added: readonly TensorRef[],
): Renames {
  const { list, model } = options;
  const renames = new Map<string, string>();
  const free = new Set(removed);
  const kinds = new Set(removed.map(toKindKey));
  for (const now of added) {
    const root = kinds.has(toKindKey(now)) ? toTensorRoot(now, options.buffer) : '';
    const before = options.byRoot.get(root)?.find((one) => free.has(one) && toKindKey(one) === toKindKey(now));
    const place = { file: model.files[now.fileIndex].name, offset: now.start };
    if (before === undefined) {
      list.add(toChange({ kind: 'tensor-added', severity: 'high', tensor: now.name, ...place }));
    } else {
      free.delete(before);
      renames.set(now.name, before.name);
      const change = { tensor: before.name, subject: now.name, ...place, detail: `now named ${now.name}` };
      list.add(toChange({ kind: 'tensor-renamed', severity: 'medium', ...change }));
    }
  }
  for (const { name } of free) list.add(toChange({ kind: 'tensor-removed', severity: 'high', tensor: name }));
  return renames;
}

/**
 * Adds every difference between the model's tensors and the baseline's; each compared tensor is hashed
 * once, one of another shape or name twice.
 * @returns the renames that were found
 * @throws TamperError TAMPER_REFERENCE_MISMATCH; FormatError | SourceError from the readers
 */
export function compareTensors(options: CompareTensorsOptions): Renames {
  const now = new Map(options.model.tensors.map((tensor) => [tensor.name, tensor]));
  const removed: BaselineTensor[] = [];
  options.baseline.tensors.forEach((before, index) => {
    if (options.only !== undefined && !options.only.has(index)) return;
    const tensor = now.get(before.name);
    if (tensor === undefined) removed.push(before);
    else compareTensor(options, before, tensor);
  });
  if (options.only !== undefined) return new Map();
  const known = new Set(options.baseline.tensors.map((tensor) => tensor.name));
  return addUnmatched(
    options,
    removed,
    options.model.tensors.filter((tensor) => !known.has(tensor.name)),
  );
}
