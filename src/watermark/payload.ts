/** What labels and output marks say: a text, licence statement, UUID, checksum or logo in a frame that checks itself. */
import { crc32 } from 'node:zlib';
import { concatBytes, findHexBytes, toHex, u32be, utf8 } from '../core/bytes.ts';
import { WatermarkError } from '../core/errors.ts';
import { WATERMARK_LIMITS } from '../core/limits/watermark.ts';

export const PAYLOAD_KINDS = ['text', 'licence', 'uuid', 'checksum', 'logo'] as const;
export type PayloadKind = (typeof PAYLOAD_KINDS)[number];

export interface Payload {
  readonly kind: PayloadKind;
  /** UTF-8 of a text, 16 bytes of a UUID, the bytes of a digest or a file. */
  readonly bytes: Uint8Array;
}

/** Version and kind, and length. */
const HEAD_BYTES = 4;
/** What a frame has beside its content: the head, and the CRC-32 at the end. */
export const FRAME_BYTES = HEAD_BYTES + 4;
const VERSION = 1;

/**
 * version u4, kind u4 ‖ length u24 ‖ content ‖ CRC-32 (ISO-HDLC) of all before, big-endian.
 * @throws WatermarkError WATERMARK_LABEL_TOO_LONG
 * @see docs/spec/graph-labels.md §1
 */
export function toPayloadFrame({ kind, bytes }: Payload): Uint8Array {
  const capacityBytes = WATERMARK_LIMITS.labelBytesMax;
  if (bytes.length > capacityBytes) {
    throw new WatermarkError('WATERMARK_LABEL_TOO_LONG', { fields: { payloadBytes: bytes.length, capacityBytes } });
  }
  const head = u32be(bytes.length);
  head[0] = (VERSION << 4) | PAYLOAD_KINDS.indexOf(kind);
  const body = concatBytes(head, bytes);
  return concatBytes(body, u32be(crc32(body)));
}

/** The payload at the start of `bytes`, which may go on; undefined when it is none or damaged. */
export function findPayload(bytes: Uint8Array): Payload | undefined {
  if (bytes.length < FRAME_BYTES) return undefined;
  const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const kind = PAYLOAD_KINDS.at(frame[0] & 0x0f);
  const length = frame.readUIntBE(1, 3);
  if (frame[0] >> 4 !== VERSION || kind === undefined || length + FRAME_BYTES > frame.length) return undefined;
  const body = frame.subarray(0, HEAD_BYTES + length);
  if (crc32(body) !== frame.readUInt32BE(body.length)) return undefined;
  return { kind, bytes: new Uint8Array(body.subarray(HEAD_BYTES)) };
}

/** Text that carries a payload wherever text is kept: readable where it is a text, and exact. */
export function toPayloadText(payload: Payload): string {
  const frame = `modelward:${toBase64Url(toPayloadFrame(payload))}`;
  return payload.kind === 'logo' ? frame : `${toShownPayload(payload)} [${frame}]`;
}

/** The first intact payload in `text`. */
export function findPayloadInText(text: string): Payload | undefined {
  for (const [, encoded] of text.matchAll(/modelward:([\w-]{11,})/g)) {
    const payload = findPayload(Buffer.from(encoded, 'base64url'));
    if (payload !== undefined) return payload;
  }
  return undefined;
}

export function toBase64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url');
}

/** A payload in words: texts as they are, UUIDs and digests in hex, logos by their size. */
export function toShownPayload({ kind, bytes }: Payload): string {
  if (kind === 'text' || kind === 'licence') return Buffer.from(bytes).toString('utf8');
  if (kind === 'logo') return `logo of ${bytes.length} bytes`;
  const hex = toHex(bytes);
  return kind === 'uuid' ? hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5') : hex;
}

/** @throws WatermarkError WATERMARK_PAYLOAD_MALFORMED for a UUID or checksum that is not hexadecimal */
export function toTextPayload(kind: Exclude<PayloadKind, 'logo'>, text: string): Payload {
  if (kind === 'text' || kind === 'licence') return { kind, bytes: utf8(text) };
  const bytes = findHexBytes(text.replaceAll('-', '').toLowerCase());
  if (bytes === undefined || bytes.length === 0 || (kind === 'uuid' && bytes.length !== 16)) {
    throw new WatermarkError('WATERMARK_PAYLOAD_MALFORMED', { fields: { kind } });
  }
  return { kind, bytes };
}
