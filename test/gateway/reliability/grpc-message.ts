/** Messages of the Open Inference Protocol's gRPC, written by hand. */

/** Below 2^14. */
const varint = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, value >> 7]);
const field = (number: number, bytes: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([...varint((number << 3) | 2), ...varint(bytes.length)]), bytes]);

/** One message as gRPC frames it, not compressed. */
export function frame(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

export interface InferMessage {
  readonly model: string;
  readonly id?: string;
  readonly name: string;
  readonly datatype?: string;
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

/** ModelInferRequest with one input of raw FP32, framed. */
export function toInferRequest({ model, id = '', name, datatype = 'FP32', shape, values }: InferMessage): Buffer {
  const dims = Buffer.from(shape.flatMap(varint));
  const tensor = [field(1, Buffer.from(name)), field(2, Buffer.from(datatype)), field(3, dims)];
  const raw = Buffer.from(Float32Array.from(values).buffer);
  const parts = [
    field(1, Buffer.from(model)),
    field(3, Buffer.from(id)),
    field(5, Buffer.concat(tensor)),
    field(7, raw),
  ];
  return frame(Buffer.concat(parts));
}
