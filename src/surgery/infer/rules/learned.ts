/** The domains beside the standard one: classical learning, and optimisers of training. */
import { type Call, one, type Rule, rows } from '../call.ts';
import { toTensorType } from '../types.ts';
import { sameAsFirst } from './elementwise.ts';

const extract: Rule = (call) => {
  const { dtype, shape } = call.tensor(0);
  const count = call.shape(1);
  const chosen = count === null ? null : (count.at(-1) ?? 1);
  if (shape === null) return one(toTensorType(dtype, null));
  return one(toTensorType(dtype, shape.length === 1 ? [1, chosen] : [...shape.slice(0, -1), chosen]));
};

const encode: Rule = (call) => one(toTensorType(toLabelDType(call), call.shape(0)));

function toLabelDType(call: Call): 'string' | 'f32' | 'i64' | null {
  if (call.attribute('values_strings') !== undefined) return 'string';
  if (call.attribute('values_floats') !== undefined) return 'f32';
  return call.attribute('values_int64s') !== undefined ? 'i64' : null;
}

/** Of the domain ai.onnx.ml. */
export const LEARNED: Readonly<Record<string, Rule>> = Object.fromEntries([
  ...rows(sameAsFirst, 'Binarizer'),
  ['ArrayFeatureExtractor', extract],
  ['LabelEncoder', encode],
  ['Scaler', (call: Call) => one(toTensorType('f32', call.shape(0)))],
]);
