/** Normalisation, dropout and losses. */
import { one, type Rule, rows } from '../call.ts';
import { findUnified } from '../dims.ts';
import { toTensorType } from '../types.ts';
import { sameAsFirst } from './elementwise.ts';

const batchNorm: Rule = (call) => {
  const { dtype, shape } = call.tensor(0);
  const channels = shape === null ? null : shape.length === 1 ? 1 : (shape[1] ?? null);
  for (let input = 1; input < 5; input++) {
    if (findUnified(channels, call.dim(input, 0)) !== undefined) continue;
    call.conflict('dimension', `${channels ?? '?'} channels, input ${input} has ${call.dim(input, 0) ?? '?'}`);
  }
  const statistics = toTensorType(call.tensor(3).dtype, call.shape(3));
  return [toTensorType(dtype, shape), statistics, statistics, statistics, statistics];
};

/** Mean and inverse deviation have the shape with the normalised axes at 1, in the type they are computed in. */
const layerNorm: Rule = (call) => {
  const { dtype, shape } = call.tensor(0);
  const axis = shape === null ? null : call.axis(call.int('axis', -1), shape.length);
  const dims = shape === null || axis === null ? null : shape.map((dim, at) => (at < axis ? dim : 1));
  const statistics = toTensorType(call.int('stash_type', 1) === 1 ? 'f32' : dtype, dims);
  return [toTensorType(dtype, shape), statistics, statistics];
};

const dropout: Rule = (call) => {
  const { dtype, shape } = call.tensor(0);
  return [toTensorType(dtype, shape), toTensorType(call.version < 10 ? dtype : 'bool', shape)];
};

/** One number, or one per label. */
const negativeLogLikelihood: Rule = (call) => {
  const { dtype } = call.tensor(0);
  return one(toTensorType(dtype, call.text('reduction', 'mean') === 'none' ? call.shape(1) : []));
};

const crossEntropy: Rule = (call) => [...negativeLogLikelihood(call), ...sameAsFirst(call)];

export const NORMALIZE: Readonly<Record<string, Rule>> = Object.fromEntries([
  ...rows(
    sameAsFirst,
    'GroupNormalization InstanceNormalization LRN LpNormalization MeanVarianceNormalization RMSNormalization ' +
      'CumProd CumSum',
  ),
  ['BatchNormalization', batchNorm],
  ['Dropout', dropout],
  ['LayerNormalization', layerNorm],
  ['NegativeLogLikelihoodLoss', negativeLogLikelihood],
  ['SoftmaxCrossEntropyLoss', crossEntropy],
]);
