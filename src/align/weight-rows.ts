/** Operators whose constant operands are learned weights; everything else (tables, masks, anchors) stays untouched. */
import type { GraphNode } from '../model/types.ts';
import { findInt } from './attributes.ts';
import type { LayerKind } from './ports.ts';

/** How an operator uses its inputs, by their numbers. */
export interface WeightRow {
  readonly kind: LayerKind;
  readonly data: number;
  readonly weights: readonly number[];
  readonly bias: number | null;
  /** Out and in axis of the operand as the operator defines it; null when its elements lie in an order of their own. */
  readonly axes: (node: GraphNode, shape: readonly number[]) => readonly [number, number] | null;
}

type WeightRows = Readonly<Record<string, WeightRow | undefined>>;

function toRows(rows: Readonly<Record<string, WeightRow>>): WeightRows {
  return Object.assign(Object.create(null) as Record<string, WeightRow>, rows);
}

const conv: WeightRow = { kind: 'conv', data: 0, weights: [1], bias: 2, axes: () => [0, 1] };
const matMul: WeightRow = {
  kind: 'dense',
  data: 0,
  weights: [1],
  bias: null,
  axes: (_node, shape) => (shape.length === 2 ? [1, 0] : null),
};
const gemm: WeightRow = {
  kind: 'dense',
  data: 0,
  weights: [1],
  bias: 2,
  axes: (node) => (findInt(node, 'transB', 0) === 1 ? [0, 1] : [1, 0]),
};
const recurrent: WeightRow = { kind: 'recurrent', data: 0, weights: [1, 2], bias: null, axes: () => [1, 2] };
const embedding: WeightRow = { kind: 'embedding', data: 1, weights: [0], bias: null, axes: () => [1, 0] };

const ONNX_ROWS = toRows({
  Conv: conv,
  FusedConv: conv,
  ConvInteger: { ...conv, bias: null },
  QLinearConv: { ...conv, weights: [3], bias: 8 },
  ConvTranspose: { ...conv, axes: () => [1, 0] },
  Gemm: gemm,
  FusedGemm: gemm,
  MatMul: matMul,
  FusedMatMul: matMul,
  MatMulInteger: matMul,
  QLinearMatMul: { ...matMul, weights: [3] },
  Attention: { ...matMul, bias: 2 },
  LSTM: recurrent,
  GRU: recurrent,
  RNN: recurrent,
  Gather: embedding,
});

/** Kernels lie as [out, height, width, in], those of depthwise convolutions as [1, height, width, out]. */
const tfliteConv: WeightRow = { ...conv, axes: () => [0, 3] };
const tfliteTransposed: WeightRow = { ...tfliteConv, data: 2, bias: 3 };
const fullyConnected: WeightRow = {
  ...gemm,
  // Weights that were shuffled for one processor (weights_format 1) are in no order that other files share.
  axes: (node) => (findInt(node, 'weights_format', 0) === 0 ? [0, 1] : null),
};
/** Every gate has a matrix [units, in] of its own. */
const tfliteRecurrent: WeightRow = { ...recurrent, axes: () => [0, 1] };
const LSTM_WEIGHTS = [1, 2, 3, 4, 5, 6, 7, 8, 16];

const TFLITE_ROWS = toRows({
  CONV_2D: tfliteConv,
  DEPTHWISE_CONV_2D: { ...conv, axes: () => [3, 0] },
  TRANSPOSE_CONV: tfliteTransposed,
  CONV_3D: { ...conv, axes: () => [4, 3] },
  CONV_3D_TRANSPOSE: { ...tfliteTransposed, axes: () => [3, 4] },
  FULLY_CONNECTED: fullyConnected,
  BATCH_MATMUL: {
    ...matMul,
    axes: (node, shape) => {
      if (shape.length !== 2) return null;
      return findInt(node, 'adj_y', 0) === 1 ? [0, 1] : [1, 0];
    },
  },
  EMBEDDING_LOOKUP: { ...embedding, data: 0, weights: [1] },
  GATHER: embedding,
  SVDF: tfliteRecurrent,
  RNN: tfliteRecurrent,
  UNIDIRECTIONAL_SEQUENCE_RNN: tfliteRecurrent,
  BIDIRECTIONAL_SEQUENCE_RNN: { ...tfliteRecurrent, weights: [1, 2, 5, 6] },
  LSTM: { ...tfliteRecurrent, weights: LSTM_WEIGHTS },
  UNIDIRECTIONAL_SEQUENCE_LSTM: { ...tfliteRecurrent, weights: LSTM_WEIGHTS },
  BIDIRECTIONAL_SEQUENCE_LSTM: {
    ...tfliteRecurrent,
    weights: [...LSTM_WEIGHTS, ...LSTM_WEIGHTS.map((index) => index + 17)],
  },
});

const ROWS = new Map([
  ['', ONNX_ROWS],
  ['com.microsoft', ONNX_ROWS],
  ['tflite', TFLITE_ROWS],
]);

/** The row of an operator; undefined when it has no weights. */
export function findWeightRow({ domain, op }: GraphNode): WeightRow | undefined {
  return ROWS.get(domain)?.[op];
}

/** TFLite keeps channels last in values and kernels; ONNX keeps them before the places. */
export function isChannelsLast({ domain }: GraphNode): boolean {
  return domain === 'tflite';
}
