/** The fragile label: any payload in the least significant bits of weights and biases (docs/spec/lsb-label.md). */
import { crc32 } from 'node:zlib';
import { concatBytes, u32be, utf8 } from '../core/bytes.ts';
import { WatermarkError } from '../core/errors.ts';
import { WATERMARK_LIMITS } from '../core/limits/watermark.ts';
import { createPermutation, toPrfBytes } from '../core/prf.ts';
import { DTYPES, type DType } from '../model/dtype.ts';
import type { Model, TensorEdit, TensorRef } from '../model/types.ts';
import { readElements } from './elements.ts';
import { STREAM_DOMAIN } from './seeds.ts';

/** What every interface says beside a label. */
export const LABEL_STATEMENT =
  'A label is not a watermark: it identifies a file that was not changed. Any conversion of the element type, training, pruning or rounding destroys it, and anybody can overwrite it.';

const MAGIC = utf8('MWL1');
/** Magic, length and CRC-32. */
const FRAME_BYTES = 12;
/** Elements that a keyed order moves together. */
const RUN = WATERMARK_LIMITS.tileWeights;
const CARRIERS: readonly DType[] = ['f64', 'f32', 'f16', 'bf16'];

/** One tensor that carries label bits, and the number of its first element among all. */
interface Carrier {
  readonly tensor: TensorRef;
  readonly start: number;
}

/** Where bit i of the frame lies among all elements, and back. */
interface BitOrder {
  readonly capacityBits: number;
  /** Frame bit of an element, or undefined when it carries none. */
  findBit(element: number): number | undefined;
  toElement(bit: number): number;
}

export interface EmbedLabelOptions {
  readonly model: Model;
  /** Text, UUID, logo file, checksum: any bytes. */
  readonly payload: Uint8Array;
  /** 32 bytes: whoever lacks it finds neither the order nor the content. Without it, anybody can read the label. */
  readonly key?: Uint8Array;
}

export interface EmbeddedLabel {
  readonly edits: readonly TensorEdit[];
  readonly record: { readonly payloadBytes: number; readonly capacityBytes: number; readonly isKeyed: boolean };
}

/**
 * The edits that store `payload` as a label. Each element changes by at most one unit in its last place.
 * @throws WatermarkError WATERMARK_LABEL_TOO_LONG with the capacity
 * @throws WatermarkError WATERMARK_WEIGHTS_NOT_FINITE when a carrying element is NaN or infinite
 */
export function embedLabel({ model, payload, key }: EmbedLabelOptions): EmbeddedLabel {
  const carriers = listCarriers(model);
  const order = toBitOrder(countElements(carriers), key);
  const capacityBytes = Math.min(toCapacityBytes(order), WATERMARK_LIMITS.labelBytesMax);
  if (payload.length > capacityBytes) {
    throw new WatermarkError('WATERMARK_LABEL_TOO_LONG', { fields: { payloadBytes: payload.length, capacityBytes } });
  }
  const body = concatBytes(MAGIC, u32be(payload.length), payload);
  const frame = toMasked(concatBytes(body, u32be(crc32(body))), key);
  const edits = carriers.flatMap((carrier) => {
    if (!isUsed(carrier, order, frame)) return [];
    assertFinite(carrier.tensor);
    return [toEdit(carrier, order, frame)];
  });
  return { edits, record: { payloadBytes: payload.length, capacityBytes, isKeyed: key !== undefined } };
}

/**
 * The payload of the label in `model`.
 * @throws WatermarkError WATERMARK_LABEL_ABSENT when there is none, it is damaged, or the key is another one
 */
export function readLabel({ model, key }: { readonly model: Model; readonly key?: Uint8Array }): Uint8Array {
  const carriers = listCarriers(model);
  const order = toBitOrder(countElements(carriers), key);
  const absent = new WatermarkError('WATERMARK_LABEL_ABSENT');
  if (order.capacityBits < FRAME_BYTES * 8) throw absent;
  const read = (byteLength: number): Buffer => Buffer.from(toMasked(readBits(carriers, order, byteLength), key));
  const head = read(FRAME_BYTES);
  const length = head.readUInt32BE(MAGIC.length);
  const isHead = head.subarray(0, MAGIC.length).equals(MAGIC);
  if (!isHead || length > Math.min(toCapacityBytes(order), WATERMARK_LIMITS.labelBytesMax)) throw absent;
  const frame = read(length + FRAME_BYTES);
  const body = frame.subarray(0, length + 8);
  if (crc32(body) !== frame.readUInt32BE(length + 8)) throw absent;
  return new Uint8Array(body.subarray(8));
}

/** Carrying tensors in the order of their names, so that a container with another order keeps the label. */
function listCarriers(model: Model): Carrier[] {
  const tensors = model.tensors
    .filter((tensor) => CARRIERS.includes(tensor.dtype) && tensor.shape.length >= 1 && tensor.elementCount > 0)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  let start = 0;
  return tensors.map((tensor) => {
    start += tensor.elementCount;
    return { tensor, start: start - tensor.elementCount };
  });
}

function countElements(carriers: readonly Carrier[]): number {
  return carriers.reduce((sum, { tensor }) => sum + tensor.elementCount, 0);
}

function toCapacityBytes({ capacityBits }: BitOrder): number {
  return Math.max(0, Math.floor(capacityBits / 8) - FRAME_BYTES);
}

/** Plain: element order. Keyed: whole runs of elements in a keyed order. */
function toBitOrder(elements: number, key: Uint8Array | undefined): BitOrder {
  const runs = Math.floor(elements / RUN);
  if (key === undefined || runs === 0) {
    const capacityBits = key === undefined ? elements : 0;
    return {
      capacityBits,
      findBit: (element) => (element < capacityBits ? element : undefined),
      toElement: (bit) => bit,
    };
  }
  const permutation = createPermutation(key, STREAM_DOMAIN.label, runs);
  // Neighbouring elements ask for the same run: one answer is kept.
  let known = { run: -1, place: -1 };
  return {
    capacityBits: runs * RUN,
    findBit: (element) => {
      const run = Math.floor(element / RUN);
      if (run >= runs) return undefined;
      if (known.run !== run) known = { run, place: permutation.inverse(run) };
      return known.place * RUN + (element % RUN);
    },
    toElement: (bit) => permutation.forward(Math.floor(bit / RUN)) * RUN + (bit % RUN),
  };
}

/** XOR with the key's stream, so that a keyed label looks like noise; its own inverse. */
function toMasked(frame: Uint8Array, key: Uint8Array | undefined): Uint8Array {
  if (key === undefined) return frame;
  const stream = toPrfBytes(key, { domain: STREAM_DOMAIN.label, index: 1 }, frame.length);
  return frame.map((byte, i) => byte ^ stream[i]);
}

function isUsed({ tensor, start }: Carrier, order: BitOrder, frame: Uint8Array): boolean {
  for (let at = start; at < start + tensor.elementCount; at += RUN - (at % RUN)) {
    if ((order.findBit(at) ?? Number.POSITIVE_INFINITY) < frame.length * 8) return true;
  }
  return false;
}

function assertFinite(tensor: TensorRef): void {
  const values = new Float64Array(Math.min(RUN, tensor.elementCount));
  for (let at = 0; at < tensor.elementCount; at += values.length) {
    const piece = values.subarray(0, Math.min(values.length, tensor.elementCount - at));
    readElements(tensor, at, piece);
    if (!piece.every(Number.isFinite)) {
      throw new WatermarkError('WATERMARK_WEIGHTS_NOT_FINITE', { fields: { tensor: tensor.name } });
    }
  }
}

function toEdit({ tensor, start }: Carrier, order: BitOrder, frame: Uint8Array): TensorEdit {
  const size = DTYPES[tensor.dtype].bits / 8;
  const apply = (byteOffset: number, chunk: Uint8Array): void => {
    for (let at = 0; at < chunk.length; at += size) {
      const bit = order.findBit(start + (byteOffset + at) / size);
      if (bit === undefined || bit >= frame.length * 8) continue;
      // Little-endian: the lowest mantissa bit is bit 0 of an element's first byte.
      chunk[at] = (chunk[at] & 0xfe) | ((frame[bit >> 3] >> (bit & 7)) & 1);
    }
  };
  return { kind: 'tensor', tensor: tensor.name, apply };
}

function readBits(carriers: readonly Carrier[], order: BitOrder, byteLength: number): Uint8Array {
  const frame = new Uint8Array(byteLength);
  let index = 0;
  for (let bit = 0; bit < byteLength * 8; ) {
    const element = order.toElement(bit);
    index = carriers.findLastIndex((carrier) => carrier.start <= element);
    const { tensor, start } = carriers[index];
    const size = DTYPES[tensor.dtype].bits / 8;
    const runEnd = element - (element % RUN) + RUN;
    const count = Math.min(runEnd, start + tensor.elementCount) - element;
    const bytes = new Uint8Array(Math.min(count, byteLength * 8 - bit) * size);
    tensor.read((element - start) * size, bytes);
    for (let at = 0; at < bytes.length; at += size, bit++) frame[bit >> 3] |= (bytes[at] & 1) << (bit & 7);
  }
  return frame;
}
