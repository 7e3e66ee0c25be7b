/** Duplicated channels: which hidden channels are there more than once, in which order, spells the label. */
import { WatermarkError } from '../../core/errors.ts';
import { WATERMARK_LIMITS } from '../../core/limits/watermark.ts';
import type { TensorRef } from '../../model/types.ts';
import { editGraph, type Transaction } from '../../surgery/index.ts';
import { findPayload, type Payload, toPayloadFrame } from '../payload.ts';
import type { LabelCarrier } from './carrier.ts';
import { type ChannelPair, listPairs, setChannels } from './channel-pair.ts';
import { Matrix } from './matrix.ts';

/**
 * The frame as digits in base n, n being the number of channels: digit d is one more copy of channel d, appended in order.
 * What reads the copies gets each channel's weights shared among them, so that the function stays.
 */
export const duplicatedChannels: LabelCarrier = {
  write(model, payload) {
    return editGraph(model, (tx) => {
      const frame = toPayloadFrame(payload);
      const pair = choosePair(tx, frame.length);
      const channels = pair.producer.matrix.rows;
      const order = [...Array.from({ length: channels }, (_, i) => i), ...toDigits(frame, channels)];
      setRows(tx, pair, order, toShares(order, channels));
    }).toRewrite();
  },
  // The weights alone tell: this works without a graph, and on one whose operators were fused.
  find(model) {
    for (const tensor of model.tensors) {
      const read = tensor.shape.length < 2 ? undefined : readTensor(tensor);
      if (read !== undefined) return read.payload;
    }
    return undefined;
  },
  remove(model) {
    const edit = editGraph(model, (tx) => {
      const pair = listPairs(tx).find(({ producer }) => readRows(producer.matrix) !== undefined);
      const read = pair === undefined ? undefined : readRows(pair.producer.matrix);
      if (pair === undefined || read === undefined) return;
      const first = Array.from({ length: read.channels }, (_, i) => i);
      const shares = toShares([...first, ...read.digits], read.channels);
      setRows(
        tx,
        pair,
        first,
        first.map((channel) => 1 / shares[channel]),
      );
    });
    return edit.plan.steps.length === 0 ? null : edit.toRewrite();
  },
};

/** Gives a pair the channels `order` of those that it has; what reads them is scaled. */
function setRows(tx: Transaction, pair: ChannelPair, order: readonly number[], factors: readonly number[]): void {
  setChannels(tx, pair, {
    producer: pair.producer.matrix.pickRows(order),
    vectors: pair.vectors.map(({ matrix }) => matrix.pickRows(order)),
    consumer: pair.consumer.matrix.pickRows(order).scaleRows((row) => factors[row]),
  });
}

/** The pair whose widening costs least, of those that need few enough channels. */
function choosePair(tx: Transaction, frameBytes: number): ChannelPair {
  let best: { readonly pair: ChannelPair; readonly cost: number } | undefined;
  for (const pair of listPairs(tx)) {
    const { producer, consumer } = pair;
    const { rows } = producer.matrix;
    if (rows < CHANNELS_MIN || hasCopies(producer.matrix)) continue;
    const digits = countDigits(frameBytes, rows);
    const cost = digits * (producer.matrix.columns + consumer.matrix.columns);
    if (digits <= WATERMARK_LIMITS.labelChannelsMax && (best === undefined || cost < best.cost)) best = { pair, cost };
  }
  if (best === undefined) throw new WatermarkError('WATERMARK_LABEL_NO_PLACE', { fields: { frameBytes } });
  return best.pair;
}

/** With fewer, the label would be many times as wide as the layer. */
const CHANNELS_MIN = 4;

function countDigits(bytes: number, base: number): number {
  return Math.ceil((8 * bytes) / Math.log2(base));
}

function toDigits(frame: Uint8Array, base: number): number[] {
  let rest = BigInt(`0x${Buffer.from(frame).toString('hex')}`);
  return Array.from({ length: countDigits(frame.length, base) }, () => {
    const digit = Number(rest % BigInt(base));
    rest /= BigInt(base);
    return digit;
  });
}

function toFrame(digits: readonly number[], base: number): Uint8Array {
  const value = digits.reduceRight((sum, digit) => sum * BigInt(base) + BigInt(digit), 0n);
  const bytes = Math.floor((digits.length * Math.log2(base)) / 8);
  return Buffer.from(value.toString(16).padStart(2 * bytes, '0'), 'hex');
}

/** What each copy gets of its channel's weights: 1/2, 1/4, … and the last as much as the one before; halves are exact. */
function toShares(order: readonly number[], channels: number): number[] {
  const counts = new Float64Array(channels);
  for (const channel of order) counts[channel]++;
  const seen = new Float64Array(channels);
  return order.map((channel) => 2 ** -Math.min(++seen[channel], counts[channel] - 1));
}

interface ReadChannels {
  readonly payload: Payload;
  readonly channels: number;
  readonly digits: readonly number[];
}

function readTensor(tensor: TensorRef): ReadChannels | undefined {
  if (tensor.byteLength > WATERMARK_LIMITS.labelTensorBytesMax) return undefined;
  for (const axis of [0, 1]) {
    const matrix = Matrix.find(tensor, axis);
    const read = matrix === undefined ? undefined : readRows(matrix);
    if (read !== undefined) return read;
  }
  return undefined;
}

/** True when the last channel is there twice. */
function hasCopies(matrix: Matrix): boolean {
  const last = matrix.rows - 1;
  for (let row = 0; row < last; row++) if (matrix.isSameRow(row, last)) return true;
  return false;
}

/** Channels at the end that equal earlier ones; every number of digits that they allow is tried. */
function readRows(matrix: Matrix): ReadChannels | undefined {
  if (matrix.rows <= CHANNELS_MIN || !hasCopies(matrix)) return undefined;
  const first = new Map<string, number>();
  const sources = Array.from({ length: matrix.rows }, (_, row) => {
    const key = matrix.toKey(row);
    const known = first.get(key);
    if (known === undefined) first.set(key, row);
    return known;
  });
  let channels = sources.length;
  while (channels > 0 && sources[channels - 1] !== undefined) channels--;
  if (sources.length - channels > WATERMARK_LIMITS.labelChannelsMax) return undefined;
  // Channels that were equal before may stand at the end, too: then there are fewer digits than copies.
  for (let start = Math.max(CHANNELS_MIN, channels); start < sources.length; start++) {
    const digits = sources.slice(start).map((source) => source!);
    if (digits.some((digit) => digit >= start)) continue;
    const payload = findPayload(toFrame(digits, start));
    if (payload !== undefined) return { payload, channels: start, digits };
  }
  return undefined;
}
