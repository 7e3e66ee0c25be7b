/** Arithmetic of dimensions that may be unknown or symbolic. What cannot be said is null, never guessed. */
import type { Dim, Shape } from './types.ts';

/** Product, or null when it is no one number or name. */
export function toProduct(dims: readonly Dim[]): Dim {
  const { count, symbols } = toFactors(dims);
  if (count === 0) return 0;
  if (count === null) return null;
  if (symbols.length === 0) return count;
  return symbols.length === 1 && count === 1 ? symbols[0] : null;
}

/** Number of elements when every dimension is known. */
export function findCount(shape: Shape | null): number | null {
  if (shape === null) return null;
  const product = toProduct(shape);
  return typeof product === 'number' ? product : null;
}

interface Factors {
  /** Product of the numbers; null when a dimension is unknown. */
  readonly count: number | null;
  readonly symbols: readonly string[];
}

function toFactors(dims: readonly Dim[]): Factors {
  let count: number | null = 1;
  const symbols: string[] = [];
  if (dims.includes(0)) return { count: 0, symbols };
  for (const dim of dims) {
    if (dim === null) count = null;
    else if (typeof dim === 'string') symbols.push(dim);
    else if (count !== null) count = Number.isSafeInteger(count * dim) ? count * dim : null;
  }
  return { count, symbols };
}

/** The dimension that makes `parts` times it have as many elements as `whole`; equal names cancel. */
export function toQuotient(whole: readonly Dim[], parts: readonly Dim[]): Dim {
  const rest = [...whole];
  const divisors: Dim[] = [];
  for (const part of parts) {
    const at = typeof part === 'string' ? rest.indexOf(part) : -1;
    if (at >= 0) rest.splice(at, 1);
    else divisors.push(part);
  }
  const top = toFactors(rest);
  const bottom = toFactors(divisors);
  if (top.count === null || bottom.count === null || bottom.count === 0 || bottom.symbols.length > 0) return null;
  const quotient = top.count / bottom.count;
  if (top.symbols.length === 0) return Number.isInteger(quotient) ? quotient : null;
  return top.symbols.length === 1 && quotient === 1 ? top.symbols[0] : null;
}

/** Sum, or null; adding nothing to a name is the name. */
export function toSum(dims: readonly Dim[]): Dim {
  const symbols = dims.filter((dim) => typeof dim === 'string');
  if (dims.includes(null)) return null;
  const total = dims.reduce((sum: number, dim) => sum + (typeof dim === 'number' ? dim : 0), 0);
  if (symbols.length === 0) return total;
  return symbols.length === 1 && total === 0 ? symbols[0] : null;
}

/** `dim` times a number. */
export function toScaled(dim: Dim, factor: number): Dim {
  return toProduct([dim, factor]);
}

/** Of two dimensions that must be equal, what is known; undefined when they contradict each other. */
export function findUnified(a: Dim, b: Dim): Dim | undefined {
  if (a === b || b === null) return a;
  if (a === null) return b;
  if (typeof a === 'number' && typeof b === 'number') return undefined;
  return typeof a === 'number' ? a : b;
}

/** The dimension that two broadcast to; undefined when they cannot. */
export function findBroadcastDim(a: Dim, b: Dim): Dim | undefined {
  if (a === b || b === 1) return a;
  if (a === 1) return b;
  if (typeof a === 'number') return typeof b === 'number' ? undefined : a;
  // A name that meets a number above 1 is that number, or 1.
  if (typeof b === 'number') return b;
  return null;
}

/** The shape that all broadcast to, aligned at the last axis; null when a rank is unknown, undefined when they cannot. */
export function findBroadcast(shapes: readonly (Shape | null)[]): Shape | null | undefined {
  let result: Dim[] = [];
  for (const shape of shapes) {
    if (shape === null) return null;
    const rank = Math.max(result.length, shape.length);
    const next: Dim[] = [];
    for (let i = 0; i < rank; i++) {
      const a = i < rank - result.length ? 1 : result[i - rank + result.length];
      const b = i < rank - shape.length ? 1 : shape[i - rank + shape.length];
      const dim = findBroadcastDim(a, b);
      if (dim === undefined) return undefined;
      next.push(dim);
    }
    result = next;
  }
  return result;
}

/** The axis counted from the front; undefined outside `rank`. */
export function findAxis(axis: number, rank: number): number | undefined {
  const positive = axis < 0 ? axis + rank : axis;
  return Number.isInteger(positive) && positive >= 0 && positive < rank ? positive : undefined;
}
