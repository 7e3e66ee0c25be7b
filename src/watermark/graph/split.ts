/** A weight tensor that is stored in parts and joined by a Concat; the names of the parts spell the label. */
import { WatermarkError } from '../../core/errors.ts';
import { concatBytes } from '../../core/bytes.ts';
import { WATERMARK_LIMITS } from '../../core/limits/watermark.ts';
import { DTYPES } from '../../model/dtype.ts';
import type { Model, TensorRef } from '../../model/types.ts';
import { editGraph, type Transaction } from '../../surgery/index.ts';
import { findNamedPayload, LABEL_PREFIX, type LabelCarrier, toNamePieces, toPieceName } from './carrier.ts';

const USE = 'split';
const CONCAT = `${LABEL_PREFIX}${USE}`;
/** Of the joined value; the tensor gets its name back when the label is removed. */
const SUFFIX = '.joined';

export const splitTensor: LabelCarrier = {
  write(model, payload) {
    const pieces = toNamePieces(payload);
    const names = (pieces.length > 1 ? pieces : [...pieces, '-']).map((piece, i) => toPieceName(USE, i, piece));
    return editGraph(model, (tx) => {
      const { name, tensor } = findSplittable(tx, names.length);
      split(tx, { name, tensor, names });
    }).toRewrite();
  },
  find(model) {
    const names = [...(model.graph?.tensors.keys() ?? [])];
    // A label of one piece has a second part that says nothing.
    return findNamedPayload(
      USE,
      names.filter((name) => !name.endsWith('/-')),
    );
  },
  remove(model) {
    if (!isThere(model)) return null;
    return editGraph(model, join).toRewrite();
  },
};

function isThere(model: Model): boolean {
  return model.graph?.nodes.some(({ name }) => name === CONCAT) ?? false;
}

interface Splittable {
  readonly name: string;
  readonly tensor: TensorRef;
}

/** The smallest weight tensor that has rows enough and is read in the main graph only. */
function findSplittable(tx: Transaction, parts: number): Splittable {
  const { initializers, inputs, outputs } = tx.scope();
  const known = new Set([...inputs, ...outputs].map(({ name }) => name));
  let best: Splittable | undefined;
  for (const name of initializers) {
    const tensor = tx.tensor(name);
    // Below IR 4 every initializer is an input too, and goes with it.
    if (tensor === undefined || (known.has(name) && tx.irVersion >= 4)) continue;
    const fits = tensor.shape.length >= 2 && tensor.shape[0] >= parts && DTYPES[tensor.dtype].bits % 8 === 0;
    if (!fits || DTYPES[tensor.dtype].kind !== 'float') continue;
    if (tensor.byteLength > WATERMARK_LIMITS.labelTensorBytesMax || tx.readers(name).length === 0) continue;
    if (tx.readers(name).some(({ scopePath }) => scopePath !== '')) continue;
    if (best === undefined || tensor.byteLength < best.tensor.byteLength) best = { name, tensor };
  }
  if (best === undefined) throw new WatermarkError('WATERMARK_LABEL_NO_PLACE', { fields: { rowsMin: parts } });
  return best;
}

function split(tx: Transaction, { name, tensor, names }: Splittable & { readonly names: readonly string[] }): void {
  const data = new Uint8Array(tensor.byteLength);
  tensor.read(0, data);
  const [rows, ...rest] = tensor.shape;
  const rowBytes = tensor.byteLength / rows;
  const cuts = names.map((_, i) => Math.floor((i * rows) / names.length));
  names.forEach((part, i) => {
    const [from, to] = [cuts[i], cuts[i + 1] ?? rows];
    const bytes = data.slice(from * rowBytes, to * rowBytes);
    tx.addInitializer(part, { dtype: tensor.dtype, shape: [to - from, ...rest], data: bytes });
  });
  const joined = `${name}${SUFFIX}`;
  const readers = tx.readers(name);
  tx.addNodes([
    { op: 'Concat', name: CONCAT, inputs: [...names], outputs: [joined], attributes: { axis: { int: 0 } } },
  ]);
  rewire(tx, readers, name, joined);
  tx.deleteInitializer(name);
}

function rewire(tx: Transaction, readers: ReturnType<Transaction['readers']>, from: string, to: string): void {
  for (const reader of readers) {
    reader.inputs.forEach((value, index) => {
      if (value === from) tx.setInput(reader, index, to);
    });
  }
}

function join(tx: Transaction): void {
  const concat = tx.node({ name: CONCAT });
  const [joined] = concat.outputs;
  const parts = concat.inputs.map((name) => tx.tensor(name));
  const [first] = parts;
  if (first === undefined || parts.includes(undefined)) {
    throw new WatermarkError('WATERMARK_LABEL_DAMAGED', { fields: { node: CONCAT } });
  }
  const data = parts.map((part) => {
    const bytes = new Uint8Array(part!.byteLength);
    part!.read(0, bytes);
    return bytes;
  });
  const rows = parts.reduce((sum, part) => sum + part!.shape[0], 0);
  const name = joined.endsWith(SUFFIX) ? joined.slice(0, -SUFFIX.length) : joined;
  const names = [...concat.inputs];
  tx.addInitializer(name, { dtype: first.dtype, shape: [rows, ...first.shape.slice(1)], data: concatBytes(...data) });
  rewire(tx, tx.readers(joined), joined, name);
  tx.remove(concat);
  for (const part of names) tx.deleteInitializer(part);
}
