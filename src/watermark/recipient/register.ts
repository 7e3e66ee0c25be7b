/** The register of recipients: one annex for each copy that was given away (docs/spec/recipient-code.md §5). */
import { z } from 'zod';
import type { Topology } from '../../align/index.ts';
import { isEqualConstantTime, toHex, utf8 } from '../../core/bytes.ts';
import { WatermarkError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import { WATERMARK_LIMITS } from '../../core/limits/watermark.ts';
import { type Annex, toAnnexBody } from '../annex.ts';
import { toCodedFault } from '../order/index.ts';
import { PAYLOAD_BITS } from './message.ts';

const hex32 = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.number().int().min(1).max(Number.MAX_SAFE_INTEGER);

const recipientBodySchema = z.strictObject({
  v: z.literal(1),
  /** 1, 2, …: what orders, identifiers and tags are derived from. */
  number: z.number().int().min(1).max(0xffff_ffff),
  /** SHA-256("wm/v1/recipient\0" ‖ salt ‖ ID): the ID itself is in no annex and no ledger. */
  name: hex32,
  /** originalDigest of the copy as it was given away, hex. */
  releasedDigest: hex32,
  /** Spaces whose channels were put in the recipient's order; null without the order code. */
  order: z
    .strictObject({
      spaces: z
        .array(z.strictObject({ space: z.number().int().min(0), channels: count, blocks: count }))
        .min(1)
        .max(WATERMARK_LIMITS.layersMax),
    })
    .nullable(),
  /** Strength of the payload; null without one. */
  payload: z.strictObject({ tau: z.number().positive().max(1), bits: z.literal(PAYLOAD_BITS) }).nullable(),
});

export type RecipientBody = z.infer<typeof recipientBodySchema>;

/**
 * The body of a recipient annex, checked against the topology of its claim.
 * @throws WatermarkError WATERMARK_ANNEX_MALFORMED | RECIPIENT_REGISTER_MALFORMED
 */
export function toRecipientBody(annex: Annex, topology: Topology): RecipientBody {
  const body = toAnnexBody(annex, recipientBodySchema);
  const fault = body.order === null ? undefined : toCodedFault(body.order.spaces, topology);
  if (fault !== undefined) throw malformed(`the order has ${fault}`, body.number);
  if (body.order === null && body.payload === null) throw malformed('an entry has no code at all', body.number);
  return body;
}

/** The entries of one register. */
export interface Register<T> {
  /** By number; every copy of every recipient once. */
  readonly entries: readonly T[];
  /** Numbers that stand for two recipients or two copies: their codes are the same, so they name nobody. */
  readonly ambiguous: ReadonlySet<number>;
}

/** All entries, by number. Only what says the same of the same recipient is taken together; nothing else is left out. */
export function toRegister<T extends { readonly body: RecipientBody }>(entries: readonly T[]): Register<T> {
  const byCopy = new Map<string, T>();
  for (const entry of entries) {
    const { number, name, releasedDigest } = entry.body;
    const key = `${number} ${name} ${releasedDigest}`;
    if (!byCopy.has(key)) byCopy.set(key, entry);
  }
  const sorted = [...byCopy.values()].sort((a, b) => a.body.number - b.body.number);
  const twice = sorted.filter(({ body }, i) => i > 0 && body.number === sorted[i - 1].body.number);
  return { entries: sorted, ambiguous: new Set(twice.map(({ body }) => body.number)) };
}

function malformed(message: string, number: number): WatermarkError {
  return new WatermarkError('RECIPIENT_REGISTER_MALFORMED', {
    message: `The register of recipients is malformed: ${message}.`,
    fields: { number },
  });
}

/** Length of the salt, bytes. */
export const SALT_BYTES = 16;

/** The salted commitment to an ID, hex. */
export function toNameCommitment(salt: Uint8Array, id: string): string {
  return toHex(sha256(utf8('wm/v1/recipient\0'), salt, utf8(id)));
}

/** True when `id` with `salt` is what the entry commits to. */
export function isNamed({ name }: Pick<RecipientBody, 'name'>, salt: Uint8Array, id: string): boolean {
  return isEqualConstantTime(utf8(name), utf8(toNameCommitment(salt, id)));
}
