/** Identity layers: the label is in the names of Identity nodes, or in the seeds of Dropout nodes that do nothing. */
import { WatermarkError } from '../../core/errors.ts';
import { WATERMARK_LIMITS } from '../../core/limits/watermark.ts';
import type { Graph, Model } from '../../model/types.ts';
import { editGraph, type NodeView, type Transaction, type WireNodeJson } from '../../surgery/index.ts';
import { findPayload, toPayloadFrame } from '../payload.ts';
import { findNamedPayload, LABEL_PREFIX, type LabelCarrier, toNamePieces, toPieceName } from './carrier.ts';

const NAME_USE = 'identity';
const SEED_PREFIX = `${LABEL_PREFIX}seed/`;
/** Bytes of the frame in one seed; the eighth holds the index, and its top bit stays 0. */
const SEED_BYTES = 7;
/** Dropout has the attribute `seed` from here on. */
const SEED_OPSET_MIN = 12;

/** Nodes that make one tensor of floats, whatever they read. */
const FLOAT_OPS = new Set(
  (
    'AveragePool BatchNormalization Conv ConvTranspose Elu Gelu Gemm GlobalAveragePool HardSigmoid HardSwish ' +
    'InstanceNormalization LayerNormalization LeakyRelu LogSoftmax PRelu Selu Sigmoid Softmax Softplus Tanh'
  ).split(' '),
);
/** Nodes that make tensors, of any type. */
const TENSOR_OPS = new Set([
  ...FLOAT_OPS,
  ...'Abs Add Clip Concat Div Flatten MatMul MaxPool Mul Neg Pad Pow Relu Reshape Slice Sqrt Sub Transpose'.split(' '),
]);

/** The signature in the names of Identity nodes. */
export const identityNames: LabelCarrier = {
  write(model, payload) {
    const nodes = toNamePieces(payload).map(
      (piece, index): WireNodeJson => ({ op: 'Identity', name: toPieceName(NAME_USE, index, piece) }),
    );
    return insertAll(model, nodes, TENSOR_OPS);
  },
  find: (model) =>
    findNamedPayload(
      NAME_USE,
      listNodes(model).map(({ name }) => name),
    ),
  remove: (model) => removeAll(model, 'Identity', `${LABEL_PREFIX}${NAME_USE}/`),
};

/** The signature in attributes: seeds of Dropout nodes, which pass everything on when a model is not trained. */
export const identitySeeds: LabelCarrier = {
  write(model, payload) {
    const opset = model.opsets.get('') ?? 0;
    if (opset < SEED_OPSET_MIN) {
      throw new WatermarkError('WATERMARK_LABEL_NO_PLACE', { fields: { opset, opsetMin: SEED_OPSET_MIN } });
    }
    const frame = toPayloadFrame(payload);
    const count = Math.ceil(frame.length / SEED_BYTES);
    const nodes = Array.from({ length: count }, (_, index): WireNodeJson => {
      const word = Buffer.alloc(8);
      word[0] = index;
      word.set(frame.subarray(index * SEED_BYTES, (index + 1) * SEED_BYTES), 1);
      const seed = word.readBigInt64BE().toString();
      return { op: 'Dropout', name: `${SEED_PREFIX}${index}`, attributes: { seed: { int: seed } } };
    });
    return insertAll(model, nodes, FLOAT_OPS);
  },
  find(model) {
    const pieces: (Buffer | undefined)[] = [];
    for (const { op, attributes } of listNodes(model)) {
      const seed = attributes.get('seed');
      if (op !== 'Dropout' || seed?.kind !== 'int') continue;
      const word = Buffer.alloc(8);
      word.writeBigInt64BE(BigInt.asIntN(64, seed.value));
      if (word[0] < 128) pieces[word[0]] = word.subarray(1);
    }
    return findPayload(Buffer.concat(pieces.filter((piece) => piece !== undefined)));
  },
  remove: (model) => removeAll(model, 'Dropout', SEED_PREFIX),
};

function listNodes(model: Model): Graph['nodes'] {
  return model.graph?.nodes ?? [];
}

/** Puts the nodes on edges of the main graph, spread evenly from the inputs to the outputs. */
function insertAll(model: Model, nodes: readonly WireNodeJson[], ops: ReadonlySet<string>): ReturnType<typeof plan> {
  if (nodes.length > WATERMARK_LIMITS.labelNodesMax) {
    const fields = { nodes: nodes.length, nodesMax: WATERMARK_LIMITS.labelNodesMax };
    throw new WatermarkError('WATERMARK_LABEL_TOO_LONG', { fields });
  }
  return plan(model, (tx) => {
    const edges = tx.find({ scope: '', op: [...ops], domain: '' }).flatMap((maker) => toEdges(tx, maker));
    if (edges.length === 0) throw new WatermarkError('WATERMARK_LABEL_NO_PLACE', { fields: { operators: [...ops] } });
    nodes.forEach((node, index) => {
      const edge = edges[Math.floor((index * edges.length) / nodes.length)];
      // A short graph gets several on one edge, one behind the other.
      edge.value = tx.insertOnEdge(edge.value, edge.reader, node).value;
    });
  });
}

function toEdges(tx: Transaction, maker: NodeView): { value: string; reader: NodeView }[] {
  const [value] = maker.outputs;
  const readers = tx.readers(value).filter(({ scopePath }) => scopePath === '');
  return readers.slice(0, 1).map((reader) => ({ value, reader }));
}

function removeAll(model: Model, op: string, prefix: string): ReturnType<LabelCarrier['remove']> {
  const isOurs = ({ name, op: found }: { readonly name: string; readonly op: string }): boolean =>
    found === op && name.startsWith(prefix);
  if (!listNodes(model).some(isOurs)) return null;
  return plan(model, (tx) => {
    tx.remove(tx.find({ scope: '', where: isOurs }), { reconnect: true });
  });
}

function plan(model: Model, act: (tx: Transaction) => void): ReturnType<LabelCarrier['write']> {
  return editGraph(model, act).toRewrite();
}
