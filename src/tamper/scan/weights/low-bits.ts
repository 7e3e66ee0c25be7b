/**
 * Rule W04: the low mantissa bits of f32 weights.
 *
 * Null hypothesis: a weight was trained or computed in f32. Sums of larger numbers leave zeros in the lowest bits, more
 * or fewer; above the lowest bit that is set, the density of weights over neighbouring codes is flat. So, among weights
 * whose lowest bit is set, the eight bits above are uniform and independent from weight to weight. Pearson's χ² with 255
 * degrees of freedom over at least 4,096 such weights; by the Wilson-Hilferty cube root it is a standard normal z, and
 * the alarm at z > 6 is false once in 10^9 tensors. Text is looked for by itself: a run of 48 printable characters in
 * random bits has the probability 0.37^48 = 2^-68 at each place.
 *
 * Random bits are uniform, too: a payload that is encrypted cannot be told from natural low bits, by anyone. What can be
 * told is text and code in the low bits of trained weights, and anything at all in weights that were rounded to half
 * precision, whose low bits are zero.
 *
 * @see A. Westfeld and A. Pfitzmann, "Attacks on Steganographic Systems", Information Hiding 1999
 * @see E. B. Wilson and M. M. Hilferty, "The distribution of chi-square", PNAS 17 (1931)
 */
import type { TensorRef } from '../../../model/types.ts';
import type { ScanFinding } from '../finding.ts';

const WEIGHTS_MIN = 4096;
const Z_ALARM = 6;
/** Weights whose codes are looked at to tell a grid from a continuum. */
const PROBE = 4096;
/** Below this share of distinct values, weights lie on a grid, and the null does not hold. */
const DISTINCT_SHARE = 0.7;

/** Printable characters in a row, and how many different ones: patterns of two or three are grids. */
const RUN_MIN = 48;
const RUN_DISTINCT = 8;

/** 1 for printable characters, line ends and tabs. */
const PRINTABLE = Uint8Array.from({ length: 256 }, (_, byte) =>
  (byte >= 32 && byte < 127) || byte === 10 || byte === 9 ? 1 : 0,
);

/** Looks for text in a stream of bytes. */
class TextRun {
  #length = 0;
  readonly #last = new Uint8Array(RUN_MIN);
  isFound = false;

  add(byte: number): void {
    if (PRINTABLE[byte] === 0) {
      this.#length = 0;
      return;
    }
    this.#last[this.#length % RUN_MIN] = byte;
    this.#length++;
    if (this.#length >= RUN_MIN && !this.isFound) this.isFound = new Set(this.#last).size >= RUN_DISTINCT;
  }
}

export class LowBits {
  readonly #counts = new Float64Array(256);
  /** Weights that are exact in half precision or bfloat16. */
  #onGrid = 0;
  #total = 0;
  readonly #probe = new Set<number>();
  #probed = 0;
  /** Low bytes of the first weights, where a payload begins. */
  readonly head = new Uint8Array(64);
  #headLength = 0;
  readonly #byteRun = new TextRun();
  /** The lowest bits of eight weights, first weight lowest and first weight highest. */
  readonly #bitRuns = [new TextRun(), new TextRun()];
  #lowFirst = 0;
  #highFirst = 0;
  #bitCount = 0;

  /** @param codes bits of f32 values */
  add(codes: Uint32Array): void {
    for (const code of codes) {
      const low = code & 0xff;
      if (this.#headLength < this.head.length) this.head[this.#headLength++] = low;
      this.#byteRun.add(low);
      this.#addBit(code & 1);
      const exponent = (code >>> 23) & 0xff;
      if (exponent === 0 || exponent === 0xff) continue;
      this.#total++;
      if ((code & 1) === 1) this.#counts[(code >>> 1) & 0xff]++;
      if ((code & 0x1fff) === 0) this.#onGrid++;
      if (this.#probed < PROBE) {
        this.#probed++;
        this.#probe.add(code);
      }
    }
  }

  judge(tensor: TensorRef): ScanFinding | null {
    if (this.#byteRun.isFound || this.#bitRuns.some(({ isFound }) => isFound)) {
      const place = this.#byteRun.isFound ? 'bytes' : 'bits';
      return { ...toFinding(tensor, `the low ${place} of its weights spell text`), severity: 'high' };
    }
    if (this.#total < WEIGHTS_MIN) return null;
    const share = this.#onGrid / this.#total;
    if (share > 0.999) return null;
    if (share > 0.02 && this.#distinctShare() > DISTINCT_SHARE / 4) {
      const percent = (100 * share).toFixed(1);
      return toFinding(
        tensor,
        `${percent} % of its weights are exact in half precision, the others are not: something was written into rounded weights`,
      );
    }
    if (this.#distinctShare() < DISTINCT_SHARE) return null;
    const odd = this.#counts.reduce((sum, count) => sum + count, 0);
    const z = odd < WEIGHTS_MIN ? 0 : toChiSquareZ(this.#counts, odd);
    if (z <= Z_ALARM) return null;
    return toFinding(tensor, `the low bits of its ${this.#total} weights are not uniform (z = ${z.toFixed(1)})`);
  }

  #addBit(bit: number): void {
    this.#lowFirst |= bit << this.#bitCount;
    this.#highFirst |= bit << (7 - this.#bitCount);
    this.#bitCount++;
    if (this.#bitCount < 8) return;
    this.#bitRuns[0].add(this.#lowFirst);
    this.#bitRuns[1].add(this.#highFirst);
    this.#lowFirst = 0;
    this.#highFirst = 0;
    this.#bitCount = 0;
  }

  #distinctShare(): number {
    return this.#probe.size / this.#probed;
  }
}

/** Standard normal z of Pearson's χ² against equal cells. */
function toChiSquareZ(counts: Float64Array, total: number): number {
  const expected = total / counts.length;
  const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  const degrees = counts.length - 1;
  const spread = 2 / (9 * degrees);
  return (Math.cbrt(chiSquare / degrees) - (1 - spread)) / Math.sqrt(spread);
}

function toFinding({ name }: TensorRef, what: string): ScanFinding {
  const message = `Tensor "${name}": ${what}.`;
  return { rule: 'W04', severity: 'suspicious', message, subject: name, kind: 'tensor', path: [], offset: null };
}
