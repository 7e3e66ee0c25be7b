/** Weights of a checkpoint in a graph: a file without a graph is run so (docs/spec/triggers.md §9.7). */
import { listLayerUses } from '../../../align/index.ts';
import { WatermarkError } from '../../../core/errors.ts';
import { DTYPES } from '../../../model/dtype.ts';
import { isFloatDType } from '../../../model/floats.ts';
import type { Model, TensorEdit, TensorRef } from '../../../model/types.ts';
import { createElementReader, encodeElements, isMarkable, readElements } from '../../elements.ts';
import type { MatrixPlace } from './places.ts';

/** Which tensor of the checkpoint each tensor of the graph is, by the graph's name; turned when stored the other way round. */
export type Loan = ReadonlyMap<string, MatrixPlace>;

/** Elements that two matrices are compared by. */
const COMPARED = 512;
/** Below this cosine two matrices are not the same one; copies that were quantised, pruned or tuned stay far above. */
const COSINE_MIN = 0.5;
/** From this cosine on two tensors of one model are one that is stored twice. */
const COSINE_DOUBLE = 0.9999;

/**
 * Finds every float tensor of `weights` among the constants of `graph`: by name and shape, or else, for matrices, by what they hold,
 * because exporters rename and turn them. No layer of the graph may keep weights of its own: its answers would be taken for those
 * of the checkpoint.
 * @throws WatermarkError WATERMARK_TRIGGER_UNFIT naming the tensor that one of them lacks
 */
export function findLoan(graph: Model, weights: Model): Loan {
  const constants = graph.tensors.filter(({ dtype }) => isFloatDType(dtype));
  const nameds = new Map(constants.map((tensor) => [tensor.name, tensor]));
  const free = constants.filter(
    ({ name, shape }) => shape.length === 2 && !weights.tensors.some((own) => own.name === name),
  );
  const loan = new Map<string, MatrixPlace>();
  for (const tensor of weights.tensors) {
    if (!isMarkable(tensor.dtype)) continue;
    const named = nameds.get(tensor.name);
    if (named !== undefined && isSameShape(named.shape, tensor.shape)) {
      loan.set(named.name, { tensor, isTransposed: false });
      continue;
    }
    const found = tensor.shape.length === 2 ? findAlike(tensor, free) : null;
    if (found !== null) loan.set(found.name, { tensor, isTransposed: found.isTransposed });
    else if (!isDouble(tensor, weights))
      throw unfit(`the graph has no tensor like "${tensor.name}": it is not of the same model`);
  }
  for (const tensor of listLayerWeights(graph)) {
    if (loan.has(tensor.name)) continue;
    const lent = constants.filter(({ name, shape }) => shape.length === 2 && loan.has(name));
    const double = tensor.shape.length === 2 ? findAlike(tensor, lent, COSINE_DOUBLE) : null;
    if (double === null) throw unfit(`the checkpoint has no tensor like "${tensor.name}" of the graph`);
    const { tensor: own, isTransposed } = loan.get(double.name)!;
    loan.set(tensor.name, { tensor: own, isTransposed: isTransposed !== double.isTransposed });
  }
  return loan;
}

/** Constants that layers of the graph multiply by. Tables that are looked up may be made of positions, which no checkpoint has. */
function listLayerWeights({ graph }: Model): TensorRef[] {
  if (graph === null) return [];
  const uses = listLayerUses(graph).filter(({ kind }) => kind !== 'embedding');
  return [...new Set(uses.map(({ weight }) => weight.tensor))];
}

const isSameShape = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((dim, axis) => dim === b[axis]);

/** A tied table is stored twice by some; graphs have it once. */
function isDouble(tensor: TensorRef, { tensors }: Model): boolean {
  return tensors.some(
    (other) =>
      other !== tensor && isSameShape(other.shape, tensor.shape) && toCosine(other, tensor, false) > COSINE_DOUBLE,
  );
}

function findAlike(
  tensor: TensorRef,
  free: readonly TensorRef[],
  cosineMin = COSINE_MIN,
): { readonly name: string; readonly isTransposed: boolean } | null {
  let best: { name: string; isTransposed: boolean; cosine: number } | null = null;
  for (const constant of free) {
    for (const isTransposed of [false, true]) {
      const [rows, columns] = isTransposed ? [tensor.shape[1], tensor.shape[0]] : tensor.shape;
      if (!isSameShape(constant.shape, [rows, columns])) continue;
      const cosine = toCosine(constant, tensor, isTransposed);
      if (cosine > (best?.cosine ?? cosineMin)) best = { name: constant.name, isTransposed, cosine };
    }
  }
  return best;
}

/** Of evenly spread elements. @param isTransposed element (i, j) of `a` is (j, i) of `b` */
function toCosine(a: TensorRef, b: TensorRef, isTransposed: boolean): number {
  const [readA, readB] = [createElementReader(a), createElementReader(b)];
  const [rows, columns] = [a.shape[0], a.elementCount / a.shape[0]];
  const one = new Float64Array(1);
  let [xy, xx, yy] = [0, 0, 0];
  const count = Math.min(COMPARED, a.elementCount);
  for (let i = 0; i < count; i++) {
    const at = Math.floor((i * a.elementCount) / count);
    readA(at, one);
    const x = one[0];
    readB(isTransposed ? (at % columns) * rows + Math.floor(at / columns) : at, one);
    xy += x * one[0];
    xx += x * x;
    yy += one[0] * one[0];
  }
  return xx > 0 && yy > 0 ? xy / Math.sqrt(xx * yy) : 0;
}

/** Edits of the graph that put the checkpoint's numbers in, each rounded to the type that the graph has. */
export function toLoanEdits(graph: Model, loan: Loan): TensorEdit[] {
  return graph.tensors.flatMap((tensor): TensorEdit[] => {
    const place = loan.get(tensor.name);
    if (place === undefined) return [];
    const size = DTYPES[tensor.dtype].bits / 8;
    let numbers: Float64Array | null = null;
    const apply = (byteOffset: number, chunk: Uint8Array): void => {
      numbers ??= readAs(place);
      encodeElements(tensor.dtype, numbers.subarray(byteOffset / size, byteOffset / size + chunk.length / size), chunk);
    };
    return [{ kind: 'tensor', tensor: tensor.name, apply }];
  });
}

/** All numbers of a tensor, rows and columns exchanged where the graph has them so. */
function readAs({ tensor, isTransposed }: MatrixPlace): Float64Array {
  const values = new Float64Array(tensor.elementCount);
  readElements(tensor, 0, values);
  if (!isTransposed) return values;
  const [rows, columns] = tensor.shape;
  return values.map((_, at) => values[(at % rows) * columns + Math.floor(at / rows)]);
}

function unfit(reason: string): WatermarkError {
  return new WatermarkError('WATERMARK_TRIGGER_UNFIT', { fields: { reason } });
}
