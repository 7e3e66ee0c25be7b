/** Answers to the client: those of another implementation are opened, altered ones are not. */
import { FlattenedEncrypt } from 'jose';
import { describe, expect, test } from 'vitest';
import { DEK, makeGuest, makeRsaGuest } from '../../test/broker/kit.ts';
import { codeOf } from '../../test/error-code.ts';
import { flip } from '../../test/fakes/attest/x509.ts';
import { decryptJwe } from './index.ts';

describe('an answer to the client', () => {
  test('of another implementation is opened', async () => {
    for (const guest of [makeGuest(), makeGuest('P-521'), makeRsaGuest()]) {
      const jwe = await new FlattenedEncrypt(DEK)
        .setProtectedHeader({ alg: guest.jwk.alg, enc: 'A256GCM' })
        .encrypt(guest.jwk);
      expect(decryptJwe(jwe, guest.privateKey)).toEqual(DEK);
    }
  });

  test('that was altered in any member, or is for another key, is refused, always in the same words', async () => {
    const guest = makeGuest();
    const jwe = await new FlattenedEncrypt(DEK)
      .setProtectedHeader({ alg: 'ECDH-ES+A256KW', enc: 'A256GCM' })
      .encrypt(guest.jwk);
    const altered = Object.entries(jwe).map(([name, value]) => {
      const bytes = Buffer.from(String(value), 'base64url');
      return { ...jwe, [name]: Buffer.from(flip(bytes, bytes.length >> 1)).toString('base64url') };
    });
    for (const bad of altered) expect(codeOf(() => decryptJwe(bad, guest.privateKey))).toBe('BROKER_ANSWER_MALFORMED');
    expect(codeOf(() => decryptJwe(jwe, makeGuest().privateKey))).toBe('BROKER_ANSWER_MALFORMED');
    expect(codeOf(() => decryptJwe({}, guest.privateKey))).toBe('BROKER_ANSWER_MALFORMED');
  });
});
