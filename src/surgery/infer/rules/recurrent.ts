/** Recurrent layers. */
import type { Rule } from '../call.ts';
import { type Dim, toTensorType } from '../types.ts';

/** Y [time, directions, batch, hidden], the last state, and of an LSTM the last cell. */
const recurrent: Rule = (call) => {
  const { dtype } = call.tensor(0);
  const isBatchFirst = call.int('layout', 0) === 1;
  const [first, second] = [call.dim(0, 0), call.dim(0, 1)];
  const [time, batch] = isBatchFirst ? [second, first] : [first, second];
  const directions = call.text('direction', 'forward') === 'bidirectional' ? 2 : 1;
  const hidden: Dim = call.int('hidden_size', null) ?? call.dim(2, 2);
  if (!call.isRank(0, 3)) return [];
  const states = isBatchFirst ? [batch, directions, hidden] : [directions, batch, hidden];
  const all = isBatchFirst ? [batch, time, directions, hidden] : [time, directions, batch, hidden];
  return [toTensorType(dtype, all), toTensorType(dtype, states), toTensorType(dtype, states)];
};

export const RECURRENT: Readonly<Record<string, Rule>> = { GRU: recurrent, LSTM: recurrent, RNN: recurrent };
