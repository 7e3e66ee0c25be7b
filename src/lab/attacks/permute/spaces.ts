/**
 * Channel spaces: what may be reordered and rescaled together. Nodes that must move as one are joined, so the walk over
 * a network only states constraints, and the moves are drawn afterwards.
 */
import { type Rng, shuffledOrder } from '../../rng.ts';

/** One set of tied things; `joined` points towards the representative. */
interface Node {
  joined: Node | null;
  isFrozen: boolean;
}

/** An order of whole groups, shared by both sides of a grouped convolution. */
interface GroupOrder extends Node {
  readonly groups: number;
  joined: GroupOrder | null;
}

interface Order extends Node {
  readonly size: number;
  joined: Order | null;
  groupOrder: GroupOrder | null;
}

/** Channels between two layers: their order, and their scale. */
export interface Space {
  readonly order: Order;
  readonly scale: Node;
}

function find<T extends Node & { joined: T | null }>(node: T): T {
  let root = node;
  while (root.joined !== null) root = root.joined;
  return root;
}

function join<T extends Node & { joined: T | null }>(a: T, b: T): T {
  const [keep, drop] = [find(a), find(b)];
  if (keep === drop) return keep;
  drop.joined = keep;
  keep.isFrozen ||= drop.isFrozen;
  return keep;
}

export function createSpace(size: number, isFrozen = false): Space {
  return { order: { size, joined: null, isFrozen, groupOrder: null }, scale: createScale(isFrozen) };
}

function createScale(isFrozen = false): Node {
  return { joined: null, isFrozen };
}

/** The same channels after a layer that absorbs any scale, such as a batch norm. */
export function withNewScale({ order }: Space): Space {
  return { order, scale: createScale() };
}

/** Says that scaling would change the function. */
export function freezeScale({ scale }: Space): void {
  find(scale).isFrozen = true;
}

export function freezeOrder({ order }: Space): void {
  find(order).isFrozen = true;
}

/** Ties two spaces that are added element by element. */
export function tie(a: Space, b: Space): Space {
  const [first, second] = [find(a.order), find(b.order)];
  const [kept, other] = [first.groupOrder, second.groupOrder];
  const order = join(first, second);
  order.groupOrder = kept ?? other;
  if (kept !== null && other !== null) tieGroups(order, kept, other);
  return { order, scale: join(a.scale, b.scale) };
}

/** Ties the groups of a grouped convolution's input and output: whole groups move alike, channels inside are free. */
export function tieGroupOrder(input: Space, output: Space, groups: number): void {
  const shared: GroupOrder = { joined: null, isFrozen: false, groups };
  for (const { order } of [input, output]) {
    const root = find(order);
    if (root.groupOrder === null) root.groupOrder = shared;
    else tieGroups(root, root.groupOrder, shared);
  }
}

/** Different group sizes on one space leave no simple common order. */
function tieGroups(order: Order, a: GroupOrder, b: GroupOrder): void {
  const isSame = find(a).groups === find(b).groups;
  const root = isSame ? join(a, b) : find(b);
  if (isSame) return;
  order.isFrozen = true;
  root.isFrozen = true;
  find(a).isFrozen = true;
}

/** How one space moves: place j holds old channel `order[j]`, multiplied by `scale[order[j]]`. */
export interface Move {
  readonly order: Uint32Array;
  readonly scale: Float64Array;
}

export interface MoveOptions {
  readonly rng: Rng;
  /** Scales are e^u, u uniform in ± this; 0 only permutes. */
  readonly logScaleMax: number;
}

/** Draws the moves; spaces that are tied get the same arrays. */
export function createMoves({ rng, logScaleMax }: MoveOptions): (space: Space) => Move {
  const orders = new Map<Node, Uint32Array>();
  const scales = new Map<Node, Float64Array>();
  const groupOrders = new Map<Node, Uint32Array>();
  const remember = <T>(known: Map<Node, T>, node: Node, create: () => T): T => {
    const value = known.get(node) ?? create();
    known.set(node, value);
    return value;
  };
  const toOrder = (order: Order): Uint32Array => {
    if (order.isFrozen) return Uint32Array.from({ length: order.size }, (_, index) => index);
    if (order.groupOrder === null) return shuffledOrder(order.size, rng);
    const group = find(order.groupOrder);
    const still = Uint32Array.from({ length: group.groups }, (_, index) => index);
    const whole = remember(groupOrders, group, () => (group.isFrozen ? still : shuffledOrder(group.groups, rng)));
    const size = order.size / group.groups;
    const parts = [...whole].map((from) => shuffledOrder(size, rng).map((channel) => from * size + channel));
    return Uint32Array.from(parts.flatMap((part) => [...part]));
  };
  const toScale = (size: number, isFrozen: boolean): Float64Array => {
    const draw = (): number => (isFrozen ? 1 : Math.exp(rng.between(-logScaleMax, logScaleMax)));
    return Float64Array.from({ length: size }, draw);
  };
  return (space) => {
    const order = find(space.order);
    const scale = find(space.scale);
    return {
      order: remember(orders, order, () => toOrder(order)),
      scale: remember(scales, scale, () => toScale(order.size, scale.isFrozen)),
    };
  };
}
