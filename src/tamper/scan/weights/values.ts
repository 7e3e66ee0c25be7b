/** Rules W01, W02 and W03: numbers that no training makes. */
import { SCAN_LIMITS } from '../../../core/limits/scan.ts';
import type { TensorRef } from '../../../model/types.ts';
import type { ScanFinding } from '../finding.ts';

/** Empty powers of two between the outliers and the rest: one flipped bit 27 of an f32 makes a gap of 16. */
const GAP_POWERS = 16;
const OUTLIERS_SHARE = 1e-4;
const VALUES_MIN = 32;
const ROWS_MIN = 16;
/** Norm of an outlying row in medians of all rows: told from 50 on, which real networks reach, alarmed from 1,000 on. */
const ROW_FACTOR = 50;
const ROW_FACTOR_ALARM = 1000;
const ROWS_SHARE = 0.005;

export class Values {
  readonly #tensor: TensorRef;
  readonly #rowLength: number;
  readonly #rows: Float64Array | null;
  /** Values by exponent, f32 codes. */
  readonly #exponents = new Float64Array(256);
  #nan = 0;
  #infinite = 0;
  #total = 0;

  constructor(tensor: TensorRef) {
    const { shape, elementCount } = tensor;
    this.#tensor = tensor;
    const rows = shape.length >= 2 ? shape[0] : 0;
    this.#rowLength = rows > 0 ? elementCount / rows : 0;
    this.#rows = rows >= ROWS_MIN && rows <= SCAN_LIMITS.rowsMax ? new Float64Array(rows) : null;
  }

  /** @param codes the bits of `values` */
  add(index: number, values: Float32Array, codes: Uint32Array): void {
    for (const code of codes) {
      const exponent = (code >>> 23) & 0xff;
      this.#exponents[exponent]++;
      if (exponent === 0xff && (code & 0x7fffff) !== 0) this.#nan++;
    }
    this.#total += values.length;
    this.#infinite = this.#exponents[0xff] - this.#nan;
    if (this.#rows !== null) this.#addRows(this.#rows, index, values);
  }

  /** Squares of the finite values by row. */
  #addRows(rows: Float64Array, index: number, values: Float32Array): void {
    for (let at = 0; at < values.length; ) {
      const row = Math.floor((index + at) / this.#rowLength);
      const end = Math.min(values.length, (row + 1) * this.#rowLength - index);
      let sum = 0;
      for (; at < end; at++) if (Number.isFinite(values[at])) sum += values[at] * values[at];
      rows[row] += sum;
    }
  }

  judge(): ScanFinding[] {
    return [this.#judgeFinite(), this.#judgeOutliers(), this.#judgeRows()].filter((finding) => finding !== null);
  }

  #toFinding(rule: 'W01' | 'W02' | 'W03', severity: ScanFinding['severity'], what: string): ScanFinding {
    const { name } = this.#tensor;
    const message = `Tensor "${name}" ${what}.`;
    return { rule, severity, message, subject: name, kind: 'tensor', path: [], offset: null };
  }

  #judgeFinite(): ScanFinding | null {
    if (this.#nan > 0) return this.#toFinding('W01', 'suspicious', `holds ${this.#nan} values that are no number`);
    if (this.#infinite === 0) return null;
    // A mask is infinite in large part; among weights a few are a fault.
    const severity = this.#infinite <= 0.01 * this.#total ? 'suspicious' : 'benign';
    return this.#toFinding('W01', severity, `holds ${this.#infinite} infinite values`);
  }

  #judgeOutliers(): ScanFinding | null {
    const most = Math.max(4, Math.floor(OUTLIERS_SHARE * this.#total));
    let above = 0;
    let gap = 0;
    for (let exponent = 254; exponent > 0 && this.#total >= VALUES_MIN; exponent--) {
      const count = this.#exponents[exponent];
      if (above > 0 && count > 0 && gap >= GAP_POWERS) {
        const what = `holds ${above} values at least 2^${gap} times as large as the other ${this.#total - above}`;
        return this.#toFinding('W02', 'suspicious', what);
      }
      above += count;
      gap = count > 0 ? 0 : gap + 1;
      if (above > most) return null;
    }
    return null;
  }

  #judgeRows(): ScanFinding | null {
    const rows = this.#rows;
    if (rows === null || this.#rowLength < 4) return null;
    const sorted = Float64Array.from(rows).sort();
    const median = sorted[sorted.length >> 1];
    if (!(median > 0)) return null;
    const large = [...rows.keys()].filter((row) => rows[row] > ROW_FACTOR ** 2 * median);
    if (large.length === 0 || large.length > Math.max(1, ROWS_SHARE * rows.length)) return null;
    const listed = large.slice(0, 8).join(', ');
    const isAlarm = large.some((row) => rows[row] > ROW_FACTOR_ALARM ** 2 * median);
    return this.#toFinding(
      'W03',
      isAlarm ? 'suspicious' : 'benign',
      `has rows more than ${ROW_FACTOR} times as large as most: ${listed}`,
    );
  }
}
