/** The record of a comparison of two models; docs/spec/change-classes.md says what each class means. */
import type { DType } from '../../model/dtype.ts';
import type { FormatId } from '../../model/types.ts';
import type { GridFit } from './grid.ts';
import type { ElementChange } from './measure.ts';

export const CHANGE_CLASSES = [
  'unchanged',
  're-encoded',
  'fp16-cast',
  'bf16-cast',
  'quantised',
  'pruned',
  'scaled',
  'permuted',
  'low-rank-edit',
  'fine-tuned',
  'row-edit',
  'bit-flips',
  'lsb-payload',
  're-initialised',
  'edited',
] as const;

/** What was done to a tensor; `edited` is a change that fits no other class. */
export type ChangeClass = (typeof CHANGE_CLASSES)[number];

/** same: computes the same; benign: ordinary processing of models; suspicious: what attacks leave behind. */
export type Grade = 'same' | 'benign' | 'suspicious';

export const GRADES: readonly Grade[] = ['same', 'benign', 'suspicious'];

/** What a tensor is for, as far as graph and names tell. */
export type TensorRole =
  | 'weight'
  | 'bias'
  | 'norm-scale'
  | 'norm-shift'
  | 'running-mean'
  | 'running-variance'
  | 'constant';

export interface TensorSide {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** Changed elements of one row or column of a tensor. */
export interface LineChange {
  readonly axis: number;
  readonly index: number;
  readonly changed: number;
  /** Of the squared change of the tensor. */
  readonly energyShare: number;
}

/** Figures of a changed tensor; null where they mean nothing (a correlation of constants). */
export interface TensorFigures {
  readonly elements: number;
  readonly changed: number;
  readonly changedShare: number;
  /** Differing bits in all; null across types and in quantised blocks. */
  readonly bitsChanged: number | null;
  readonly singleBit: number;
  readonly newZeros: number;
  readonly newNonFinite: number;
  /** ‖after - before‖ / ‖before‖ */
  readonly relativeChange: number | null;
  readonly correlation: number | null;
  readonly maxChange: number;
  readonly meanChange: number;
  /** Smallest and largest after / before; null when a zero became something else. */
  readonly ratios: readonly [number, number] | null;
  readonly hasSameValues: boolean;
  readonly halfExactShare: number;
  readonly bfloatExactShare: number;
  /** Directions that hold the change; null when there are many, or it was not looked at. */
  readonly deltaRank: number | null;
  /** Of the squared change, the part in its first direction; null when it was not looked at. */
  readonly leadingShare: number | null;
  readonly grid: GridFit | null;
  /** Rows of the first axis with a change, of all. */
  readonly rowsChanged: readonly [number, number] | null;
}

export interface TensorDiff {
  /** Null for an added tensor. */
  readonly before: TensorSide | null;
  /** Null for a removed tensor. */
  readonly after: TensorSide | null;
  readonly pairedBy: 'name' | 'place' | 'likeness' | null;
  /** The other side stores the matrix turned. */
  readonly isTurned: boolean;
  readonly role: TensorRole;
  /** Place among the layers, from 0; null where no order is known. */
  readonly layer: number | null;
  /** Null for a tensor that was added, removed, or could not be compared. */
  readonly class: ChangeClass | null;
  /** Whole sentences, the deciding one first. */
  readonly reasons: readonly string[];
  /** Null for what has no numbers on both sides. */
  readonly figures: TensorFigures | null;
  /** Differing bits by position, 0 = lowest. */
  readonly bitHistogram: readonly number[] | null;
  readonly lines: readonly LineChange[];
  readonly listed: readonly ElementChange[];
}

export interface NodeSide {
  readonly name: string;
  readonly op: string;
}

export type GraphChangeKind =
  | 'inserted'
  | 'deleted'
  | 'rewired'
  | 'attribute-changed'
  | 'renamed'
  | 'interface'
  | 'function';

export interface GraphChange {
  readonly kind: GraphChangeKind;
  /** "" for the main graph; "fn:domain::name" for a function; "…/node#attribute" for a subgraph. */
  readonly scope: string;
  readonly before: NodeSide | null;
  readonly after: NodeSide | null;
  readonly detail: string;
  readonly grade: Grade;
}

/** One line of the side-by-side picture. */
export interface GraphRow {
  readonly kind: GraphChangeKind | 'same' | 'skipped';
  readonly before: NodeSide | null;
  readonly after: NodeSide | null;
  /** Unchanged nodes that the line stands for. */
  readonly nodes: number;
}

export interface GraphDiff {
  readonly nodesBefore: number;
  readonly nodesAfter: number;
  readonly matched: number;
  readonly counts: Readonly<Record<GraphChangeKind, number>>;
  readonly changes: readonly GraphChange[];
  /** Of the main graph, bounded. */
  readonly rows: readonly GraphRow[];
}

export interface Hint {
  readonly id:
    | 'last-layer'
    | 'class-row'
    | 'class-direction'
    | 'class-flow'
    | 'trigger'
    | 'class-prototypes'
    | 'channels'
    | 'spectral-signature'
    | 'update-profile'
    | 'norm-statistics'
    | 'knowledge-edit'
    | 'fault-injection'
    | 'hidden-payload'
    | 'graph';
  readonly grade: Grade;
  /** A whole sentence with the figures. */
  readonly text: string;
  readonly tensor: string | null;
  readonly value: number | null;
  readonly threshold: number | null;
}

/** One class of the last layer that moved towards another. */
export interface ClassShift {
  readonly from: number;
  readonly to: number;
  /** 0 for no shift, 1 when all of the change is this shift. */
  readonly value: number;
}

export interface ModelSide {
  readonly format: FormatId;
  readonly tensors: number;
  readonly parameters: number;
  /** Null for formats without a graph. */
  readonly nodes: number | null;
}

export interface ModelVerdict {
  /** `other-model`: less than half of either model has a counterpart in the other, so no change of weights was judged. */
  readonly class: ChangeClass | 'other-model';
  /** Weight of the tensors that say so, of all changed ones; 1 when nothing changed. */
  readonly share: number;
  /** Other classes with a tenth of the weight or more. */
  readonly besides: readonly ChangeClass[];
  readonly grade: Grade;
  readonly reasons: readonly string[];
}

/** How far the tensors of one layer moved: ‖after - before‖ / ‖before‖ by role, 0 for unchanged ones. */
export interface LayerChange {
  readonly layer: number;
  /** Of its weight, else of its first tensor. */
  readonly name: string;
  readonly moved: Readonly<Partial<Record<TensorRole, number>>>;
}

/** One metadata entry, or the version of one operator set. */
export interface EntryChange {
  readonly kind: 'metadata' | 'opset';
  readonly key: string;
  readonly change: 'added' | 'removed' | 'changed';
}

export interface ModelDiff {
  readonly before: ModelSide;
  readonly after: ModelSide;
  readonly verdict: ModelVerdict;
  /** Number of tensors of each class. */
  readonly classes: Readonly<Partial<Record<ChangeClass, number>>>;
  readonly added: number;
  readonly removed: number;
  /** Every tensor but the unchanged ones, in the order of the model before; added ones last. */
  readonly tensors: readonly TensorDiff[];
  /** All layers, in order. */
  readonly layers: readonly LayerChange[];
  /** Null when a side has no graph, or the two are written in the operators of two formats. */
  readonly graph: GraphDiff | null;
  readonly entries: readonly EntryChange[];
  readonly hints: readonly Hint[];
  /** The strongest pair of classes in the change of the last layer, however weak; null where there is none to see. */
  readonly classShift: ClassShift | null;
  /** Names of tensors whose elements cannot be decoded and whose bytes differ, or that have no partner of one type. */
  readonly notCompared: readonly string[];
}
