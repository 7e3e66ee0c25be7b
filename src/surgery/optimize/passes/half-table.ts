/** Operators that compute in f16, by the inputs that then must be f16; all others stay in f32. */

/** Positions, or all. */
export type HalfInputs = 'all' | readonly number[];

const list = (inputs: HalfInputs, names: string): [string, HalfInputs][] => names.split(' ').map((op) => [op, inputs]);

const ROWS: ReadonlyMap<string, HalfInputs> = new Map([
  ...list(
    'all',
    'Abs Add AveragePool BatchNormalization Ceil Clip Concat Conv ConvTranspose DepthToSpace Div Elu Erf Exp Flatten Floor ' +
      'Gelu Gemm GlobalAveragePool GlobalMaxPool GroupNormalization HardSigmoid HardSwish Identity InstanceNormalization ' +
      'LRN LayerNormalization LeakyRelu Log LogSoftmax MatMul Max MaxPool Mean Min Mish Mul Neg PRelu Pow ' +
      'RMSNormalization Reciprocal Relu Selu Sigmoid Softmax Softplus Softsign SpaceToDepth Sqrt Sub Sum Tanh Transpose',
  ),
  ...list([0], 'Dropout Expand Gather GatherElements ReduceL2 ReduceMax ReduceMean ReduceMin ReduceSum Reshape Resize'),
  ...list([0], 'Slice Split Squeeze Tile Unsqueeze'),
  ...list([0, 2], 'Pad'),
  ...list([1, 2], 'Where'),
  ...list([0, 1, 2, 3, 5, 6, 7], 'GRU LSTM RNN'),
]);

/** Undefined for operators that stay in f32. */
export function findHalfInputs(domain: string, op: string): HalfInputs | undefined {
  return domain === '' ? ROWS.get(op) : undefined;
}
