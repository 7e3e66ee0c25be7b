/** What operators mean to the scan, under one set of names for all formats. */

const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));

/** TFLite operators whose name in ONNX is not their own in another case. */
const TFLITE_NAMES: Readonly<Record<string, string>> = Object.assign(Object.create(null) as object, {
  SELECT: 'Where',
  SELECT_V2: 'Where',
  LOGISTIC: 'Sigmoid',
  MAXIMUM: 'Max',
  MINIMUM: 'Min',
  CONCATENATION: 'Concat',
  PACK: 'Concat',
  CONV_2D: 'Conv',
  CONV_3D: 'Conv',
  DEPTHWISE_CONV_2D: 'Conv',
  FULLY_CONNECTED: 'Gemm',
  BATCH_MATMUL: 'MatMul',
  GREATER_EQUAL: 'GreaterOrEqual',
  LESS_EQUAL: 'LessOrEqual',
  LOGICAL_AND: 'And',
  LOGICAL_OR: 'Or',
  LOGICAL_NOT: 'Not',
  RANDOM_STANDARD_NORMAL: 'RandomNormal',
  FLOOR_MOD: 'Mod',
  SCATTER_ND: 'ScatterND',
  GATHER_ND: 'GatherND',
  SUM: 'ReduceSum',
  MEAN: 'ReduceMean',
  RIGHT_SHIFT: 'BitShift',
  AVERAGE_POOL_2D: 'AveragePool',
  MAX_POOL_2D: 'MaxPool',
  STRIDED_SLICE: 'Slice',
  TOPK_V2: 'TopK',
  SPLIT_V: 'Split',
  PADV2: 'Pad',
  FILL: 'ConstantOfShape',
  BROADCAST_TO: 'Expand',
  RELU6: 'Clip',
  RELU_N1_TO_1: 'Clip',
  RELU_0_TO_1: 'Clip',
  DYNAMIC_UPDATE_SLICE: 'ScatterND',
  BITWISE_XOR: 'BitwiseXor',
} satisfies Record<string, string>);

/** Name of an operator as the tables below spell it. */
export function toCanonicalOp(domain: string, op: string): string {
  if (domain !== 'tflite') return op;
  const known = (TFLITE_NAMES as Readonly<Record<string, string | undefined>>)[op];
  return known ?? op.toLowerCase().replace(/(?:^|_)(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** Make many values few. */
export const PINCHES = words(`ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSum
  ReduceLogSumExp ReduceSumSquare ReduceAny ReduceAll GlobalAveragePool GlobalMaxPool GlobalLpPool ArgMax ArgMin TopK
  NonZero Unique Det DynamicQuantizeLinear`);

/** Take one element or a part, by constants or by what is computed. */
export const CUTS = words('Gather GatherND GatherElements Slice Split Compress');

/** Turn numbers into a yes or no, or bend them hard enough to be one. */
export const GATES =
  words(`Equal NotEqual Greater GreaterOrEqual Less LessOrEqual Sign Relu LeakyRelu PRelu Elu Selu Celu
  ThresholdedRelu HardSigmoid HardSwish HardTanh Sigmoid Tanh Softsign Erf Clip Floor Ceil Round Not And Or Xor Mod
  BitShift BitwiseAnd BitwiseOr BitwiseXor BitwiseNot IsInf IsNaN Max Min Hardmax Softmax Shrink OneHot Pow Exp
  Bernoulli StringNormalizer RegexFullMatch StringConcat FloorDiv`);

/** Comparisons, whose constants are worth a look. */
export const COMPARISONS = words('Equal NotEqual Greater GreaterOrEqual Less LessOrEqual');

/** Mix integers. */
export const HASHES = words('Mod BitShift BitwiseAnd BitwiseOr BitwiseXor BitwiseNot FloorDiv');

/** Draw random numbers. */
export const RANDOMS = words(`RandomNormal RandomUniform RandomNormalLike RandomUniformLike Bernoulli Multinomial
  StablehloRngBitGenerator`);

/** Move values without changing them. */
export const LAYOUTS = words(`Identity Reshape Flatten Squeeze Unsqueeze Transpose Cast CastLike ExpandDims
  BroadcastTo Expand Quantize Dequantize QuantizeLinear DequantizeLinear Dropout`);

/** Write values into other values. */
export const WRITES = words('ScatterND ScatterElements Scatter TensorScatter');

/** Pass on one of several values, or as many as they are told; `at` are the operands that decide. */
export const SELECTS: Readonly<Record<string, readonly number[]>> = Object.assign(Object.create(null) as object, {
  Where: [0],
  If: [0],
  Loop: [0, 1, 2],
  Gather: [1],
  GatherND: [1],
  GatherElements: [1],
  Compress: [1],
  Slice: [1, 2, 3, 4],
  ScatterND: [1],
  ScatterElements: [1],
  Scatter: [1],
  TensorScatter: [2],
} satisfies Record<string, readonly number[]>);

/** Operands that say sizes, axes and places; what they hold is no weight, and a size read there is no trigger. */
const PARAMETERS: Readonly<Record<string, number>> = Object.assign(Object.create(null) as object, {
  Reshape: 1,
  Expand: 1,
  Tile: 1,
  Slice: 1,
  Split: 1,
  Squeeze: 1,
  Unsqueeze: 1,
  Pad: 1,
  Resize: 1,
  Upsample: 1,
  Gather: 1,
  GatherND: 1,
  GatherElements: 1,
  ScatterND: 1,
  ScatterElements: 1,
  Scatter: 1,
  TopK: 1,
  CumSum: 1,
  OneHot: 1,
  Trilu: 1,
  CenterCropPad: 1,
  AffineGrid: 1,
  Transpose: 1,
  ConstantOfShape: 0,
  Range: 0,
  EyeLike: 0,
  RandomNormalLike: 0,
  RandomUniformLike: 0,
  RandomUniform: 0,
  RandomNormal: 0,
} satisfies Record<string, number>);

/** True for operand `at` of `op` when it is a parameter in the sense above. */
export function isParameter(op: string, at: number): boolean {
  const from = (PARAMETERS as Readonly<Record<string, number | undefined>>)[op];
  if (from !== undefined) return at >= from && !((op === 'ScatterND' || op === 'ScatterElements') && at === 2);
  return op.startsWith('Reduce') && at === 1;
}

/** Domains that runtimes bring along. */
export const KNOWN_DOMAINS = words(`ai.onnx.ml ai.onnx.training ai.onnx.preview.training com.microsoft
  com.microsoft.nchwc com.microsoft.experimental tflite org.pytorch.aten pkg.onnxscript.torch_lib
  pkg.onnxscript.torch_lib.common pkg.torch`);
