/** Quantisation parameters and sparsity of a tensor, checked as runtimes check them. */
import type { TensorQuantization } from '../../model/types.ts';
import { QUANTIZATION, SPARSE_DIMENSION, SPARSITY } from './fields.ts';
import type { FlatReader, Table } from './flat.ts';

/** @returns null when nothing is quantised @throws FormatError TFLITE_QUANTIZATION */
export function readQuantization(
  flat: FlatReader,
  table: Table | null,
  shape: readonly number[],
): TensorQuantization | null {
  if (table === null) return null;
  table.vector(QUANTIZATION.min, 'f32');
  table.vector(QUANTIZATION.max, 'f32');
  const scales = table.vector(QUANTIZATION.scale, 'f32');
  const zeroPoints = table.vector(QUANTIZATION.zeroPoint, 'i64');
  // Custom and blockwise schemes are tables of another kind, and stay as they are.
  table.table(QUANTIZATION.details);
  if (scales === null || scales.count === 0) return null;
  const { count } = scales;
  const dimension = table.int(QUANTIZATION.quantizedDimension, 'i32');
  const axis = count === 1 ? null : findAxis(shape, dimension, count);
  if ((zeroPoints !== null && zeroPoints.count !== count) || axis === undefined) {
    const fields = { scales: count, zeroPoints: zeroPoints?.count ?? 0, dimension };
    throw flat.fail('TFLITE_QUANTIZATION', table.at, fields);
  }
  flat.spend(160, table.at);
  return {
    axis,
    count,
    read: () => ({
      scales: Float64Array.from({ length: count }, (_, i) => flat.pages.f32(scales.start + 4 * i)),
      zeroPoints: Float64Array.from({ length: count }, (_, i) =>
        zeroPoints === null ? 0 : Number(flat.pages.i64(zeroPoints.start + 8 * i)),
      ),
    }),
  };
}

/** Old converters give a bias the dimension of its weights; a bias has one only. */
function findAxis(shape: readonly number[], dimension: number, count: number): number | undefined {
  if (shape[dimension] === count) return dimension;
  return shape.length === 1 && shape[0] === count ? 0 : undefined;
}

const INDEX_KINDS = [null, 'i32', 'u16', 'u8'] as const;

/**
 * Checks the parameters of a sparse tensor, which stays as it is stored.
 * @throws FormatError TFLITE_SPARSITY
 */
export function checkSparsity(flat: FlatReader, table: Table, shape: readonly number[]): void {
  const order = table.ints(SPARSITY.traversalOrder);
  const blocks = table.ints(SPARSITY.blockMap);
  const isOrder = new Set(order).size === order.length && order.every((axis) => axis >= 0 && axis < order.length);
  const isMap = blocks.every((axis) => axis >= 0 && axis < shape.length);
  if (!isOrder || !isMap || order.length !== shape.length + blocks.length) {
    throw flat.fail('TFLITE_SPARSITY', table.at, { dimensions: shape.length, order: order.length });
  }
  let count = 0;
  for (const dimension of table.tables(SPARSITY.dimensions)) {
    count++;
    const format = dimension.int(SPARSE_DIMENSION.format, 'i8');
    const size = dimension.int(SPARSE_DIMENSION.denseSize, 'i32');
    if (format !== 0 && format !== 1) throw flat.fail('TFLITE_SPARSITY', dimension.at, { format });
    if (size < 0) throw flat.fail('TFLITE_SPARSITY', dimension.at, { size });
    checkIndexes(flat, dimension, SPARSE_DIMENSION.segmentsType, SPARSE_DIMENSION.segments);
    checkIndexes(flat, dimension, SPARSE_DIMENSION.indicesType, SPARSE_DIMENSION.indices);
  }
  if (count !== order.length) throw flat.fail('TFLITE_SPARSITY', table.at, { order: order.length, listed: count });
}

function checkIndexes(flat: FlatReader, dimension: Table, typeField: number, field: number): void {
  const type = dimension.int(typeField, 'u8');
  const kind = INDEX_KINDS.at(type);
  if (kind === undefined) throw flat.fail('TFLITE_SPARSITY', dimension.at, { type });
  const list = kind === null ? null : dimension.table(field);
  if (kind !== null) list?.vector(0, kind);
}
