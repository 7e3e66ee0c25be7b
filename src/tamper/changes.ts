/** What a verification can find: the closed table of change kinds, one change, and the list that gathers them. */
import { DTYPES, type DType } from '../model/dtype.ts';

export type Severity = 'info' | 'low' | 'medium' | 'high';

/** Kinds of change. The text says what the kind states, and no more. */
export const CHANGE_KINDS = {
  'bit-flip': 'exactly one bit of this leaf differs; it was found and flipped back to prove it',
  'weights-changed': 'stored weights of this leaf or element differ',
  moved: 'the same tensor with the same content lies elsewhere or is stored in another form',
  'tensor-added': 'a tensor that the baseline does not have',
  'tensor-removed': 'a tensor of the baseline is gone',
  'tensor-renamed': 'a tensor of the same type, shape and content has another name',
  'dtype-changed': 'a tensor has another element type',
  'shape-changed': 'a tensor has another shape',
  'graph-changed': 'a node, an input, an output, an opset or a function differs',
  'metadata-changed': 'a metadata entry was added, removed or changed',
  'container-changed': 'bytes between the tensors differ',
  truncated: 'bytes of the baseline are missing at the end of a file',
  appended: 'bytes follow where the baseline ends',
  'files-changed': 'the model has another number of files',
  'format-changed': 'the model is stored in another file format',
  unreadable: 'the file no longer reads as a model',
} as const;

export type ChangeKind = keyof typeof CHANGE_KINDS;

/** One finding. What is not proven is null. */
export interface Change {
  readonly kind: ChangeKind;
  readonly severity: Severity;
  /** Name in the baseline; for an added tensor, its name in the file at hand. Null outside of tensors. */
  readonly tensor: string | null;
  /** First and last index along the first dimension that the change can touch, both included. */
  readonly rows: readonly [number, number] | null;
  /** Number of the 64 KiB leaf in the tensor (or in the gap), from 0. */
  readonly leaf: number | null;
  /** Row-major index of the one element that changed. */
  readonly element: number | null;
  /** The one bit of the element that changed, 0 = least significant; outside of elements, of the byte at `offset`. */
  readonly bit: number | null;
  /** All changed bits of the element, where a reference or a proof shows them. */
  readonly bits: readonly number[] | null;
  readonly file: string | null;
  /** Byte offset in `file` of the changed byte where it is proven, else of the leaf. */
  readonly offset: number | null;
  /** Node, metadata key, former name and the like. */
  readonly subject: string | null;
  readonly detail: string | null;
}

/** A change with everything unproven left null. */
export function toChange(known: Partial<Change> & Pick<Change, 'kind' | 'severity'>): Change {
  return {
    tensor: null,
    rows: null,
    leaf: null,
    element: null,
    bit: null,
    bits: null,
    file: null,
    offset: null,
    subject: null,
    detail: null,
    ...known,
  };
}

const MANTISSA_BITS: Readonly<Partial<Record<DType, number>>> = {
  f64: 52,
  f32: 23,
  f16: 10,
  bf16: 7,
  f8e4m3fn: 3,
  f8e4m3fnuz: 3,
  f8e5m2: 2,
  f8e5m2fnuz: 2,
  f8e8m0: 0,
  f6e2m3: 3,
  f6e3m2: 2,
  f4e2m1: 1,
};

/** How much one bit of an element can move its value: sign and exponent, or the upper half of an integer, are high. */
export function toBitSeverity(dtype: DType, bit: number): Severity {
  const heavyFrom = MANTISSA_BITS[dtype] ?? DTYPES[dtype].bits / 2;
  return bit >= heavyFrom ? 'high' : 'medium';
}

const SEVERITIES: readonly Severity[] = ['info', 'low', 'medium', 'high'];

function toWorst(changes: Iterable<Severity>): Severity | null {
  let worst = -1;
  for (const severity of changes) worst = Math.max(worst, SEVERITIES.indexOf(severity));
  return worst < 0 ? null : SEVERITIES[worst];
}

/** How many leaves of a tensor differ. */
export interface TensorTally {
  readonly tensor: string;
  readonly leaves: number;
  readonly leavesChanged: number;
}

/** Findings about a tensor that leave its type, shape and content as they were. */
const KEEPS_TENSOR: ReadonlySet<ChangeKind> = new Set<ChangeKind>(['moved', 'tensor-renamed']);

/** Gathers changes up to a cap; counts go on beyond it. */
export class ChangeList {
  readonly #max: number;
  readonly #changes: Change[] = [];
  readonly #severities = new Set<Severity>();
  readonly #tallies = new Map<string, { leaves: number; leavesChanged: number }>();
  total = 0;
  leavesChanged = 0;
  elementsChanged = 0;
  bitsChanged = 0;
  /** True once a tensor differs in type, shape or content, or is there on one side only; a new name alone is none. */
  hasTensorChange = false;

  constructor(max: number) {
    this.#max = max;
  }

  get changes(): readonly Change[] {
    return this.#changes;
  }

  get worst(): Severity | null {
    return toWorst(this.#severities);
  }

  get tensors(): readonly TensorTally[] {
    return [...this.#tallies].map(([tensor, tally]) => ({ tensor, ...tally }));
  }

  add(change: Change): void {
    this.total += 1;
    this.#severities.add(change.severity);
    if (change.tensor !== null && !KEEPS_TENSOR.has(change.kind)) this.hasTensorChange = true;
    if (this.#changes.length < this.#max) this.#changes.push(change);
  }

  /** Counts one changed leaf of a tensor of `leaves` leaves. */
  countLeaf(tensor: string | null, leaves: number): void {
    this.leavesChanged += 1;
    if (tensor === null) return;
    const tally = this.#tallies.get(tensor) ?? { leaves, leavesChanged: 0 };
    tally.leavesChanged += 1;
    this.#tallies.set(tensor, tally);
  }

  /** Takes over everything that `other` gathered, raised to at least `floor`. */
  addAll(other: ChangeList, floor: Severity = 'info'): void {
    for (const change of other.changes) this.add({ ...change, severity: toWorst([change.severity, floor]) ?? floor });
    this.total += other.total - other.changes.length;
    for (const severity of other.#severities) this.#severities.add(severity);
    for (const [tensor, tally] of other.#tallies) this.#tallies.set(tensor, tally);
    this.hasTensorChange ||= other.hasTensorChange;
    this.leavesChanged += other.leavesChanged;
    this.elementsChanged += other.elementsChanged;
    this.bitsChanged += other.bitsChanged;
  }
}
