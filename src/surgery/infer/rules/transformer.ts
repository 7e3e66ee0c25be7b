/** Attention and its kin, in the standard set and as onnxruntime's optimiser writes them. */
import { type Call, one, type Rule, rows } from '../call.ts';
import { toQuotient, toScaled, toSum } from '../dims.ts';
import { type Dim, type Shape, toTensorType } from '../types.ts';
import { sameAsFirst, toCommonDType } from './elementwise.ts';
import { toMatMulShape } from './linear.ts';

/** What the shapes of queries, keys and values say, whether heads are an axis of their own or not. */
interface Heads {
  readonly batch: Dim;
  readonly queryHeads: Dim;
  readonly keyHeads: Dim;
  readonly queries: Dim;
  readonly keys: Dim;
  readonly keySize: Dim;
  readonly valueSize: Dim;
  readonly isFlat: boolean;
}

function toHeads(call: Call): Heads | null {
  const [q, k, v] = [call.shape(0), call.shape(1), call.shape(2)];
  if (q === null || k === null || v === null || (q.length !== 3 && q.length !== 4)) return null;
  if (q.length === 4) {
    if (k.length !== 4 || v.length !== 4) return null;
    const isFlat = false;
    return {
      batch: q[0],
      queryHeads: q[1],
      keyHeads: k[1],
      queries: q[2],
      keys: k[2],
      keySize: k[3],
      valueSize: v[3],
      isFlat,
    };
  }
  if (k.length !== 3 || v.length !== 3) return null;
  const queryHeads = call.int('q_num_heads', null);
  const keyHeads = call.int('kv_num_heads', null);
  const keySize = toQuotient([k[2]], [keyHeads]);
  const valueSize = toQuotient([v[2]], [keyHeads]);
  return { batch: q[0], queryHeads, keyHeads, queries: q[1], keys: k[1], keySize, valueSize, isFlat: true };
}

const attention: Rule = (call) => {
  const { dtype } = call.tensor(0);
  const kept = [dtype, call.tensor(1).dtype, call.tensor(2).dtype, dtype];
  const heads = toHeads(call);
  if (heads === null) return kept.map((type) => toTensorType(type, null));
  const { batch, queryHeads, keyHeads, queries, keys, keySize, valueSize, isFlat } = heads;
  const past = call.has(4) ? call.dim(4, 2) : 0;
  const total = toSum([past, keys]);
  const shapes: Shape[] = [
    isFlat ? [batch, queries, toProductDim(queryHeads, valueSize)] : [batch, queryHeads, queries, valueSize],
    [batch, keyHeads, total, keySize],
    [batch, keyHeads, total, valueSize],
    [batch, queryHeads, queries, total],
  ];
  return shapes.map((shape, i) => toTensorType(kept[i], shape));
};

function toProductDim(a: Dim, b: Dim): Dim {
  return typeof a === 'number' ? toScaled(b, a) : typeof b === 'number' ? toScaled(a, b) : null;
}

/** The first output; sums and statistics beside it are as large as the input, or small. */
const skipNorm: Rule = (call) => {
  const { dtype, shape } = call.tensor(0);
  const same = toTensorType(dtype, shape);
  const statistics = toTensorType('f32', shape === null ? null : [...shape.slice(0, -1), 1]);
  return [same, statistics, statistics, same];
};

const fusedMatMul: Rule = (call) => {
  const turned = (input: number, isTurned: boolean): Shape | null => {
    const shape = call.shape(input);
    if (shape === null || !isTurned || shape.length < 2) return shape;
    return [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!];
  };
  const dtype = toCommonDType(call, [0, 1]);
  if (call.int('transBatchA', 0) !== 0 || call.int('transBatchB', 0) !== 0) return one(toTensorType(dtype, null));
  const [a, b] = [turned(0, call.int('transA', 0) !== 0), turned(1, call.int('transB', 0) !== 0)];
  return one(toTensorType(dtype, toMatMulShape(call, a, b)));
};

export const TRANSFORMER: Readonly<Record<string, Rule>> = {
  Attention: attention,
  RotaryEmbedding: sameAsFirst,
};

/** Of the domain com.microsoft. */
export const MICROSOFT: Readonly<Record<string, Rule>> = Object.fromEntries([
  ...rows(sameAsFirst, 'BiasGelu FastGelu Gelu QuickGelu RotaryEmbedding'),
  ['FusedMatMul', fusedMatMul],
  ['SkipLayerNormalization', skipNorm],
  ['SkipSimplifiedLayerNormalization', skipNorm],
]);
