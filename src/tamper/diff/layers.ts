/** Compared tensors as layers: the weights in the order of the graph, with how far each moved. */
import type { LayerMove } from './layer-move.ts';
import type { ChangeClass, TensorDiff } from './types.ts';

/** A compared tensor with what its record leaves out. */
export interface Examined {
  readonly diff: TensorDiff;
  readonly move: LayerMove;
}

/** A weight of rank two or more. */
export interface Layer {
  readonly diff: TensorDiff;
  readonly name: string;
  /** Size of what training moved over the size before. */
  readonly moved: number;
  readonly outputs: LayerMove['outputs'];
}

/**
 * Classes that training leaves behind, also when the model was pruned or quantised after it. A cast, a scale or another
 * order moves values for other reasons.
 */
export const TRAINED: ReadonlySet<ChangeClass | null> = new Set<ChangeClass | null>([
  ...(['fine-tuned', 'pruned', 'quantised', 'low-rank-edit', 'row-edit', 'edited'] as const),
]);

/** True for a weight that belongs to a layer of the model and is a matrix at least. */
export function isLayerWeight({ role, layer, after }: TensorDiff): boolean {
  return role === 'weight' && layer !== null && after !== null && after.shape.length >= 2;
}

export function toLayers(examined: readonly Examined[]): Layer[] {
  return examined
    .filter(({ diff }) => isLayerWeight(diff))
    .sort((a, b) => a.diff.layer! - b.diff.layer!)
    .map(({ diff, move }) => ({
      ...{ diff, name: diff.before!.name, outputs: move.outputs },
      moved: move.moved ?? diff.figures?.relativeChange ?? 0,
    }));
}

/** The upper median; 0 of nothing. */
export function toMedian(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b).at(Math.floor(values.length / 2)) ?? 0;
}
