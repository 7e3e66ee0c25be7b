/** What the signs of poisoning ask of how a weight moved, kept in constant memory whatever the size of the tensor. */
import type { AxisTally } from './axes.ts';

export interface OutputMove {
  readonly index: number;
  /** Of the squared change of the tensor. */
  readonly share: number;
  /** Of the squared values before. */
  readonly baseShare: number;
  /** Squared change. */
  readonly energy: number;
}

export interface LayerMove {
  /** Size of what training moved over the size before; null when no axis was looked at. */
  readonly moved: number | null;
  /** Outputs of the layer: classes or channels. */
  readonly outputs: {
    readonly size: number;
    /** The two that moved most. */
    readonly top: readonly OutputMove[];
    /** Of the squared change, the part in the most moved twentieth of the outputs (one at least). */
    readonly fewShare: number;
    readonly fewCount: number;
  } | null;
}

const FEW_PART = 0.05;

/** Sums along the axes become a few figures; the tallies may go after this. */
export function toLayerMove(axes: readonly AxisTally[], outputAxis: number): LayerMove {
  const [first] = axes;
  if (axes.length === 0) return { moved: null, outputs: null };
  const [base, change] = [toSum(first.baseEnergy), toSum(first.movedEnergy)];
  const moved = base === 0 ? 0 : Math.sqrt(change / base);
  const axis = axes.find((one) => one.axis === outputAxis);
  if (axis === undefined || change === 0) return { moved, outputs: null };
  const order = [...axis.movedEnergy.keys()].sort((a, b) => axis.movedEnergy[b] - axis.movedEnergy[a]);
  const fewCount = Math.max(1, Math.floor(FEW_PART * axis.size));
  return {
    moved,
    outputs: {
      size: axis.size,
      top: order.slice(0, 2).map((index) => ({
        index,
        ...{ share: axis.movedEnergy[index] / change, energy: axis.movedEnergy[index] },
        baseShare: base === 0 ? 0 : axis.baseEnergy[index] / base,
      })),
      fewShare: order.slice(0, fewCount).reduce((sum, index) => sum + axis.movedEnergy[index], 0) / change,
      fewCount,
    },
  };
}

function toSum(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0);
}
