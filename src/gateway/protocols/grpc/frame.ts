/** One message of gRPC over HTTP/2: a flag, a length of four bytes, the message. */
import { type ErrorCode, GatewayError } from '../../../core/errors.ts';

export const FRAME_HEAD_BYTES = 5;

/**
 * The message of a body that is exactly one frame; a view.
 * @throws GatewayError GATEWAY_CONTENT_TYPE for a compressed message, `code` for anything else
 * @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */
export function readFrame(body: Uint8Array, code: ErrorCode): Uint8Array {
  if (body.length < FRAME_HEAD_BYTES) throw new GatewayError(code, { fields: { problem: 'no message' } });
  const length = ((body[1] << 24) | (body[2] << 16) | (body[3] << 8) | body[4]) >>> 0;
  if (body[0] === 1) throw new GatewayError('GATEWAY_CONTENT_TYPE', { fields: { at: 'grpc-encoding' } });
  if (body[0] !== 0 || length !== body.length - FRAME_HEAD_BYTES) {
    throw new GatewayError(code, { fields: { problem: 'not one whole message' } });
  }
  return body.subarray(FRAME_HEAD_BYTES);
}

/** Writes the head of a frame into the five bytes before the message. */
export function toFrame(frame: Uint8Array): Uint8Array {
  new DataView(frame.buffer, frame.byteOffset).setUint32(1, frame.length - FRAME_HEAD_BYTES);
  return frame;
}
