/** The mark file (docs/spec/output-marks.md §2): everything that reading, replacing and removing an output mark takes. */
import { z } from 'zod';
import { findBase64Bytes, findHexBytes, toBase64, toHex, utf8 } from '../../core/bytes.ts';
import { type Json, toCanonicalJson, toCanonicalJsonBytes } from '../../core/canonical-json.ts';
import { WatermarkError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import { WATERMARK_LIMITS } from '../../core/limits/watermark.ts';
import { PAYLOAD_KINDS, type Payload } from '../payload.ts';
import { BOX_FORMATS, type BoxesParams } from './boxes.ts';
import type { ChecksumParams } from './checksum.ts';
import type { HiddenParams } from './hidden.ts';
import type { ImageParams } from './image.ts';
import { POSITIONS } from './image.ts';
import { IMAGE_LAYOUTS } from './image-type.ts';
import type { ScoresParams } from './scores.ts';
import type { SignatureParams } from './signature.ts';

/** What is put into the outputs; `key` has 32 bytes. */
export type OutputMarkSpec =
  | { readonly kind: 'boxes'; readonly params: BoxesParams; readonly payload: Payload; readonly key: Uint8Array }
  | { readonly kind: 'scores'; readonly params: ScoresParams; readonly payload: Payload; readonly key: Uint8Array }
  | { readonly kind: 'image'; readonly params: ImageParams; readonly payload: Payload }
  | { readonly kind: 'hidden'; readonly params: HiddenParams; readonly payload: Payload; readonly key: Uint8Array }
  | { readonly kind: 'signature'; readonly params: SignatureParams; readonly payload: Payload }
  | { readonly kind: 'checksum'; readonly params: ChecksumParams };

export type OutputMarkKind = OutputMarkSpec['kind'];
/** A mark and the id that its nodes carry. */
export type OutputMark = OutputMarkSpec & { readonly id: string };

export const OUTPUT_MARK_KINDS = ['boxes', 'scores', 'image', 'hidden', 'signature', 'checksum'] as const;

const FORMAT = 'modelward-output-mark';
const name = z.string().min(1).max(4096);
const size = z.int().min(1).max(WATERMARK_LIMITS.markElementsMax);
const axis = z.int().min(0).max(31);
const positive = z.number().positive();
const imageFields = {
  output: name,
  dtype: z.enum(['u8', 'f16', 'f32', 'f64']),
  layout: z.enum(IMAGE_LAYOUTS),
  channels: z.union([z.literal(1), z.literal(3)]),
  height: size,
  width: size,
};
const payload = z
  .strictObject({ kind: z.enum(PAYLOAD_KINDS), data: z.string().max(2 * WATERMARK_LIMITS.labelBytesMax) })
  .transform(({ kind, data }, context): Payload => {
    const bytes = findBase64Bytes(data);
    if (bytes === undefined) context.addIssue({ code: 'custom', message: 'not base64' });
    return { kind, bytes: bytes ?? new Uint8Array(0) };
  });
const key = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .transform((hex) => findHexBytes(hex)!);
const params = {
  boxes: z.strictObject({
    boxes: name,
    scores: name.nullable(),
    format: z.enum(BOX_FORMATS),
    width: positive,
    height: positive,
    rowAxis: axis,
    valueAxis: axis,
    score: z.number().min(0).max(1),
  }),
  scores: z.strictObject({ output: name, step: positive.max(1).min(1e-12) }),
  image: z.strictObject({
    ...imageFields,
    position: z.enum(POSITIONS),
    opacity: positive.max(1),
    size: positive.max(1),
    range: positive,
  }),
  hidden: z.strictObject({ ...imageFields, amplitude: positive, cell: z.int().min(1).max(256) }),
  signature: z.strictObject({ output: name }),
  checksum: z.strictObject({ output: name, into: name.nullable(), step: positive }),
};
const head = { format: z.literal(FORMAT), version: z.literal(1), id: z.string().regex(/^[0-9a-f]{8}$/) };
const schema = z.discriminatedUnion('kind', [
  z.strictObject({ ...head, kind: z.literal('boxes'), params: params.boxes, payload, key }),
  z.strictObject({ ...head, kind: z.literal('scores'), params: params.scores, payload, key }),
  z.strictObject({ ...head, kind: z.literal('image'), params: params.image, payload }),
  z.strictObject({ ...head, kind: z.literal('hidden'), params: params.hidden, payload, key }),
  z.strictObject({ ...head, kind: z.literal('signature'), params: params.signature, payload }),
  z.strictObject({ ...head, kind: z.literal('checksum'), params: params.checksum }),
]);

/**
 * The mark with its id: 8 hex digits of the SHA-256 of what it is.
 * @throws WatermarkError WATERMARK_OUTPUT_UNFIT for parameters out of their range: its file could not be read back
 */
export function toOutputMark(spec: OutputMarkSpec): OutputMark {
  const parsed = params[spec.kind].safeParse(spec.params);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0];
    throw new WatermarkError('WATERMARK_OUTPUT_UNFIT', { fields: { reason: `${path.join('.')}: ${message}` } });
  }
  return { ...spec, id: toId(spec) };
}

function toId(spec: OutputMarkSpec): string {
  return toHex(sha256(toCanonicalJsonBytes(toJson(spec)))).slice(0, 8);
}

function toJson(spec: OutputMarkSpec): Record<string, Json | undefined> {
  return {
    kind: spec.kind,
    params: { ...spec.params },
    payload: 'payload' in spec ? { kind: spec.payload.kind, data: toBase64(spec.payload.bytes) } : undefined,
    key: 'key' in spec ? toHex(spec.key) : undefined,
  };
}

/** The bytes of a mark file: canonical JSON and a line end. It holds the key of the mark. */
export function formatOutputMark(mark: OutputMark): Uint8Array {
  return utf8(`${toCanonicalJson({ format: FORMAT, version: 1, id: mark.id, ...toJson(mark) })}\n`);
}

/** @throws WatermarkError WATERMARK_MARK_FILE_MALFORMED with the place of the fault */
export function parseOutputMark(bytes: Uint8Array): OutputMark {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    throw new WatermarkError('WATERMARK_MARK_FILE_MALFORMED', { fields: { at: 'not JSON' } });
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) {
    const at = parsed.error.issues.slice(0, 4).map((issue) => issue.path.map(String).join('.'));
    throw new WatermarkError('WATERMARK_MARK_FILE_MALFORMED', { fields: { at: at.join(', ').slice(0, 200) } });
  }
  const { format, version, id, ...spec } = parsed.data;
  if (toId(spec) !== id)
    throw new WatermarkError('WATERMARK_MARK_FILE_MALFORMED', { fields: { at: 'id', format, version } });
  return { ...spec, id };
}
