/** From a change of the last layer to edits of its tensors (docs/spec/triggers.md §4). */
import { DTYPES } from '../../model/dtype.ts';
import type { TensorEdit, TensorRef } from '../../model/types.ts';
import { decodeElements, encodeElements, readElements } from '../elements.ts';
import type { Head } from './head.ts';

/** The last layer as numbers: its rows, each with the bias appended where the layer has one. */
export interface HeadRows {
  /** [classes][width]. */
  readonly rows: readonly Float64Array[];
  /** Features, and one more with a bias. */
  readonly width: number;
}

/** @throws FormatError | SourceError */
export function readHead({ weight, bias, isTransposed, classes, features }: Head): HeadRows {
  const width = features + Number(bias !== null);
  const values = new Float64Array(weight.elementCount);
  readElements(weight, 0, values);
  const biases = new Float64Array(classes);
  if (bias !== null) readElements(bias, 0, biases);
  const rows = Array.from({ length: classes }, (_, row) =>
    Float64Array.from({ length: width }, (__, i) =>
      i === features ? biases[row] : values[isTransposed ? i * classes + row : row * features + i],
    ),
  );
  return { rows, width };
}

/** Edits that add `change`, [classes][width], to the last layer. */
export function toHeadEdits(head: Head, change: readonly Float64Array[]): TensorEdit[] {
  const { weight, bias, isTransposed, classes, features } = head;
  const edits = [
    toShiftEdit(weight, (index) =>
      isTransposed
        ? change[index % classes][Math.floor(index / classes)]
        : change[Math.floor(index / features)][index % features],
    ),
  ];
  if (bias !== null) edits.push(toShiftEdit(bias, (index) => change[index][features]));
  return edits;
}

/** Rounds to the tensor's type once per element, whatever the cut. */
export function toShiftEdit(tensor: TensorRef, shiftOf: (index: number) => number): TensorEdit {
  const { dtype } = tensor;
  const size = DTYPES[dtype].bits / 8;
  const apply = (byteOffset: number, chunk: Uint8Array): void => {
    const values = new Float64Array(chunk.length / size);
    decodeElements(dtype, chunk, values);
    for (let i = 0; i < values.length; i++) values[i] += shiftOf(byteOffset / size + i);
    encodeElements(dtype, values, chunk);
  };
  return { kind: 'tensor', tensor: tensor.name, apply };
}
