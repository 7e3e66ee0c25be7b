/** Two layers with nothing but element-wise operators between them: their hidden channels can be copied. */
import { WATERMARK_LIMITS } from '../../core/limits/watermark.ts';
import type { AttributeRecord } from '../../model/document.ts';
import { type AttributeJson, findScalar, type NodeJson, type NodeView, type Transaction } from '../../surgery/index.ts';
import { Matrix } from './matrix.ts';

/** Operators that treat every channel by itself and alike, and have no weights. */
const ELEMENTWISE = new Set(
  'Relu LeakyRelu Elu Selu Sigmoid Tanh Softplus Gelu HardSigmoid HardSwish Identity Dropout'.split(' '),
);
/** Poolings keep channels apart as well; they stand between convolutions. */
const POOLS = new Set(['MaxPool', 'AveragePool', 'GlobalAveragePool']);

export interface ChannelPair {
  /** The nodes between the values, from the producer to the one before the consumer. */
  readonly chain: readonly NodeView[];
  readonly reader: NodeView;
  /** Rows are the hidden channels. */
  readonly producer: NamedMatrix;
  /** One number for each channel: bias, and what a batch norm has. */
  readonly vectors: readonly NamedMatrix[];
  readonly consumer: NamedMatrix;
}

export interface NamedMatrix {
  readonly name: string;
  readonly matrix: Matrix;
}

/** All pairs of the main graph, in its order. */
export function listPairs(tx: Transaction): ChannelPair[] {
  const outputs = new Set(tx.scope().outputs.map(({ name }) => name));
  return tx
    .find({ scope: '', domain: '', op: ['Gemm', 'MatMul', 'Conv'] })
    .flatMap((node) => findPair(tx, node, outputs) ?? []);
}

function findPair(tx: Transaction, node: NodeView, outputs: ReadonlySet<string>): ChannelPair | undefined {
  const producer = findLayer(tx, node, 'producer');
  if (producer === undefined) return undefined;
  const chain = [node];
  const vectors = node.op === 'MatMul' ? [] : findVectors(tx, node.inputs.slice(2, 3), producer.matrix.rows);
  for (;;) {
    const [value] = chain[chain.length - 1].outputs;
    const readers = tx.readers(value);
    if (vectors === undefined || outputs.has(value) || readers.length !== 1) return undefined;
    const [next] = readers;
    if (next.scopePath !== '' || next.domain !== '' || next.inputs.filter((input) => input === value).length !== 1) {
      return undefined;
    }
    const rest = next.inputs.filter((input) => input !== value && input !== '');
    if (isPassed(next, node)) {
      if (next.inputs[0] !== value || next.outputs.length !== 1) return undefined;
    } else if (hasVectors(next, node)) {
      const found = findVectors(tx, rest, producer.matrix.rows);
      if (found === undefined || next.outputs.filter((name) => name !== '').length !== 1) return undefined;
      vectors.push(...found);
    } else return toPair(tx, { producer, vectors, chain, reader: next });
    chain.push(next);
  }
}

function isPassed({ op }: NodeView, { op: producer }: NodeView): boolean {
  return ELEMENTWISE.has(op) || (producer === 'Conv' && POOLS.has(op));
}

function hasVectors({ op }: NodeView, { op: producer }: NodeView): boolean {
  return (op === 'Add' && producer === 'MatMul') || (op === 'BatchNormalization' && producer === 'Conv');
}

function toPair(tx: Transaction, found: Omit<ChannelPair, 'consumer'>): ChannelPair | undefined {
  const { chain, producer, reader } = found;
  const value = chain[chain.length - 1].outputs[0];
  // A Gemm reads rows, a MatMul the last axis: behind a Conv only a Conv sees the same channels.
  if (reader.inputs[0] !== value || (chain[0].op === 'Conv') !== (reader.op === 'Conv')) return undefined;
  const consumer = findLayer(tx, reader, 'consumer');
  return consumer?.matrix.rows === producer.matrix.rows ? { ...found, consumer } : undefined;
}

/** Vectors of one number for each channel, which nothing else reads. */
function findVectors(tx: Transaction, names: readonly string[], channels: number): NamedMatrix[] | undefined {
  const found = names.filter((name) => name !== '').map((name) => ({ name, matrix: findMatrix(tx, name, 0) }));
  const isFit = found.every(({ matrix }) => matrix?.shape.length === 1 && matrix.rows === channels);
  return isFit ? (found as NamedMatrix[]) : undefined;
}

/** The weights of a layer with its hidden channels as rows: those that it makes, or those that it reads. */
function findLayer(tx: Transaction, node: NodeView, side: 'producer' | 'consumer'): NamedMatrix | undefined {
  const axis = node.domain === '' && isPlain(node) ? findAxis(node, side) : undefined;
  const matrix = axis === undefined ? undefined : findMatrix(tx, node.inputs[1], axis);
  if (matrix === undefined || (node.op === 'Conv' ? matrix.shape.length < 3 : matrix.shape.length !== 2))
    return undefined;
  return { name: node.inputs[1], matrix };
}

function isPlain({ op, attributes }: NodeView): boolean {
  const scalar = (name: string, fallback: number): number => Number(findScalar(attributes, name) ?? fallback);
  if (op === 'Gemm') return scalar('transA', 0) === 0;
  return op === 'MatMul' || (op === 'Conv' && scalar('group', 1) === 1);
}

function findAxis({ op, attributes }: NodeView, side: 'producer' | 'consumer'): number | undefined {
  if (op === 'Conv') return side === 'producer' ? 0 : 1;
  if (op === 'MatMul') return side === 'producer' ? 1 : 0;
  if (op !== 'Gemm') return undefined;
  const isTurned = Number(findScalar(attributes, 'transB') ?? 0) !== 0;
  return (side === 'producer') === isTurned ? 0 : 1;
}

/** A weight that only this one node reads. */
function findMatrix(tx: Transaction, name: string, axis: number): Matrix | undefined {
  const tensor = tx.tensor(name);
  if (tensor === undefined || tensor.byteLength > WATERMARK_LIMITS.labelTensorBytesMax) return undefined;
  if (tx.readers(name).length !== 1) return undefined;
  return Matrix.find(tensor, axis);
}

export interface NewChannels {
  readonly producer: Matrix;
  /** As many as the pair has. */
  readonly vectors: readonly Matrix[];
  readonly consumer: Matrix;
}

/** Gives both layers other channels. The values between get other names, because their declared shapes are wrong now. */
export function setChannels(tx: Transaction, pair: ChannelPair, channels: NewChannels): void {
  const { chain, reader } = pair;
  tx.setTensor(pair.producer.name, channels.producer.toJson());
  tx.setTensor(pair.consumer.name, channels.consumer.toJson());
  pair.vectors.forEach(({ name }, i) => {
    tx.setTensor(name, channels.vectors[i].toJson());
  });
  const old = chain.map(({ outputs }) => outputs[0]);
  const toNew = (name: string): string => (old.includes(name) ? toOtherName(name) : name);
  const copies = chain.map(
    ({ name, op, domain, inputs, outputs, attributes }): NodeJson => ({
      op,
      domain,
      name,
      inputs: inputs.map(toNew),
      outputs: outputs.map(toNew),
      attributes: Object.fromEntries([...attributes].map(([key, value]) => [key, toJson(value)])),
    }),
  );
  tx.setInput(reader, 0, PARKED);
  tx.replace(chain, copies);
  tx.setInput(reader, 0, toOtherName(old[old.length - 1]));
}

const PARKED = '';
const WIDE = '.wide';

/** The name with or without the suffix: taking a label out gives the old names back. */
function toOtherName(name: string): string {
  return name.endsWith(WIDE) ? name.slice(0, -WIDE.length) : name + WIDE;
}

/** Attributes of layers and element-wise operators are numbers and words. */
function toJson(attribute: AttributeRecord): AttributeJson {
  switch (attribute.kind) {
    case 'int':
      return { int: attribute.value.toString() };
    case 'float':
      return { float: attribute.value };
    case 'ints':
      return { ints: attribute.values.map(String) };
    case 'floats':
      return { floats: [...attribute.values] };
    case 'string':
      return { string: Buffer.from(attribute.value).toString('utf8') };
    default:
      throw new Error(`internal error: attribute of kind ${attribute.kind}`);
  }
}
