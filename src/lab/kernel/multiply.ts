/** Matrix products on Float32Array, through the assembled SIMD kernel. */
import { assembleKernel } from './assemble.ts';

/** The part of the WebAssembly interface that the kernel needs; Node's types leave it to the DOM library. */
interface WebAssemblyHost {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
}

interface Kernel {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  readonly multiply: (...words: readonly number[]) => void;
}

/**
 * out[m, n] (+)= a[m, k] · b[k, n], all row-major float32.
 * `aTransposed` and `bTransposed` say that the array holds the transpose: a as [k, m], b as [n, k].
 */
export interface Product {
  readonly a: Float32Array;
  readonly aTransposed?: boolean;
  readonly b: Float32Array;
  readonly bTransposed?: boolean;
  readonly out: Float32Array;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Adds to `out` instead of replacing it. */
  readonly accumulate?: boolean;
}

const PAGE_BYTES = 65_536;
const TILE_ROWS = 4;
const TILE_COLUMNS = 8;
/** A slice of B of this depth stays in the second-level cache. */
const DEPTH_MAX = 512;

let kernel: Kernel | undefined;

function openKernel(): Kernel {
  const { Module, Instance } = (globalThis as unknown as { WebAssembly: WebAssemblyHost }).WebAssembly;
  kernel ??= new Instance(new Module(assembleKernel())).exports as Kernel;
  return kernel;
}

/** A float32 view of the kernel's memory, at least `floats` long. */
function reserve({ memory }: Kernel, floats: number): Float32Array {
  const missing = floats * 4 - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES));
  return new Float32Array(memory.buffer);
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

/** Writes b into `into` as [k, columns], where columns >= n is a whole number of tiles. */
function loadRight({ b, bTransposed, n, k }: Product, into: Float32Array, columns: number): void {
  if (bTransposed === true) {
    for (let j = 0; j < n; j += 1) for (let i = 0; i < k; i += 1) into[i * columns + j] = b[j * k + i]!;
  } else if (columns === n) {
    into.set(b.length === k * n ? b : b.subarray(0, k * n));
  } else {
    for (let i = 0; i < k; i += 1) into.set(b.subarray(i * n, (i + 1) * n), i * columns);
  }
}

/**
 * Computes the product. The arrays must hold at least the elements that the sizes imply.
 * @throws TypeError when a size is not a positive integer or an array is too short
 */
export function multiply(product: Product): void {
  const { a, m, n, k } = product;
  assertSizes(product);
  const columns = roundUp(n, TILE_COLUMNS);
  const rows = roundUp(m, TILE_ROWS);
  // The last tile of A may read past its end (its rows are thrown away), so C, which is written, comes before A.
  const bFloats = k * columns;
  const cFloats = rows * columns;
  const aFloats = m * k + TILE_ROWS * k;
  const engine = openKernel();
  const heap = reserve(engine, bFloats + cFloats + aFloats);
  const heapC = heap.subarray(bFloats, bFloats + cFloats);
  loadRight(product, heap, columns);
  heap.set(a.length === m * k ? a : a.subarray(0, m * k), bFloats + cFloats);
  heapC.fill(0);
  const [aRow, aDepth] = product.aTransposed === true ? [4, 4 * m] : [4 * k, 4];
  for (let from = 0; from < k; from += DEPTH_MAX) {
    engine.multiply(
      ...[4 * (bFloats + cFloats) + from * aDepth, 4 * from * columns, 4 * bFloats],
      ...[rows / TILE_ROWS, columns / TILE_COLUMNS, Math.min(DEPTH_MAX, k - from)],
      ...[aRow, aDepth, 4 * columns, 4 * columns],
    );
  }
  unload(product, heapC, columns);
}

function unload({ out, m, n, accumulate }: Product, from: Float32Array, columns: number): void {
  if (accumulate === true) {
    for (let i = 0; i < m; i += 1) {
      for (let j = 0; j < n; j += 1) out[i * n + j] += from[i * columns + j];
    }
  } else if (columns === n) {
    out.set(from.subarray(0, m * n));
  } else {
    for (let i = 0; i < m; i += 1) out.set(from.subarray(i * columns, i * columns + n), i * n);
  }
}

function assertSizes({ a, b, out, m, n, k }: Product): void {
  const areSizes = [m, n, k].every((size) => Number.isSafeInteger(size) && size > 0);
  if (!areSizes || a.length < m * k || b.length < k * n || out.length < m * n) {
    throw new TypeError(`a product of [${m}, ${k}] and [${k}, ${n}] needs arrays of that size`);
  }
}
