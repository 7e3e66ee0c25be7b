/** The rows of query and key projections, which llama.cpp's converter moves (docs/spec/watermark.md §6.3). */
import type { ElementOrder } from './element-order.ts';
import { findLlamaName, isLlamaName } from './llama-names.ts';

/** Architectures whose rows the converter moves. @see `undo_permute` and `LlamaModel.permute` in llama.cpp's converter */
const MOVED: ReadonlySet<string> = new Set([
  ...[
    'llama',
    'llama-embed',
    'deci',
    'granite',
    'granitemoe',
    'granitehybrid',
    'minicpm',
    'arctic',
    'deepseek',
    'llada',
  ],
  ...['smollm3', 'arcee', 'nanbeige', 'mistral3', 'ouro'],
]);
/** Lengths of a head that are tried where nothing says it. */
const HEAD_ROWS = [64, 128, 96, 80, 32, 256] as const;
const HEADS_MAX = 65_536;

/** One tensor under two names, and what the files say of it. */
export interface RenamedTensor {
  readonly ours: string;
  readonly theirs: string;
  /** Of both: rows, columns. */
  readonly shape: readonly number[];
  /** The suspect's metadata. */
  readonly metadata: ReadonlyMap<string, string>;
}

export interface RotaryOrders {
  readonly orders: readonly ElementOrder[];
  /** True when the suspect's metadata say that the rows were moved, and by how much. */
  readonly isCertain: boolean;
}

const NONE: RotaryOrders = { orders: [], isCertain: false };

/**
 * Where the rows of `ours` lie in `theirs`, when one is a query or key projection of a checkpoint and the other what
 * llama.cpp's converter made of it: in each head of d rows, row j · d/2 + i of the checkpoint is row 2 · i + j there.
 * The number of heads is that of the suspect's metadata; without them, usual lengths of a head are tried.
 */
export function listRotaryOrders(renamed: RenamedTensor): RotaryOrders {
  const { ours, theirs, shape } = renamed;
  const [isOurs, isTheirs] = [isLlamaName(ours), isLlamaName(theirs)];
  const part = /\.attn_([qk])\.weight$/.exec(findLlamaName(ours) ?? '')?.[1];
  if (part === undefined || isOurs === isTheirs || shape.length !== 2) return NONE;
  const [rows, columns] = shape;
  const isTurnedBack = isOurs;
  const heads = isTheirs ? findHeads(renamed.metadata, theirs, part) : null;
  const isKnown = heads !== null && isWhole(rows, rows / heads);
  const lengths = isKnown ? [rows / heads] : HEAD_ROWS.filter((length) => isWhole(rows, length));
  const isMoved = MOVED.has(renamed.metadata.get('general.architecture') ?? '');
  return {
    orders: lengths.map((length) => toOrder(rows, columns, length, isTurnedBack)),
    isCertain: isKnown && isMoved,
  };
}

/**
 * For each row of the tensor `ours` its row in `theirs`, where the metadata of the file that llama.cpp's converter made say
 * that rows were moved; null where they lie alike, or nothing says how they lie.
 * @param metadata of the original and of the suspect
 */
export function findRotaryRows(
  renamed: Omit<RenamedTensor, 'metadata'>,
  metadata: { readonly ours: RenamedTensor['metadata']; readonly theirs: RenamedTensor['metadata'] },
): Int32Array | null {
  const [rows, columns] = renamed.shape;
  const turned = { ours: renamed.theirs, theirs: renamed.ours, shape: renamed.shape, metadata: metadata.ours };
  const isTurned = isLlamaName(renamed.ours);
  const { orders, isCertain } = listRotaryOrders(isTurned ? turned : { ...renamed, metadata: metadata.theirs });
  if (!isCertain) return null;
  const [heads, halves, pairs] = orders[0];
  // Of a row of the checkpoint, that of the converted file.
  const there = Int32Array.from({ length: rows }, (_, row) => {
    const [head, place] = [Math.floor(row / (rows / heads.size)), row % (rows / heads.size)];
    const [half, pair] = [Math.floor(place / pairs.size), place % pairs.size];
    return (head * heads.stride + half * halves.stride + pair * pairs.stride) / columns;
  });
  if (!isTurned) return there;
  const back = new Int32Array(rows);
  there.forEach((to, from) => (back[to] = from));
  return back;
}

function isWhole(rows: number, headRows: number): boolean {
  return Number.isInteger(headRows / 2) && headRows >= 2 && rows % headRows === 0;
}

/** Heads of the block, from metadata that anybody may have written: a number, or a short list with one for each block. */
function findHeads(metadata: ReadonlyMap<string, string>, name: string, part: string): number | null {
  const architecture = metadata.get('general.architecture') ?? '';
  const key = `${architecture}.attention.head_count`;
  const text = (part === 'k' ? metadata.get(`${key}_kv`) : undefined) ?? metadata.get(key) ?? '';
  const list = /^\[(.*)\]$/.exec(text)?.[1].split(', ');
  const heads = Number(list?.[Number(/\d+/.exec(name)?.[0] ?? 0)] ?? text);
  return Number.isInteger(heads) && heads > 0 && heads <= HEADS_MAX ? heads : null;
}

/** Our rows, outermost first: head, then half and pair (or pair and half, where ours are the moved ones). */
function toOrder(rows: number, columns: number, headRows: number, isTurnedBack: boolean): ElementOrder {
  const half = headRows / 2;
  const halves = { size: 2, stride: (isTurnedBack ? half : 1) * columns };
  const pairs = { size: half, stride: (isTurnedBack ? 1 : 2) * columns };
  const head = { size: rows / headRows, stride: headRows * columns };
  return [head, ...(isTurnedBack ? [pairs, halves] : [halves, pairs]), { size: columns, stride: 1 }];
}
