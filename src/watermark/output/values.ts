/** Numbers of recorded outputs. */
import { WatermarkError } from '../../core/errors.ts';
import { WATERMARK_LIMITS } from '../../core/limits/watermark.ts';
import { DTYPES } from '../../model/dtype.ts';
import { decodeFloats, isFloatDType } from '../../model/floats.ts';
import { decodeInts, isIntDType } from '../../model/ints.ts';
import type { RuntimeTensor } from '../../model/runtime.ts';

/** Recorded outputs by name: of one run, or of many along the first axis. */
export type Recording = ReadonlyMap<string, RuntimeTensor>;

/** @throws WatermarkError WATERMARK_RECORDING_MALFORMED */
export function toMalformed(problem: string, output?: string): WatermarkError {
  return new WatermarkError('WATERMARK_RECORDING_MALFORMED', {
    fields: { problem, ...(output !== undefined && { output }) },
  });
}

/**
 * The recorded value of an output; a recording of one nameless value is taken for it.
 * @throws WatermarkError WATERMARK_RECORDING_MALFORMED
 */
export function findRecorded(recording: Recording, output: string): RuntimeTensor {
  const found = recording.get(output) ?? (recording.size === 1 ? recording.get('') : undefined);
  if (found === undefined) throw toMalformed('the recording has no such output', output);
  return found;
}

/** All numbers, row-major. @throws WatermarkError WATERMARK_RECORDING_MALFORMED */
export function toNumbers({ dtype, shape, data }: RuntimeTensor): Float64Array {
  const count = shape.reduce((product, dim) => product * dim, 1);
  if (count > WATERMARK_LIMITS.recordingElementsMax) throw toMalformed('the recording is too large');
  const values = new Float64Array(count);
  if (data.length * 8 !== count * DTYPES[dtype].bits) throw toMalformed('bytes and shape do not agree');
  if (isFloatDType(dtype)) decodeFloats(dtype, data, values);
  else if (isIntDType(dtype)) decodeInts(dtype, data, values);
  else throw toMalformed(`elements are ${dtype}`);
  return values;
}
