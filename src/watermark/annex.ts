/** Annexes: what an owner wants to prove beside the mark in the weights, bound to a claim and signed (docs/spec/annex.md). */
import { z } from 'zod';
import { toHex } from '../core/bytes.ts';
import { type Json, toCanonicalJson, toCanonicalJsonBytes } from '../core/canonical-json.ts';
import { WatermarkError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { WATERMARK_LIMITS } from '../core/limits/watermark.ts';
import { encodeDsse, type MessageSigner, signDsse, verifyDsse } from '../sign/index.ts';
import type { Claim } from './claim.ts';

/** What an annex is about; the sub-seed that it hangs on follows from it. */
export const ANNEX_TYPES = ['recipient', 'probes', 'triggers', 'trigger-set', 'plan', 'text'] as const;
export type AnnexType = (typeof ANNEX_TYPES)[number];

/** DSSE payload type of a signed annex. */
export const ANNEX_PAYLOAD_TYPE = 'application/vnd.modelward.annex.v1+json';

/** An annex holds no key: those are derived from the sub-seed that the commitment fixes. */
export interface Annex<Body extends Json = Json> {
  readonly v: 1;
  readonly kind: 'modelward-annex';
  readonly type: AnnexType;
  /** Digest of the commitment that it belongs to, hex. */
  readonly commitment: string;
  /** As the specification of its type says. */
  readonly body: Body;
}

const annexSchema = z.strictObject({
  v: z.literal(1),
  kind: z.literal('modelward-annex'),
  type: z.enum(ANNEX_TYPES),
  commitment: z.string().regex(/^[0-9a-f]{64}$/),
  body: z.json(),
});

export function createAnnex<Body extends Json>(
  { commitment }: Pick<Claim, 'commitment'>,
  { type, body }: { readonly type: AnnexType; readonly body: Body },
): Annex<Body> {
  return { v: 1, kind: 'modelward-annex', type, commitment: commitment.digest, body };
}

/** SHA-256 of the RFC 8785 form, hex: what the ledger records. */
export function toAnnexDigest(annex: Annex): string {
  return toHex(sha256(toCanonicalJsonBytes(annex as unknown as Json)));
}

/**
 * The bytes of an annex file: a DSSE envelope around the RFC 8785 form.
 * @throws WatermarkError WATERMARK_ANNEX_TOO_LARGE
 */
export async function signAnnex(annex: Annex, signer: MessageSigner): Promise<Uint8Array> {
  const payload = toCanonicalJsonBytes(annex as unknown as Json);
  if (payload.length > WATERMARK_LIMITS.annexBytesMax) throw tooLarge(payload.length);
  return encodeDsse(await signDsse({ payloadType: ANNEX_PAYLOAD_TYPE, payload, signer }));
}

/** Base64 takes four bytes for three, and the envelope a little more. */
const ENVELOPE_BYTES_MAX = 2 * WATERMARK_LIMITS.annexBytesMax;

/**
 * Opens an annex file: signed by the owner of the claim, spelled canonically, of the claim and the type that are asked for.
 * @throws SignError as `verifyDsse`, SIGN_OTHER_SIGNER when somebody else signed it
 * @throws WatermarkError WATERMARK_ANNEX_TOO_LARGE | WATERMARK_ANNEX_MALFORMED | WATERMARK_ANNEX_OF_ANOTHER_CLAIM
 */
export function openAnnex(bytes: Uint8Array, claim: Pick<Claim, 'commitment'>, type: AnnexType): Annex {
  if (bytes.length > ENVELOPE_BYTES_MAX) throw tooLarge(bytes.length);
  const publicKeyPem = claim.commitment.preimage.ownerKey;
  const { payload } = verifyDsse({ envelope: bytes, payloadType: ANNEX_PAYLOAD_TYPE, publicKeyPem });
  const annex = parseAnnex(payload);
  if (annex.type !== type) {
    throw new WatermarkError('WATERMARK_ANNEX_MALFORMED', {
      message: 'the annex is of another type than the one that is needed',
      fields: { expected: type, actual: annex.type },
    });
  }
  if (annex.commitment !== claim.commitment.digest) {
    throw new WatermarkError('WATERMARK_ANNEX_OF_ANOTHER_CLAIM', {
      fields: { expected: claim.commitment.digest, actual: annex.commitment },
    });
  }
  return annex;
}

function parseAnnex(payload: Uint8Array): Annex {
  const malformed = (): WatermarkError => new WatermarkError('WATERMARK_ANNEX_MALFORMED');
  let value: unknown;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(payload);
    value = JSON.parse(text);
  } catch {
    throw malformed();
  }
  const annex = annexSchema.safeParse(value).data;
  if (annex === undefined || toCanonicalJson(annex) !== text) throw malformed();
  return annex;
}

/**
 * The body of an annex in the shape that its type has.
 * @throws WatermarkError WATERMARK_TRIGGERS_CHOSEN naming the member that brings inputs or answers that follow from no seed;
 *   WATERMARK_ANNEX_MALFORMED naming the members that do not fit
 */
export function toAnnexBody<T>(annex: Annex, schema: z.ZodType<T>): T {
  const result = schema.safeParse(annex.body);
  if (result.success) return result.data;
  const chosen = findChosen(result.error.issues);
  if (chosen !== undefined) {
    throw new WatermarkError('WATERMARK_TRIGGERS_CHOSEN', { fields: { type: annex.type, member: chosen } });
  }
  const issues = result.error.issues.slice(0, 20).map((issue) => `${issue.path.join('.') || '.'}: ${issue.code}`);
  throw new WatermarkError('WATERMARK_ANNEX_MALFORMED', { fields: { type: annex.type, issues } });
}

/** What an accuser would bring who picked inputs that models answer alike: ours all follow from the committed seed. */
const CHOSEN_MEMBERS: ReadonlySet<string> = new Set([
  ...['examples', 'images', 'inputs', 'labels', 'prompts', 'questions', 'samples', 'seed', 'targets', 'triggers'],
]);

function findChosen(issues: readonly z.core.$ZodIssue[]): string | undefined {
  const unknown = issues.flatMap((issue) => (issue.code === 'unrecognized_keys' ? issue.keys : []));
  return unknown.find((key) => CHOSEN_MEMBERS.has(key));
}

function tooLarge(bytes: number): WatermarkError {
  return new WatermarkError('WATERMARK_ANNEX_TOO_LARGE', {
    fields: { bytes, bytesMax: WATERMARK_LIMITS.annexBytesMax },
  });
}
