/** The channels of a language model without a graph, from names, shapes and settings (docs/spec/transformer-topology.md). */
import type { Model, TensorRef } from '../../model/types.ts';
import { FIXED } from '../space-set.ts';
import type { ChannelAxis, ChannelVector, Layer } from '../ports.ts';
import { type Part, type Role, toPart } from './roles.ts';
import { findHeadCounts } from './settings.ts';

/** Axes of the tensors that are understood, and the channels that they share. */
export interface DecoderChannels {
  readonly layers: ReadonlyMap<string, Pick<Layer, 'kind' | 'outAxis' | 'inAxis' | 'out' | 'in'>>;
  readonly vectors: readonly ChannelVector[];
  readonly spaces: readonly { readonly channels: number; readonly isPermutable: boolean }[];
  /** The token table where it makes the logits as well; null where another matrix does. */
  readonly tiedTable: string | null;
}

/** One side of a matrix: `count` channels of a space, each `inner` entries long, `times` over. */
interface Side {
  readonly space: number;
  readonly channels: number;
  readonly inner: number;
  readonly times: number;
}

interface Named {
  readonly tensor: TensorRef;
  readonly part: Part;
}

const ONE = { inner: 1, times: 1 } as const;
const fixed = (channels: number): Side => ({ space: FIXED, channels, ...ONE });

/**
 * Null when the tensors are not those of a decoder whose blocks have attention and a feed-forward part, in shapes that fit.
 *
 * A tensor that is not understood freezes the channels of its block, or the residual stream: what is unknown may read
 * channels by their place, and costs permutations to undo, never soundness.
 */
export function findDecoderChannels(model: Model): DecoderChannels | null {
  const named = model.tensors.map((tensor): Named => ({ tensor, part: toPart(tensor.name) }));
  const tokens = named.find(({ part }) => part.role === 'tokens')?.tensor;
  const known = named.filter(({ part }) => part.role !== 'unknown');
  const blocks = [...new Set(known.flatMap(({ part }) => part.block ?? []))].sort((a, b) => a - b);
  if (tokens?.shape.length !== 2 || blocks.length === 0) return null;
  const width = tokens.shape[1];
  const hasLogits = named.some(({ part }) => part.role === 'logits');
  const builder = new Builder(width, hasLogits ? null : tokens.name);
  for (const { tensor, part } of named.filter(
    (item) => item.part.block === null || !blocks.includes(item.part.block),
  )) {
    if (!builder.addWhole(tensor, part)) return null;
  }
  for (const block of blocks) {
    const own = named.filter(({ part }) => part.block === block);
    if (!builder.addBlock(own, width, findHeadCounts(model, block))) return null;
  }
  return builder;
}

class Builder implements DecoderChannels {
  readonly layers = new Map<string, Pick<Layer, 'kind' | 'outAxis' | 'inAxis' | 'out' | 'in'>>();
  readonly vectors: ChannelVector[] = [];
  readonly spaces: { channels: number; isPermutable: boolean }[] = [];
  readonly tiedTable: string | null;
  readonly #stream: Side;

  constructor(width: number, tiedTable: string | null) {
    this.tiedTable = tiedTable;
    this.#stream = this.#addSpace(width, 1);
  }

  /** What is there once. False when a shape does not fit. */
  addWhole(tensor: TensorRef, { role, isBias }: Part): boolean {
    const [rows] = tensor.shape;
    switch (role) {
      case 'tokens':
      case 'positions':
        return this.#addTable(tensor);
      case 'logits':
        return isBias || this.#addMatrix(tensor, fixed(rows), this.#stream);
      case 'stream-norm':
        return this.#addVector(tensor, isBias ? 'shift' : 'scale', this.#stream);
      case 'ignored':
        return true;
      default:
        this.#freeze(this.#stream);
        return true;
    }
  }

  /** All tensors of a block. False when one does not fit, or when attention or feed-forward part is missing. */
  addBlock(own: readonly Named[], width: number, counts: ReturnType<typeof findHeadCounts>): boolean {
    const find = (role: Role): TensorRef | undefined =>
      own.find(({ part }) => part.role === role && !part.isBias)?.tensor;
    const down = find('down');
    const output = find('attention-output');
    const attends = find('query-key-value') ?? (find('key') && find('value') && find('query'));
    if (down?.shape.length !== 2 || output?.shape.length !== 2 || attends === undefined) return false;
    const hidden = this.#addSpace(down.shape[1], 1);
    const heads = this.#addHeads({ output, find, counts });
    for (const { tensor, part } of own) {
      if (!this.#addPart(tensor, part, { hidden, heads, width })) return false;
    }
    return true;
  }

  #addPart(
    tensor: TensorRef,
    { role, isBias }: Part,
    sides: { hidden: Side; heads: HeadSides; width: number },
  ): boolean {
    const { hidden, heads } = sides;
    const out = toOutSide(tensor, role, hidden, heads, this.#stream);
    if (out !== undefined) {
      if (isBias) return this.#addVector(tensor, 'bias', out);
      return this.#addMatrix(
        tensor,
        out,
        role === 'down' ? hidden : role === 'attention-output' ? heads.output : this.#stream,
      );
    }
    switch (role) {
      case 'stream-norm':
        return this.#addVector(tensor, isBias ? 'shift' : 'scale', this.#stream);
      case 'query-norm':
      case 'key-norm': {
        const side = role === 'query-norm' ? heads.query : heads.key;
        // One weight per entry of a head is the same for all heads, and has no channels.
        return tensor.shape[0] !== toLength(side) || this.#addVector(tensor, isBias ? 'shift' : 'scale', side);
      }
      case 'ignored':
        return true;
      default:
        for (const side of [hidden, heads.query, heads.key, heads.value, heads.output, this.#stream])
          this.#freeze(side);
        return true;
    }
  }

  /** Key heads with their query heads; query heads where there is one key head; fixed where nothing is known. */
  #addHeads({ output, find, counts }: HeadSource): HeadSides {
    const [query, key, value] = [find('query'), find('key'), find('value')].map((tensor) => tensor?.shape[0] ?? 0);
    const whole = find('query-key-value')?.shape[0] ?? 0;
    const unknown = {
      ...{ query: fixed(query), key: fixed(key), value: fixed(value), whole: fixed(whole) },
      output: fixed(output.shape[1]),
    };
    if (counts === null || counts.heads === 1) return unknown;
    const { heads, keyHeads } = counts;
    const rows = {
      query: query / heads,
      key: key / keyHeads,
      value: value / keyHeads,
      output: output.shape[1] / heads,
    };
    if (whole > 0) {
      const [each, width] = [heads === keyHeads ? whole / (3 * heads) : NaN, rows.output];
      if (each !== width || !Number.isInteger(width)) return unknown;
      const side = this.#addSpace(heads, width);
      return { ...unknown, whole: { ...side, times: 3 }, output: side };
    }
    const isWhole = Object.values(rows).every((count) => Number.isInteger(count) && count > 0);
    if (!isWhole || rows.query !== rows.key || rows.value !== rows.output) return unknown;
    if (keyHeads === 1) {
      const side = this.#addSpace(heads, rows.query);
      return { ...unknown, query: side, output: { ...side, inner: rows.output } };
    }
    const side = this.#addSpace(keyHeads, rows.key);
    const group = heads / keyHeads;
    return {
      ...{ whole: unknown.whole, key: side, value: { ...side, inner: rows.value } },
      ...{ query: { ...side, inner: group * rows.query }, output: { ...side, inner: group * rows.output } },
    };
  }

  #addSpace(channels: number, inner: number): Side {
    this.spaces.push({ channels, isPermutable: channels > 1 });
    return { space: this.spaces.length - 1, channels, inner, times: 1 };
  }

  #freeze({ space }: Side): void {
    if (space !== FIXED) this.spaces[space].isPermutable = false;
  }

  #addTable(tensor: TensorRef): boolean {
    const { shape, name } = tensor;
    if (shape.length !== 2 || shape[1] !== this.#stream.channels) return false;
    const [out, input] = [toAxis(1, this.#stream), toAxis(0, fixed(shape[0]))];
    this.layers.set(name, { kind: 'embedding', outAxis: 1, inAxis: 0, out, in: input });
    return true;
  }

  #addMatrix({ name, shape }: TensorRef, out: Side, input: Side): boolean {
    if (shape.length !== 2 || shape[0] !== toLength(out) || shape[1] !== toLength(input)) return false;
    this.layers.set(name, { kind: 'dense', outAxis: 0, inAxis: 1, out: toAxis(0, out), in: toAxis(1, input) });
    return true;
  }

  #addVector({ name, shape }: TensorRef, role: ChannelVector['role'], side: Side): boolean {
    if (shape.length !== 1 || shape[0] !== toLength(side)) return false;
    if (side.space !== FIXED) this.vectors.push({ name, role, shape: [...shape], channels: toAxis(0, side) });
    return true;
  }
}

interface HeadSource {
  readonly output: TensorRef;
  readonly find: (role: Role) => TensorRef | undefined;
  readonly counts: ReturnType<typeof findHeadCounts>;
}

/** The rows of the projections, and the columns of the one that leads back. */
interface HeadSides {
  readonly query: Side;
  readonly key: Side;
  readonly value: Side;
  /** Queries, keys and values one after the other in one tensor. */
  readonly whole: Side;
  readonly output: Side;
}

/** The rows of a matrix, and its bias; undefined for what is none. */
function toOutSide(tensor: TensorRef, role: Role, hidden: Side, heads: HeadSides, stream: Side): Side | undefined {
  switch (role) {
    case 'query':
      return heads.query;
    case 'key':
      return heads.key;
    case 'value':
      return heads.value;
    case 'query-key-value':
      return heads.whole;
    case 'attention-output':
    case 'down':
      return stream;
    case 'gate':
      return hidden;
    case 'up':
      // Gate and up one after the other in one tensor.
      return tensor.shape[0] === 2 * hidden.channels ? { ...hidden, times: 2 } : hidden;
    default:
      return undefined;
  }
}

function toLength({ channels, inner, times }: Side): number {
  return channels * inner * times;
}

function toAxis(axis: number, { space, channels, inner, times }: Side): ChannelAxis {
  return { axis, segments: Array.from({ length: times }, () => ({ space, channels })), inner };
}
