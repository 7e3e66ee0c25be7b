/**
 * A checksum of the predictions, as a further output or as a last column. It finds truncation, mixed-up rows and damage on the
 * way; it has no key, so whoever has the file can compute it for other predictions.
 */
import type { RuntimeTensor } from '../../model/runtime.ts';
import type { Transaction } from '../../surgery/index.ts';
import { MarkBuilder, type MarkId } from './builder.ts';
import { findOutputType, type OutputType, retypeOutputs, toGrown, toUnfit } from './outputs.ts';
import { findRecorded, type Recording, toMalformed, toNumbers } from './values.ts';

export interface ChecksumParams {
  /** The output that is summed. */
  readonly output: string;
  /** Name of the further output; null for a last column of the output itself. */
  readonly into: string | null;
  /** Scores are rounded down to whole steps before they are summed. */
  readonly step: number;
}

/** The largest prime below 2^23: sums are exact in float32 columns, and products of 2^46 leave room for 2^17 terms. */
const MODULUS = 8_388_593;
/** Generates the coefficients; a primitive step, so that no two neighbouring positions have the same. */
const BASE = 5_001_353;
const TERMS_MAX = 2 ** 17;

/** Coefficient of position i: BASE^(i+1) modulo MODULUS. */
function toCoefficients(count: number): Float64Array {
  const coefficients = new Float64Array(count);
  let value = 1n;
  for (let i = 0; i < count; i++) {
    value = (value * BigInt(BASE)) % BigInt(MODULUS);
    coefficients[i] = Number(value);
  }
  return coefficients;
}

/** Elements of one row: all axes but the first, or the only one. @throws WatermarkError WATERMARK_OUTPUT_UNFIT */
function countTerms({ name, shape }: OutputType): number {
  const dims = shape.length > 1 ? shape.slice(1) : shape;
  const terms = dims.reduce<number>((product, dim) => (typeof dim === 'number' ? product * dim : Number.NaN), 1);
  if (!(terms > 0 && terms <= TERMS_MAX))
    throw toUnfit(name, `a row has no declared number of elements up to ${TERMS_MAX}`);
  return terms;
}

/**
 * c = Σ BASE^(i+1) · (q_i mod p) mod p with q_i = ⌊x_i · (1 / step) + 1/2⌋ in float32, one for each row.
 * @throws WatermarkError WATERMARK_OUTPUT_UNFIT; SurgeryError
 */
export function addChecksum(tx: Transaction, id: MarkId, params: ChecksumParams): void {
  const type = findOutputType(tx, params.output);
  const terms = countTerms(type);
  const isColumn = params.into === null;
  if (!['f16', 'f32', 'f64'].includes(type.dtype)) throw toUnfit(type.name, `elements are ${type.dtype}`);
  if (isColumn && (type.shape.length !== 2 || type.dtype === 'f16')) {
    throw toUnfit(type.name, 'a column needs rows of f32 or f64: two axes');
  }
  const builder = new MarkBuilder(tx, id);
  if (params.into === null) {
    builder.onOutput({ output: type.name, use: 'checksum' }, (value) => {
      const sum = buildSum(builder, { value, terms, step: params.step });
      const column = builder.node('Cast', [sum], { to: { int: type.dtype === 'f64' ? 11 : 1 } });
      return { op: 'Concat', inputs: [value, column], attributes: { axis: { int: 1 } } };
    });
    retypeOutputs(tx, new Map([[type.name, toGrown(type, 1, 1)]]));
    return;
  }
  const sum = buildSum(builder, { value: type.name, terms, step: params.step });
  const rows = type.shape.length > 1 ? type.shape[0] : 1;
  builder.addOutput(
    { output: params.into, use: 'checksum' },
    { op: 'Identity', inputs: [sum] },
    { dtype: 'i64', shape: [rows, 1] },
  );
}

/** i64 [rows, 1]. Only operators that every operator set since 8 has: remainders are by division. */
function buildSum(
  builder: MarkBuilder,
  { value, terms, step }: { readonly value: string; readonly terms: number; readonly step: number },
): string {
  const int = (name: string, number: number): string => builder.scalar(name, 'i64', number);
  const float = builder.node('Cast', [value], { to: { int: 1 } });
  const shape = builder.constant('rows', { dtype: 'i64', shape: [2], values: [-1, terms] });
  const flat = builder.node('Reshape', [float, shape]);
  const scaled = builder.node('Mul', [flat, builder.scalar('perStep', 'f32', Math.fround(1 / step))]);
  const whole = builder.node('Floor', [builder.node('Add', [scaled, builder.scalar('half', 'f32', 0.5)])]);
  const number = builder.node('Cast', [whole], { to: { int: 7 } });
  const modulus = int('modulus', MODULUS);
  const remainder = (of: string): string =>
    builder.node('Sub', [of, builder.node('Mul', [builder.node('Div', [of, modulus]), modulus])]);
  const positive = remainder(builder.node('Add', [remainder(number), modulus]));
  return remainder(buildProduct(builder, positive, terms));
}

/** MatMul takes integers from this operator set on; before, there is the sum of products. */
const INT_MATMUL_OPSET_MIN = 9;

function buildProduct(builder: MarkBuilder, rows: string, terms: number): string {
  const values = [...toCoefficients(terms)];
  if ((builder.tx.opset('') ?? 0) >= INT_MATMUL_OPSET_MIN) {
    return builder.node('MatMul', [
      rows,
      builder.constant('coefficients', { dtype: 'i64', shape: [terms, 1], values }),
    ]);
  }
  const coefficients = builder.constant('coefficients', { dtype: 'i64', shape: [1, terms], values });
  return builder.node('ReduceSum', [builder.node('Mul', [rows, coefficients])], {
    axes: { ints: [1] },
    keepdims: { int: 1 },
  });
}

export interface ChecksumReading {
  readonly rows: number;
  /** Rows whose checksum is another one. */
  readonly wrong: readonly number[];
}

/**
 * Computes the checksum of every recorded row again.
 * @throws WatermarkError WATERMARK_RECORDING_MALFORMED
 */
export function readChecksum(recording: Recording, params: ChecksumParams): ChecksumReading {
  const value = findRecorded(recording, params.output);
  const numbers = toNumbers(value);
  const { rows, given, terms } = split(recording, params, value);
  if (rows === 0 || !Number.isInteger(terms) || terms < 1 || terms > TERMS_MAX || given.length !== rows) {
    throw toMalformed('rows and checksums are not equally many', params.output);
  }
  const width = numbers.length / rows;
  const coefficients = toCoefficients(terms);
  const perStep = Math.fround(1 / params.step);
  const wrong: number[] = [];
  for (let row = 0; row < rows; row++) {
    let sum = 0;
    for (let i = 0; i < terms; i++) sum += (toTerm(numbers[row * width + i], perStep) * coefficients[i]) % MODULUS;
    if (sum % MODULUS !== given[row]) wrong.push(row);
  }
  return { rows, wrong };
}

/** As the graph does it in float32; NaN, and so a wrong row, for what float32 does not count in whole steps. */
function toTerm(value: number, perStep: number): number {
  const whole = Math.floor(Math.fround(Math.fround(Math.fround(value) * perStep) + 0.5));
  return Number.isSafeInteger(whole) ? ((whole % MODULUS) + MODULUS) % MODULUS : Number.NaN;
}

function split(
  recording: Recording,
  { output, into }: ChecksumParams,
  value: RuntimeTensor,
): { readonly rows: number; readonly terms: number; readonly given: ArrayLike<number> } {
  const count = value.shape.reduce((product, dim) => product * dim, 1);
  if (into === null) {
    const [rows, width] = value.shape;
    if (value.shape.length !== 2) throw toMalformed('a column of checksums is in an array of two axes', output);
    const numbers = toNumbers(value);
    return { rows, terms: width - 1, given: Array.from({ length: rows }, (_, row) => numbers[(row + 1) * width - 1]) };
  }
  const given = toNumbers(findRecorded(recording, into));
  return { rows: given.length, terms: count / given.length, given };
}
