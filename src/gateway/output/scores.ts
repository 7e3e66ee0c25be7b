/** Floats of an output as numbers, and back. */
import { decodeFloats, encodeFloats, type FloatDType } from '../../model/floats.ts';
import type { NamedTensor } from '../ports.ts';

/** Values of a tensor of floats; exact. */
export function toScores({ dtype, data }: NamedTensor): Float64Array {
  const float = dtype as FloatDType;
  const bytes = float === 'f64' ? 8 : float === 'f32' ? 4 : 2;
  const scores = new Float64Array(data.length / bytes);
  decodeFloats(float, data, scores);
  return scores;
}

/** A tensor like `output` of these values, each rounded to its type. */
export function withScores(output: NamedTensor, scores: Float64Array): NamedTensor {
  const data = new Uint8Array(output.data.length);
  encodeFloats(output.dtype as FloatDType, scores, data);
  return { ...output, data };
}
