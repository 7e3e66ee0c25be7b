/** TFLite models for tests, as trees of tables: what converters write, in short. */
import { data, type FlatNode, type FlatTable, list, ref, scalar, table, tables, text } from './flat-writer.ts';

/** Numbers of element types. */
export const TFLITE_TYPE = {
  f32: 0,
  f16: 1,
  i32: 2,
  u8: 3,
  i64: 4,
  string: 5,
  bool: 6,
  i16: 7,
  i8: 9,
  variant: 14,
  i4: 17,
} as const;

/** Numbers of builtin operators. */
export const TFLITE_OP = {
  ADD: 0,
  CONV_2D: 3,
  DEPTHWISE_CONV_2D: 4,
  DEQUANTIZE: 6,
  FULLY_CONNECTED: 9,
  LOGISTIC: 14,
  MAX_POOL_2D: 17,
  MUL: 18,
  RELU: 19,
  RESHAPE: 22,
  SOFTMAX: 25,
  CUSTOM: 32,
  PAD: 34,
  TRANSPOSE: 39,
  MEAN: 40,
  CALL_ONCE: 129,
  IF: 118,
  WHILE: 119,
} as const;

export interface TinyTensor {
  readonly name?: string;
  readonly type: number;
  readonly shape: readonly number[];
  readonly signature?: readonly number[];
  /** Tensors that give the same array share one buffer. */
  readonly data?: Uint8Array;
  readonly scales?: readonly number[];
  readonly zeroPoints?: readonly number[];
  readonly dimension?: number;
  /** Fields that are set as they are given. */
  readonly fields?: Parameters<typeof table>[0];
}

export interface TinyOperator {
  readonly code: number;
  readonly custom?: string;
  readonly version?: number;
  /** Numbers of tensors; -1 for one that is left out. */
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  /** Number of the option table in its union, and its fields. */
  readonly options?: { readonly type: number; readonly fields: Parameters<typeof table>[0] };
  readonly customOptions?: Uint8Array;
}

export interface TinySubgraph {
  readonly name?: string;
  readonly tensors: readonly TinyTensor[];
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly operators: readonly TinyOperator[];
}

export interface TinyModel {
  readonly subgraphs: readonly TinySubgraph[];
  readonly metadata?: Readonly<Record<string, Uint8Array | string>>;
  readonly description?: string;
  /** Fields of the root that are set as they are given. */
  readonly fields?: Parameters<typeof table>[0];
  readonly dataAlignBytes?: number;
}

/** A model of these tensors and no operators. */
export const toTensorRoot = (tensors: readonly TinyTensor[], more: Partial<TinyModel> = {}): FlatTable =>
  toTfliteRoot({ subgraphs: [{ tensors, inputs: [], outputs: [], operators: [] }], ...more });

/** The root table of a model. */
export function toTfliteRoot(model: TinyModel): FlatTable {
  const buffers: FlatTable[] = [table({})];
  const byData = new Map<Uint8Array, number>();
  const toBuffer = (bytes: Uint8Array | undefined): number => {
    if (bytes === undefined) return 0;
    const known = byData.get(bytes);
    if (known !== undefined) return known;
    buffers.push(table({ 0: data(bytes, model.dataAlignBytes ?? 16) }));
    byData.set(bytes, buffers.length - 1);
    return buffers.length - 1;
  };
  const codes: FlatTable[] = [];
  const codeNumbers = new Map<string, number>();
  const toCode = (operator: TinyOperator): number => {
    const key = `${operator.code}/${operator.custom ?? ''}/${operator.version ?? 1}`;
    const known = codeNumbers.get(key);
    if (known !== undefined) return known;
    codes.push(toOperatorCode(operator));
    codeNumbers.set(key, codes.length - 1);
    return codes.length - 1;
  };
  const subgraphs = model.subgraphs.map((subgraph) => toSubgraph(subgraph, toBuffer, toCode));
  const metadata = Object.entries(model.metadata ?? {}).map(([name, value]) =>
    table({ 0: text(name), 1: scalar('u32', toBuffer(typeof value === 'string' ? Buffer.from(value) : value)) }),
  );
  return table({
    0: scalar('u32', 3),
    1: tables(codes),
    2: tables(subgraphs),
    3: text(model.description ?? 'made for a test'),
    4: tables(buffers),
    6: metadata.length === 0 ? null : tables(metadata),
    ...model.fields,
  });
}

function toOperatorCode({ code, custom, version }: TinyOperator): FlatTable {
  return table({
    0: scalar('i8', Math.min(code, 127)),
    1: custom === undefined ? null : text(custom),
    2: scalar('i32', version ?? 1),
    3: scalar('i32', code),
  });
}

function toSubgraph(
  subgraph: TinySubgraph,
  toBuffer: (bytes: Uint8Array | undefined) => number,
  toCode: (operator: TinyOperator) => number,
): FlatNode {
  return table({
    0: tables(subgraph.tensors.map((tensor) => toTensor(tensor, toBuffer(tensor.data)))),
    1: list('i32', ...subgraph.inputs),
    2: list('i32', ...subgraph.outputs),
    3: tables(subgraph.operators.map((operator) => toOperator(operator, toCode(operator)))),
    4: subgraph.name === undefined ? null : text(subgraph.name),
  });
}

function toTensor(tensor: TinyTensor, buffer: number): FlatNode {
  const { name, scales, shape, signature, type, zeroPoints } = tensor;
  const quantization =
    scales === undefined
      ? null
      : ref(
          table({
            2: list('f32', ...scales),
            3: list('i64', ...(zeroPoints ?? scales.map(() => 0))),
            6: scalar('i32', tensor.dimension ?? 0),
          }),
        );
  return table({
    0: list('i32', ...shape),
    1: scalar('i8', type),
    2: scalar('u32', buffer),
    3: name === undefined ? null : text(name),
    4: quantization,
    7: signature === undefined ? null : list('i32', ...signature),
    8: scalar('bool', 1),
    ...tensor.fields,
  });
}

function toOperator({ customOptions, inputs, options, outputs }: TinyOperator, opcode: number): FlatNode {
  return table({
    0: scalar('u32', opcode),
    1: list('i32', ...inputs),
    2: list('i32', ...outputs),
    3: options === undefined ? null : scalar('u8', options.type),
    4: options === undefined ? null : ref(table(options.fields)),
    5: customOptions === undefined ? null : data(customOptions, 4),
  });
}
