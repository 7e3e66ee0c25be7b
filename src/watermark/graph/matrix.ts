/** A weight tensor seen as rows, one per channel, whatever axis the channels are; rows move as bytes. */
import type { FloatDType } from '../../model/floats.ts';
import { decodeFloats, encodeFloats, isFloatDType } from '../../model/floats.ts';
import { type DType, DTYPES } from '../../model/dtype.ts';
import type { TensorRef } from '../../model/types.ts';
import type { TensorJson } from '../../surgery/index.ts';

export class Matrix {
  readonly dtype: FloatDType;
  readonly shape: readonly number[];
  /** Which axis of `shape` counts the rows. */
  readonly axis: number;
  readonly #data: Uint8Array;

  private constructor(dtype: FloatDType, shape: readonly number[], axis: number, data: Uint8Array) {
    this.dtype = dtype;
    this.shape = shape;
    this.axis = axis;
    this.#data = data;
  }

  /** Reads the tensor whole; undefined when its elements are not whole bytes of a float. */
  static find(tensor: TensorRef, axis: number): Matrix | undefined {
    const { dtype, shape } = tensor;
    if (!isFloat(dtype) || axis >= shape.length || tensor.elementCount === 0) return undefined;
    const data = new Uint8Array(tensor.byteLength);
    tensor.read(0, data);
    return new Matrix(dtype, shape, axis, data);
  }

  get rows(): number {
    return this.shape[this.axis];
  }

  /** Elements of a row. */
  get columns(): number {
    return this.shape.reduce((product, dim) => product * dim, 1) / this.rows;
  }

  /** A text that two rows share when all their bytes are the same. */
  toKey(row: number): string {
    const parts: string[] = [];
    this.#eachRun(row, (start, end) => parts.push(Buffer.from(this.#data.subarray(start, end)).toString('latin1')));
    return parts.join('');
  }

  /** True when all bytes of two rows are the same. */
  isSameRow(a: number, b: number): boolean {
    const { outer, inner } = this.#strides();
    for (let block = 0; block < outer; block++) {
      const [from, other] = [(block * this.rows + a) * inner, (block * this.rows + b) * inner];
      for (let i = 0; i < inner; i++) if (this.#data[from + i] !== this.#data[other + i]) return false;
    }
    return true;
  }

  /** The rows `order`, each as often as it is named. */
  pickRows(order: readonly number[]): Matrix {
    const { axis, shape, dtype } = this;
    const data = new Uint8Array((this.#data.length / this.rows) * order.length);
    const { outer, inner } = this.#strides();
    for (let block = 0; block < outer; block++) {
      order.forEach((row, i) => {
        const from = (block * this.rows + row) * inner;
        data.set(this.#data.subarray(from, from + inner), (block * order.length + i) * inner);
      });
    }
    return new Matrix(
      dtype,
      shape.map((dim, i) => (i === axis ? order.length : dim)),
      axis,
      data,
    );
  }

  /** Each row times a number; rows times 1 keep their bytes. */
  scaleRows(toFactor: (row: number) => number): Matrix {
    const data = new Uint8Array(this.#data);
    for (let row = 0; row < this.rows; row++) {
      const factor = toFactor(row);
      if (factor === 1) continue;
      this.#eachRun(row, (start, end) => {
        const values = new Float64Array(((end - start) * 8) / DTYPES[this.dtype].bits);
        decodeFloats(this.dtype, data.subarray(start, end), values);
        encodeFloats(
          this.dtype,
          values.map((value) => value * factor),
          data.subarray(start, end),
        );
      });
    }
    return new Matrix(this.dtype, this.shape, this.axis, data);
  }

  toJson(): TensorJson {
    return { dtype: this.dtype, shape: this.shape, data: this.#data };
  }

  /** Bytes of one row inside a block, and number of blocks. */
  #strides(): { readonly outer: number; readonly inner: number } {
    const outer = this.shape.slice(0, this.axis).reduce((product, dim) => product * dim, 1);
    return { outer, inner: this.#data.length / outer / this.rows };
  }

  #eachRun(row: number, visit: (start: number, end: number) => void): void {
    const { outer, inner } = this.#strides();
    for (let block = 0; block < outer; block++) {
      const start = (block * this.rows + row) * inner;
      visit(start, start + inner);
    }
  }
}

function isFloat(dtype: DType): dtype is FloatDType {
  return isFloatDType(dtype) && DTYPES[dtype].bits % 8 === 0;
}
