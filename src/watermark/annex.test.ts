import { randomFillSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { codeOf } from '../../test/error-code.ts';
import { utf8 } from '../core/bytes.ts';
import { createOwner, encodeDsse, type Owner, ownerSigner, signDsse } from '../sign/index.ts';
import { WATERMARK_LIMITS } from '../core/limits/watermark.ts';
import {
  type Annex,
  ANNEX_PAYLOAD_TYPE,
  createAnnex,
  openAnnex,
  signAnnex,
  toAnnexBody,
  toAnnexDigest,
} from './annex.ts';
import { createCommitment } from './commitment.ts';
import { deriveSeeds } from './seeds.ts';

const random = { fill: (into: Uint8Array) => void randomFillSync(into) };
const newOwner = (): Owner => createOwner({ ownerId: 'acme', random, clock: { nowMs: () => 0 } });

/** The part of a claim that an annex is bound to. */
function claimOf({ identity }: Owner, fill = 7) {
  const commitment = createCommitment({
    ...{ ownerKey: identity.signKey, ownerId: identity.ownerId, params: {} },
    ...{ originalDigest: new Uint8Array(32).fill(fill), markedDigest: new Uint8Array(32) },
    seeds: deriveSeeds(new Uint8Array(32).fill(fill)),
  });
  return { commitment } as unknown as Parameters<typeof openAnnex>[1];
}

const owner = newOwner();
const claim = claimOf(owner);
const annex = createAnnex(claim, { type: 'recipient', body: { names: ['a', 'b'] } });

async function signRaw(payload: string): Promise<Uint8Array> {
  const signer = ownerSigner(owner);
  return encodeDsse(await signDsse({ payloadType: ANNEX_PAYLOAD_TYPE, payload: utf8(payload), signer }));
}

describe('an annex', () => {
  test('comes back as it was signed, with the digest that the ledger records', async () => {
    const opened = openAnnex(await signAnnex(annex, ownerSigner(owner)), claim, 'recipient');
    expect(opened).toEqual(annex);
    expect(toAnnexDigest(opened)).toBe(toAnnexDigest(annex));
    expect(toAnnexDigest({ ...annex, body: { names: ['a'] } })).not.toBe(toAnnexDigest(annex));
  });

  test('of somebody else, of another claim or another type is refused', async () => {
    const bytes = await signAnnex(annex, ownerSigner(owner));
    const stranger = newOwner();
    expect(codeOf(() => openAnnex(bytes, claimOf(stranger), 'recipient'))).toBe('SIGN_OTHER_SIGNER');
    expect(codeOf(() => openAnnex(bytes, claimOf(owner, 8), 'recipient'))).toBe('WATERMARK_ANNEX_OF_ANOTHER_CLAIM');
    expect(codeOf(() => openAnnex(bytes, claim, 'probes'))).toBe('WATERMARK_ANNEX_MALFORMED');
  });

  test('with one changed byte is refused', async () => {
    const envelope = JSON.parse(Buffer.from(await signAnnex(annex, ownerSigner(owner))).toString()) as {
      payload: string;
    };
    const payload = Buffer.from(envelope.payload, 'base64');
    payload[payload.length >> 1] ^= 1;
    const bytes = utf8(JSON.stringify({ ...envelope, payload: payload.toString('base64') }));
    expect(codeOf(() => openAnnex(bytes, claim, 'recipient'))).toBe('SIGN_SIGNATURE_INVALID');
  });

  test.each<[string, (annex: Annex) => string]>([
    ['not JSON', () => '{'],
    ['spelled with a space', (one) => `${JSON.stringify(one)} `],
    ['of a later version', (one) => JSON.stringify({ ...one, v: 2 })],
    ['with a member more', (one) => JSON.stringify({ ...one, extra: 1 })],
    ['without a body', ({ kind, type, v }) => JSON.stringify({ commitment: claim.commitment.digest, kind, type, v })],
  ])('whose payload is %s is refused, signed or not', async (_name, toPayload) => {
    const bytes = await signRaw(toPayload(annex));
    expect(codeOf(() => openAnnex(bytes, claim, 'recipient'))).toBe('WATERMARK_ANNEX_MALFORMED');
  });

  test('above the cap is neither made nor read', async () => {
    const body = 'x'.repeat(WATERMARK_LIMITS.annexBytesMax);
    const large = createAnnex(claim, { type: 'text', body });
    await expect(signAnnex(large, ownerSigner(owner))).rejects.toMatchObject({ code: 'WATERMARK_ANNEX_TOO_LARGE' });
    const bytes = new Uint8Array(2 * WATERMARK_LIMITS.annexBytesMax + 1);
    expect(codeOf(() => openAnnex(bytes, claim, 'text'))).toBe('WATERMARK_ANNEX_TOO_LARGE');
  });

  test('has the body of its type, or names what does not fit', () => {
    const schema = z.strictObject({ names: z.array(z.string()) });
    expect(toAnnexBody(annex, schema)).toEqual({ names: ['a', 'b'] });
    const wrong = createAnnex(claim, { type: 'recipient', body: { names: [1] } });
    expect(() => toAnnexBody(wrong, schema)).toThrow(
      expect.objectContaining({
        code: 'WATERMARK_ANNEX_MALFORMED',
        fields: { type: 'recipient', issues: ['names.0: invalid_type'] },
      }),
    );
  });
});
