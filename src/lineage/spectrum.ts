/** Peaks in the spectrum of a layer: rows that are laid out in step with their number (docs/spec/lineage.md §5). */

/** A peak of exchangeable rows exceeds this with probability e^-30; a layer has some 2^15 places for one. */
const PEAK_MAX = 30;

/**
 * Whether rows are laid out in step with their number: tiled identities, strided groups, permuted places, bases of a
 * transform. Looked at in the shares that numbers have of the power of their row, and in those that waves along it have.
 * Where the labels of neurons are exchangeable, no wave along the rows is stronger than the spread of the rows makes it.
 * @param values [rows][width]
 * @param groups number of each row's group, within which alone rows are exchangeable; one group without
 */
export function isInStep(values: Float32Array, rows: number, groups: Int32Array = new Int32Array(rows)): boolean {
  const width = values.length / rows;
  if (rows < 8 || width < 8) return false;
  const [across, along] = [toLength(width), toLength(rows)];
  const shares = new Float64Array(rows * across);
  const waves = new Float64Array(rows * across);
  for (let row = 0; row < rows; row++) {
    const own = values.subarray(row * width, (row + 1) * width);
    const [real, imaginary] = [new Float64Array(across), new Float64Array(across)];
    real.set(own);
    transform(real, imaginary);
    for (let i = 0; i < width; i++) shares[row * across + i] = own[i] ** 2;
    for (let i = 0; i < across; i++) waves[row * across + i] = real[i] ** 2 + imaginary[i] ** 2;
  }
  return [shares, waves].some((powers) => toPeak(powers, { rows, across, along, groups }) > PEAK_MAX);
}

interface Sizes {
  readonly rows: number;
  readonly across: number;
  readonly along: number;
  readonly groups: Int32Array;
}

/**
 * Largest power of a wave along the rows, for any wave across them, over the mean that exchangeable rows have. Dead rows say
 * nothing: they count as the mean.
 */
function toPeak(powers: Float64Array, { rows, across, along, groups }: Sizes): number {
  const reals = Array.from({ length: across / 2 + 1 }, () => new Float64Array(along));
  const imaginaries = reals.map(() => new Float64Array(along));
  const alive = new Map<number, number[]>();
  for (let row = 0; row < rows; row++) {
    const [real, imaginary] = [powers.slice(row * across, (row + 1) * across), new Float64Array(across)];
    let total = 0;
    for (let i = 0; i < across; i++) total += real[i];
    if (!(total > 0 && Number.isFinite(total))) continue;
    const others = alive.get(groups[row]) ?? [];
    alive.set(groups[row], others);
    others.push(row);
    transform(real, imaginary);
    for (let wave = 0; wave <= across / 2; wave++) {
      reals[wave][row] = real[wave] / total;
      imaginaries[wave][row] = imaginary[wave] / total;
    }
  }
  let peak = 0;
  for (const [wave, real] of reals.entries()) {
    const imaginary = imaginaries[wave];
    let spread = 0;
    for (const places of alive.values()) spread += centre(real, places) + centre(imaginary, places);
    if (!(spread > 1e-12)) continue;
    transform(real, imaginary);
    for (let i = 1; i < along; i++) peak = Math.max(peak, (real[i] ** 2 + imaginary[i] ** 2) / spread);
  }
  return peak;
}

/** Takes their mean off some numbers; returns the sum of their squares. */
function centre(values: Float64Array, places: readonly number[]): number {
  let [sum, squares] = [0, 0];
  for (const place of places) sum += values[place];
  for (const place of places) {
    values[place] -= sum / places.length;
    squares += values[place] ** 2;
  }
  return squares;
}

function toLength(count: number): number {
  return 2 ** Math.ceil(Math.log2(count));
}

/** Discrete Fourier transform in place; the length is a power of two. */
function transform(real: Float64Array, imaginary: Float64Array): void {
  const size = real.length;
  const { reversed, cosines, sines } = toTables(size);
  for (let i = 0; i < size; i++) {
    const j = reversed[i];
    if (i >= j) continue;
    [real[i], real[j]] = [real[j], real[i]];
    [imaginary[i], imaginary[j]] = [imaginary[j], imaginary[i]];
  }
  for (let half = 1; half < size; half *= 2) {
    const step = size / (2 * half);
    for (let first = 0; first < size; first += 2 * half) {
      for (let k = 0; k < half; k++) {
        const i = first + k;
        const j = i + half;
        const [c, s] = [cosines[k * step], sines[k * step]];
        const x = real[j] * c - imaginary[j] * s;
        const y = real[j] * s + imaginary[j] * c;
        real[j] = real[i] - x;
        imaginary[j] = imaginary[i] - y;
        real[i] += x;
        imaginary[i] += y;
      }
    }
  }
}

interface Tables {
  readonly reversed: Uint32Array;
  readonly cosines: Float64Array;
  readonly sines: Float64Array;
}

/** By length: a few small ones. */
const TABLES = new Map<number, Tables>();

function toTables(size: number): Tables {
  const known = TABLES.get(size);
  if (known !== undefined) return known;
  const reversed = new Uint32Array(size);
  for (let i = 1; i < size; i++) reversed[i] = (reversed[i >> 1] >> 1) | (i & 1 ? size >> 1 : 0);
  const toAngle = (k: number): number => (-2 * Math.PI * k) / size;
  const length = size / 2;
  const cosines = Float64Array.from({ length }, (_, k) => Math.cos(toAngle(k)));
  const sines = Float64Array.from({ length }, (_, k) => Math.sin(toAngle(k)));
  const tables = { reversed, cosines, sines };
  TABLES.set(size, tables);
  return tables;
}
