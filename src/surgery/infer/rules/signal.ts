/** Fourier transforms, and operators on texts. */
import { one, type Rule } from '../call.ts';
import { type Dim, toTensorType } from '../types.ts';
import { toBroadcast } from './elementwise.ts';

/** Length of a transform: all of it, or the half that a real signal needs. */
function toSpectrum(length: Dim, isOneSided: boolean): Dim {
  return isOneSided ? (typeof length === 'number' ? Math.floor(length / 2) + 1 : null) : length;
}

/** From a real signal to half of its spectrum, or back; without a length, one of even length is made. */
function toHalf(length: Dim, isDefault: boolean, isInverse: boolean): Dim {
  if (!isInverse) return toSpectrum(length, true);
  if (!isDefault) return length;
  return typeof length === 'number' ? 2 * (length - 1) : null;
}

const dft: Rule = (call) => {
  const { dtype, shape } = call.tensor(0);
  if (shape === null) return one(toTensorType(dtype, null));
  const given = call.version < 20 ? call.int('axis', 1) : call.has(2) ? (call.tensor(2).value?.[0] ?? null) : -2;
  const axis = typeof given === 'number' ? call.axis(given, shape.length) : null;
  const isOneSided = call.int('onesided', 0) !== 0;
  const isInverse = call.int('inverse', 0) !== 0;
  // From half a spectrum, the inverse makes a real signal.
  const last = isOneSided && isInverse ? 1 : 2;
  const length = call.has(1) ? (call.tensor(1).value?.[0] ?? null) : axis === null ? null : shape[axis];
  const transformed = isOneSided ? toHalf(length, isInverse && !call.has(1), isInverse) : length;
  const dims = shape.map((dim, at): Dim => {
    if (at === shape.length - 1) return last;
    if (axis === null) return null;
    return at === axis ? transformed : dim;
  });
  return one(toTensorType(dtype, dims));
};

const stft: Rule = (call) => {
  const { dtype, shape } = call.tensor(0);
  const step = call.tensor(1).value?.[0] ?? null;
  const length = call.has(3) ? (call.tensor(3).value?.[0] ?? null) : call.dim(2, 0);
  const signal = shape?.[1] ?? null;
  const isKnown = typeof signal === 'number' && typeof step === 'number' && typeof length === 'number' && step > 0;
  const frames = isKnown ? Math.floor((signal - length) / step) + 1 : null;
  const bins = toSpectrum(length, call.int('onesided', 1) !== 0);
  return one(toTensorType(dtype, [shape?.[0] ?? null, frames, bins, 2]));
};

const stringConcat: Rule = (call) => one(toTensorType('string', toBroadcast(call, [0, 1])));
const regexFullMatch: Rule = (call) => one(toTensorType('bool', call.shape(0)));

const stringSplit: Rule = (call) => {
  const shape = call.shape(0);
  return [toTensorType('string', shape === null ? null : [...shape, null]), toTensorType('i64', shape)];
};

/** Stop words may be left out. */
const stringNormalizer: Rule = (call) => {
  const shape = call.shape(0);
  return one(toTensorType('string', shape === null ? null : shape.length === 2 ? [1, null] : [null]));
};

const tfIdf: Rule = (call) => {
  const shape = call.shape(0);
  const indexes = call.ints('ngram_indexes');
  const size = indexes === null || indexes.length === 0 ? null : 1 + indexes.reduce((a, b) => Math.max(a, b), 0);
  return one(toTensorType('f32', shape === null ? null : [...shape.slice(0, -1), size]));
};

export const SIGNAL: Readonly<Record<string, Rule>> = {
  DFT: dft,
  RegexFullMatch: regexFullMatch,
  STFT: stft,
  StringConcat: stringConcat,
  StringNormalizer: stringNormalizer,
  StringSplit: stringSplit,
  TfIdfVectorizer: tfIdf,
};
