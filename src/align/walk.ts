/** The state of the walk over a graph that finds channel sets, and the vectors found on the way. */
import type { ChannelAxis, ChannelVector } from './ports.ts';
import { type SpaceSet, toChannelCount, type ValueChannels } from './space-set.ts';
import { findInts } from './attributes.ts';
import { findConstant, findSmallInts, findWeightView, type Scope } from './weights.ts';

/** State of the walk. `values` knows the channels of a value; a value that it does not know has none that may move. */
export interface Walk {
  readonly scope: Scope;
  readonly set: SpaceSet;
  readonly values: Map<string, ValueChannels>;
  /** Vectors and layers carry the walk's own space numbers until it is finished. */
  readonly vectors: ChannelVector[];
  readonly layers: Map<string, { readonly in: ChannelAxis | null; readonly out: ChannelAxis | null }>;
}

/** How many producers are followed back for a rank. */
const RANK_STEPS_MAX = 64;

/** Rank of a value: from what the walk or the graph knows, else from the operators that made it. */
export function findRank(walk: Walk, value: string, steps = RANK_STEPS_MAX): number | null {
  const { scope, values } = walk;
  const known =
    values.get(value)?.rank ?? scope.graph.values.get(value)?.shape?.length ?? findConstant(scope, value)?.shape.length;
  if (known !== undefined) return known;
  const node = scope.producers.get(value);
  if (node === undefined || steps === 0) return null;
  const rankOf = (at: number): number | null => findRank(walk, node.inputs[at] ?? '', steps - 1);
  switch (node.op) {
    case 'Reshape':
      return findSmallInts(findConstant(scope, node.inputs[1] ?? ''))?.length ?? null;
    case 'Transpose':
      return findInts(node, 'perm')?.length ?? rankOf(0);
    case 'Gather': {
      const [data, indices] = [rankOf(0), rankOf(1)];
      return data === null || indices === null ? null : data - 1 + indices;
    }
    case 'Unsqueeze': {
      const axes = findInts(node, 'axes') ?? findSmallInts(findConstant(scope, node.inputs[1] ?? ''));
      const rank = rankOf(0);
      return rank === null || axes === undefined ? null : rank + axes.length;
    }
    case 'Cast':
    case 'Identity':
    case 'Slice':
    case 'MatMul':
    case 'Relu':
    case 'LayerNormalization':
      return rankOf(0);
    default:
      return null;
  }
}

/** The channels of `value` along `axis` of a constant. */
export function toChannelAxis(axis: number, value: ValueChannels, inner: number): ChannelAxis {
  const segments = [...value.segments];
  return value.isInterleaved && inner > 1 ? { axis, segments, inner, isInterleaved: true } : { axis, segments, inner };
}

/**
 * Records a constant that is indexed by the channels of `value`, broadcast from the right. A constant without that axis,
 * or with 1 on it, does not care about channels.
 */
export function addVector(walk: Walk, name: string | null, role: ChannelVector['role'], value: ValueChannels): void {
  const view = name === null || name === '' ? undefined : findWeightView(walk.scope, name);
  if (view === undefined) return;
  const axis = view.shape.length - value.fromRight;
  const length = axis < 0 ? 1 : view.shape[axis];
  if (length === 1) return;
  const count = toChannelCount(value.segments);
  const inner = value.inner ?? length / count;
  if (view.isTransposed || count * inner !== length) {
    walk.set.freeze(value);
    return;
  }
  const channels = toChannelAxis(axis, value, inner);
  walk.vectors.push({ name: view.tensor.name, role, shape: [...view.shape], channels });
}
