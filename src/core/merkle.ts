/** Merkle trees over SHA-256: hashes, roots, inclusion and consistency proofs (RFC 6962 §2.1, RFC 9162 §2.1). */
import { isEqualConstantTime } from './bytes.ts';
import { sha256, sha256OfShort } from './hash.ts';

/** Hash of the perfect subtree over leaves [index·2^level, (index+1)·2^level), 32 bytes. */
export type NodeReader = (level: number, index: number) => Uint8Array;

const LEAF_PREFIX = new Uint8Array([0]);
const NODE_PREFIX = new Uint8Array([1]);

/** Root of the tree without leaves: SHA-256 of nothing. */
export function toEmptyRoot(): Uint8Array {
  return sha256();
}

/** 0x00 ‖ data of one {@link hashLeaf}, where it has room: leaves of logs are short. */
const leafInput = new Uint8Array(1025);

/** SHA-256(0x00 ‖ data). */
export function hashLeaf(data: Uint8Array): Uint8Array {
  if (data.length >= leafInput.length) return sha256(LEAF_PREFIX, data);
  leafInput.set(data, 1);
  return sha256OfShort(leafInput.subarray(0, 1 + data.length));
}

/** 0x01 ‖ left ‖ right of one {@link hashNode}: one buffer and one call, since trees have as many nodes as leaves. */
const nodeInput = new Uint8Array(65).fill(1, 0, 1);

/** SHA-256(0x01 ‖ left ‖ right). */
export function hashNode(left: Uint8Array, right: Uint8Array): Uint8Array {
  if (left.length !== 32 || right.length !== 32) return sha256(NODE_PREFIX, left, right);
  nodeInput.set(left, 1);
  nodeInput.set(right, 33);
  return sha256OfShort(nodeInput);
}

/**
 * The right edge of a growing tree: appends leaf hashes in O(log n) memory and knows the root at any time.
 * @see RFC 9162 §2.1.2
 */
export class CompactRange {
  #size = 0;
  readonly #edge: Uint8Array[] = [];

  /** Number of leaves, below 2^53. */
  get size(): number {
    return this.#size;
  }

  append(leafHash: Uint8Array): void {
    let hash = leafHash;
    for (let n = this.#size; n % 2 === 1; n = (n - 1) / 2) hash = hashNode(this.#edge.pop()!, hash);
    this.#edge.push(hash);
    this.#size += 1;
  }

  toRoot(): Uint8Array {
    return this.#edge.length === 0 ? toEmptyRoot() : this.#edge.reduceRight((right, left) => hashNode(left, right));
  }
}

/** Root over leaf hashes that arrive one by one; memory does not grow with their number. */
export function toMerkleRoot(leafHashes: Iterable<Uint8Array>): Uint8Array {
  const range = new CompactRange();
  for (const hash of leafHashes) range.append(hash);
  return range.toRoot();
}

/** Reader over leaf hashes in memory, 64 bytes a leaf. */
export function toNodeReader(leafHashes: readonly Uint8Array[]): NodeReader {
  const levels: Uint8Array[][] = [[...leafHashes]];
  for (let below = levels[0]; below.length >= 2; below = levels.at(-1)!) {
    levels.push(
      Array.from({ length: Math.floor(below.length / 2) }, (_, i) => hashNode(below[2 * i], below[2 * i + 1])),
    );
  }
  return (level, index) => {
    const hash = levels.at(level)?.at(index);
    if (hash === undefined) throw new TypeError(`no node ${level}/${index} in a tree of ${leafHashes.length} leaves`);
    return hash;
  };
}

/** Root of the first `size` leaves. */
export function toRootAt(size: number, node: NodeReader): Uint8Array {
  return size === 0 ? toEmptyRoot() : hashRange(0, size, node);
}

/**
 * Inclusion proof of leaf `index` in the tree of the first `size` leaves, from the leaf's sibling up.
 * @see RFC 6962 §2.1.1
 */
export function toInclusionProof(options: { index: number; size: number; node: NodeReader }): Uint8Array[] {
  const { index, size, node } = options;
  if (!(Number.isSafeInteger(size) && Number.isSafeInteger(index) && index >= 0 && index < size)) {
    throw new TypeError(`leaf ${index} is not in a tree of ${size} leaves`);
  }
  const path: Uint8Array[] = [];
  let start = 0;
  let end = size;
  while (end - start > 1) {
    const middle = start + toPowerBelow(end - start);
    const isLeft = index < middle;
    path.push(isLeft ? hashRange(middle, end, node) : hashRange(start, middle, node));
    if (isLeft) end = middle;
    else start = middle;
  }
  return path.reverse();
}

/**
 * Proof that the tree of the first `second` leaves extends the tree of the first `first`; empty when first is 0 or
 * equal to second.
 * @see RFC 6962 §2.1.2
 */
export function toConsistencyProof(options: { first: number; second: number; node: NodeReader }): Uint8Array[] {
  const { first, second, node } = options;
  if (!(Number.isSafeInteger(first) && Number.isSafeInteger(second) && first >= 0 && first <= second)) {
    throw new TypeError(`a tree of ${second} leaves does not extend one of ${first}`);
  }
  if (first === 0) return [];
  const path: Uint8Array[] = [];
  let start = 0;
  let end = second;
  while (first < end) {
    const middle = start + toPowerBelow(end - start);
    const isLeft = first <= middle;
    path.push(isLeft ? hashRange(middle, end, node) : hashRange(start, middle, node));
    if (isLeft) end = middle;
    else start = middle;
  }
  if (start > 0) path.push(hashRange(start, end, node));
  return path.reverse();
}

export interface InclusionEvidence {
  readonly leafHash: Uint8Array;
  readonly index: number;
  readonly size: number;
  readonly proof: readonly Uint8Array[];
  readonly root: Uint8Array;
}

/**
 * True when `proof` shows that `leafHash` is leaf `index` of the tree of `size` leaves with `root`.
 * @see RFC 9162 §2.1.3.2
 */
export function isInclusionProven(evidence: InclusionEvidence): boolean {
  const { index, size, proof, root } = evidence;
  if (!(Number.isSafeInteger(size) && Number.isSafeInteger(index) && index >= 0 && index < size)) return false;
  const at = { fn: index, sn: size - 1 };
  let hash = evidence.leafHash;
  for (const sibling of proof) {
    if (at.sn === 0) return false;
    if (at.fn % 2 === 1 || at.fn === at.sn) {
      hash = hashNode(sibling, hash);
      climbWhileEven(at);
    } else {
      hash = hashNode(hash, sibling);
    }
    climb(at);
  }
  return at.sn === 0 && isEqualConstantTime(hash, root);
}

export interface ConsistencyEvidence {
  readonly first: number;
  readonly firstRoot: Uint8Array;
  readonly second: number;
  readonly secondRoot: Uint8Array;
  readonly proof: readonly Uint8Array[];
}

/**
 * True when `proof` shows that the tree of `second` leaves begins with the tree of `first` leaves.
 * @see RFC 9162 §2.1.4.2
 */
export function isConsistencyProven(evidence: ConsistencyEvidence): boolean {
  const { first, second, firstRoot, secondRoot, proof } = evidence;
  if (!(Number.isSafeInteger(first) && Number.isSafeInteger(second) && first >= 0 && first <= second)) return false;
  if (first === second) return proof.length === 0 && isEqualConstantTime(firstRoot, secondRoot);
  if (first === 0) return proof.length === 0 && isEqualConstantTime(firstRoot, toEmptyRoot());
  const path = isPowerOfTwo(first) ? [firstRoot, ...proof] : proof;
  if (path.length === 0) return false;
  const at = { fn: first - 1, sn: second - 1 };
  while (at.fn % 2 === 1) climb(at);
  let firstHash = path[0];
  let secondHash = path[0];
  for (const sibling of path.slice(1)) {
    if (at.sn === 0) return false;
    if (at.fn % 2 === 1 || at.fn === at.sn) {
      firstHash = hashNode(sibling, firstHash);
      secondHash = hashNode(sibling, secondHash);
      climbWhileEven(at);
    } else {
      secondHash = hashNode(secondHash, sibling);
    }
    climb(at);
  }
  return at.sn === 0 && isEqualConstantTime(firstHash, firstRoot) && isEqualConstantTime(secondHash, secondRoot);
}

interface Position {
  fn: number;
  sn: number;
}

// Sizes reach 2^53, so shifts are divisions: the bit operators of JavaScript stop at 32 bits.
function climb(at: Position): void {
  at.fn = Math.floor(at.fn / 2);
  at.sn = Math.floor(at.sn / 2);
}

function climbWhileEven(at: Position): void {
  while (at.fn % 2 === 0 && at.fn !== 0) climb(at);
}

function isPowerOfTwo(n: number): boolean {
  return n === 1 || toPowerBelow(n) * 2 === n;
}

/** The largest power of two below n (n >= 2). */
function toPowerBelow(n: number): number {
  let power = 1;
  while (power * 2 < n) power *= 2;
  return power;
}

/** Root of leaves [start, end), where start is a multiple of the smallest power of two >= end - start. */
function hashRange(start: number, end: number, node: NodeReader): Uint8Array {
  const length = end - start;
  if (!isPowerOfTwo(length)) {
    const middle = start + toPowerBelow(length);
    return hashNode(hashRange(start, middle, node), hashRange(middle, end, node));
  }
  let level = 0;
  for (let width = 1; width < length; width *= 2) level += 1;
  return node(level, start / length);
}
