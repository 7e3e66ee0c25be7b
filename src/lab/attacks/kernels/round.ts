/** Coarser number formats, decoded back to float: what a converted copy computes with. */
import { decodeFloats, encodeFloats, type FloatDType } from '../../../model/floats.ts';

/** Elements that share one scale in the GGUF types. */
const BLOCK = 32;

/** Rounds to another floating-point type and back. */
export function roundToFloat(values: Float32Array, dtype: FloatDType): Float32Array {
  const bytes = new Uint8Array(values.length * (dtype === 'f16' || dtype === 'bf16' ? 2 : 1));
  encodeFloats(dtype, values, bytes);
  const rounded = new Float32Array(values.length);
  decodeFloats(dtype, bytes, rounded);
  return rounded;
}

/** Largest finite values of the 8-bit types: a tensor is scaled so that its largest weight meets them. */
const TOP = { f8e4m3fn: 448, f8e5m2: 57_344 } as const;

/** Eight-bit floats with one scale per tensor, as inference servers store them. */
export function roundToFp8(values: Float32Array, dtype: keyof typeof TOP): Float32Array {
  const largest = toLargest(values);
  if (largest === 0) return values.slice();
  const scale = largest / TOP[dtype];
  return roundToFloat(
    values.map((value) => value / scale),
    dtype,
  ).map((value) => value * scale);
}

function toLargest(values: Float32Array): number {
  let largest = 0;
  for (const value of values) largest = Math.max(largest, Math.abs(value));
  return largest;
}

/** Symmetric integers of `bits` bits with one scale for each run of `group` values. */
export function roundToInts(values: Float32Array, bits: number, group: number): Float32Array {
  const top = 2 ** (bits - 1) - 1;
  return mapGroups(values, group, (part) => {
    const scale = toLargest(part) / top;
    return part.map((value) => (scale === 0 ? 0 : scale * Math.round(value / scale)));
  });
}

/** GGUF Q8_0: 32 codes in ± 127 and a half-precision scale. @see ggml `quantize_row_q8_0_ref` */
export function roundToQ8(values: Float32Array): Float32Array {
  return mapGroups(values, BLOCK, (part) => {
    const exact = toLargest(part) / 127;
    const [scale] = roundToFloat(Float32Array.of(exact), 'f16');
    return part.map((value) => (exact === 0 ? 0 : scale * Math.round(value / exact)));
  });
}

/** GGUF Q4_0: 32 codes from -8 to 7; the value of the largest size becomes -8 scales. @see ggml `quantize_row_q4_0_ref` */
export function roundToQ4(values: Float32Array): Float32Array {
  return mapGroups(values, BLOCK, (part) => {
    const extreme = part.reduce((best, value) => (Math.abs(value) > Math.abs(best) ? value : best), 0);
    const exact = extreme / -8;
    const [scale] = roundToFloat(Float32Array.of(exact), 'f16');
    return part.map((value) => (exact === 0 ? 0 : scale * (Math.min(15, Math.trunc(value / exact + 8.5)) - 8)));
  });
}

function mapGroups(values: Float32Array, size: number, map: (part: Float32Array) => Float32Array): Float32Array {
  const mapped = new Float32Array(values.length);
  for (let at = 0; at < values.length; at += size) mapped.set(map(values.subarray(at, at + size)), at);
  return mapped;
}
