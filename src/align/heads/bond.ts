/**
 * The inside of one head: which matrix turns the suspect's entries into the original's (docs/spec/transformer-topology.md
 * §5). Keys k and the queries q of a group keep q · k when k becomes m · k and q becomes m⁻ᵀ · q, and so do values and the
 * columns of the output; turned rotary pairs, other orders, signs and scales are such matrices.
 */
import { mixRows, multiplyTurned, solve, transpose } from './matrix.ts';

/** Entries of one head, [width, others]. */
export type Block = Float32Array;

/** Two sides of a product: `one` of the key head, `many` of its query heads. */
export interface Bond {
  readonly width: number;
  readonly one: Block;
  readonly many: readonly Block[];
}

/** What brings a suspect's bond to the original's: both [width, width]. */
export interface BondFit {
  readonly one: Float64Array;
  readonly many: Float64Array;
}

/** Share of a bond that the suspect does not explain, 0 to 1; each block in the scale that suits it. */
export function toRest(ours: Bond, theirs: Bond): number {
  const pairs = toPairs(ours, theirs);
  return pairs.reduce((sum, [a, b]) => sum + 1 - toCosine(a, b) ** 2 * Number(toCosine(a, b) > 0), 0) / pairs.length;
}

/**
 * The fit, or null where nothing speaks against entries that lie as in the original: a matrix always explains some of the
 * noise, so that it must explain several times as much as its size lets expect.
 */
export function fitBond(ours: Bond, theirs: Bond): BondFit | null {
  const fit = toFit(ours, theirs);
  if (fit === null) return null;
  const [before, after] = [toRest(ours, theirs), toRest(ours, applyFit(theirs, fit))];
  const elements = (1 + ours.many.length) * ours.one.length;
  const free = Math.min(1, (ours.width * ours.width) / elements);
  return after < before * (1 - FREE_TIMES * free) && 1 - after > EXPLAINED_MIN + 2 * free ? fit : null;
}

/** How many times what chance explains. */
const FREE_TIMES = 3;
/** Share of the original that must be explained, beyond what chance does. */
const EXPLAINED_MIN = 0.25;

export function applyFit({ width, one, many }: Bond, fit: BondFit): Bond {
  return {
    width,
    one: mixRows(fit.one, one, width),
    many: many.map((block) => mixRows(fit.many, block, width)),
  };
}

/** Least squares on either side, one turned into the other's and averaged by how much they know. */
function toFit(ours: Bond, theirs: Bond): BondFit | null {
  const { width } = ours;
  const [fromOne, fromMany] = [regress([ours.one], [theirs.one], width), regress(ours.many, theirs.many, width)];
  const turned = fromMany && invert(transpose(fromMany, width), width);
  if (fromOne === null || turned === null) return null;
  const share = 1 / (1 + ours.many.length);
  const one = fromOne.map((value, at) => share * value + (1 - share) * turned[at]);
  const inverse = invert(one, width);
  return inverse === null ? null : { one, many: transpose(inverse, width) };
}

function invert(m: Float64Array, width: number): Float64Array | null {
  return solve(
    m,
    Float64Array.from(m, (_, at) => Number(at % (width + 1) === 0)),
    width,
  );
}

/** m with m · theirs ≈ ours in the least squares. */
function regress(ours: readonly Block[], theirs: readonly Block[], width: number): Float64Array | null {
  const own = toGram(theirs, theirs, width);
  const solved = solve(own, toGram(theirs, ours, width), width);
  return solved === null ? null : transpose(solved, width);
}

/** Σ a · bᵀ; a little of the mean on the diagonal where a is b, against entries that are nearly dependent. */
function toGram(a: readonly Block[], b: readonly Block[], width: number): Float64Array {
  const sum = new Float64Array(width * width);
  a.forEach((block, at) => {
    const product = multiplyTurned(block, b[at], width);
    for (let i = 0; i < sum.length; i++) sum[i] += product[i];
  });
  if (a !== b) return sum;
  let trace = 0;
  for (let i = 0; i < width; i++) trace += sum[i * (width + 1)];
  for (let i = 0; i < width; i++) sum[i * (width + 1)] += (RIDGE * trace) / width;
  return sum;
}

const RIDGE = 1e-6;

function toPairs(ours: Bond, theirs: Bond): (readonly [Block, Block])[] {
  return [[ours.one, theirs.one], ...ours.many.map((block, at) => [block, theirs.many[at]] as const)];
}

export function toCosine(a: Float32Array, b: Float32Array): number {
  let [product, own, other] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    product += a[i] * b[i];
    own += a[i] * a[i];
    other += b[i] * b[i];
  }
  return own > 0 && other > 0 ? product / Math.sqrt(own * other) : 0;
}

/**
 * What is left of fixed vectors [others, looks] in the span of a block's rows: the same for every matrix that mixes them,
 * so that heads are told apart by it whatever was done inside.
 */
export function toSpan(block: Block, width: number, vectors: Float32Array, looks: number): Float32Array {
  const others = block.length / width;
  const products = new Float64Array(width * looks);
  for (let row = 0; row < width; row++) {
    for (let k = 0; k < others; k++) {
      const value = block[row * others + k];
      for (let look = 0; look < looks; look++) products[row * looks + look] += value * vectors[k * looks + look];
    }
  }
  const span = new Float32Array(others * looks);
  const own = [block];
  const factors = solve(toGram(own, own, width), products, width);
  if (factors === null) return span;
  for (let row = 0; row < width; row++) {
    for (let k = 0; k < others; k++) {
      const value = block[row * others + k];
      for (let look = 0; look < looks; look++) span[k * looks + look] += value * factors[row * looks + look];
    }
  }
  return span;
}
