import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { codeOf } from '../../test/error-code.ts';
import { describeWithProgram } from '../../test/shared-data.ts';
import { toBase64, utf8 } from '../core/bytes.ts';
import { type ErrorCode } from '../core/errors.ts';
import { SIGN_LIMITS } from '../core/limits/sign.ts';
import { type DsseEnvelope, encodeDsse, signDsse, toPae, verifyDsse } from './dsse.ts';
import { createP256Pkcs8, p256Signer, parseP256PublicKey } from './p256.ts';

const TYPE = 'application/x-test+json';
const signer = p256Signer(createP256Pkcs8());
const other = p256Signer(createP256Pkcs8());

function verifyCode(envelope: unknown, publicKeyPem = signer.publicKeyPem): ErrorCode | 'no error' {
  const bytes = envelope instanceof Uint8Array ? envelope : utf8(JSON.stringify(envelope));
  return codeOf(() => verifyDsse({ envelope: bytes, payloadType: TYPE, publicKeyPem }));
}

describe('DSSE', () => {
  it('has the pre-authentication encoding of the DSSE protocol text', () => {
    // The example of protocol.md: PAE("http://example.com/HelloWorld", "hello world").
    const pae = toPae('http://example.com/HelloWorld', utf8('hello world'));
    expect(Buffer.from(pae).toString()).toBe('DSSEv1 29 http://example.com/HelloWorld 11 hello world');
  });

  it('counts bytes, not characters, in the encoding', () => {
    expect(Buffer.from(toPae('é', utf8('ü'))).toString()).toBe('DSSEv1 2 é 2 ü');
  });

  it('returns the payload of every envelope that it signed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (payload) => {
        const envelope = encodeDsse(await signDsse({ payloadType: TYPE, payload, signer }));
        const verified = verifyDsse({ envelope, payloadType: TYPE, publicKeyPem: signer.publicKeyPem });
        expect(Buffer.from(verified.payload)).toEqual(Buffer.from(payload));
        expect(verified.keyId).toBe(signer.keyId);
      }),
      { numRuns: process.env.SLOW === '1' ? 500 : 30 },
    );
  });

  it('refuses the envelope when any byte of payload or signature changed', async () => {
    const envelope = await signDsse({ payloadType: TYPE, payload: utf8('{"a":1}'), signer });
    const flip = (text: string, bit: number) => {
      const bytes = Buffer.from(text, 'base64');
      bytes[bit >> 3] ^= 1 << (bit & 7);
      return toBase64(bytes);
    };
    for (let bit = 0; bit < 7 * 8; bit++) {
      expect(verifyCode({ ...envelope, payload: flip(envelope.payload, bit) })).toBe('SIGN_SIGNATURE_INVALID');
    }
    const one = envelope.signatures[0];
    for (let bit = 0; bit < Buffer.from(one.sig, 'base64').length * 8; bit++) {
      const altered = { ...envelope, signatures: [{ ...one, sig: flip(one.sig, bit) }] };
      expect(verifyCode(altered)).toBe('SIGN_SIGNATURE_INVALID');
    }
  });

  it('binds the payload type to the signature', async () => {
    const envelope = await signDsse({ payloadType: 'application/x-other', payload: utf8('{}'), signer });
    expect(verifyCode(envelope)).toBe('SIGN_TYPE_MISMATCH');
    expect(verifyCode({ ...envelope, payloadType: TYPE })).toBe('SIGN_SIGNATURE_INVALID');
  });

  it('tells another signer from an altered document', async () => {
    const envelope = await signDsse({ payloadType: TYPE, payload: utf8('{}'), signer: other });
    expect(verifyCode(envelope)).toBe('SIGN_OTHER_SIGNER');
    const claiming = { ...envelope, signatures: [{ ...envelope.signatures[0], keyid: signer.keyId }] };
    expect(verifyCode(claiming)).toBe('SIGN_SIGNATURE_INVALID');
  });

  it('accepts a signature whose keyid is absent, null or foreign, and one among several', async () => {
    const envelope = await signDsse({ payloadType: TYPE, payload: utf8('{}'), signer });
    const foreign = await signDsse({ payloadType: TYPE, payload: utf8('{}'), signer: other });
    const { sig } = envelope.signatures[0];
    for (const signature of [{ sig }, { sig, keyid: null }, { sig, keyid: '' }, { sig, keyid: 'name' }]) {
      expect(verifyCode({ ...envelope, signatures: [signature] })).toBe('no error');
    }
    expect(verifyCode({ ...envelope, signatures: [...foreign.signatures, ...envelope.signatures] })).toBe('no error');
  });

  it('refuses malformed envelopes before any key is used', async () => {
    const good: DsseEnvelope = await signDsse({ payloadType: TYPE, payload: utf8('{}'), signer });
    const one = good.signatures[0];
    const bad: unknown[] = [
      {},
      [],
      null,
      { ...good, payload: 'e30' },
      { ...good, payload: 'e3 0=' },
      { ...good, signatures: [] },
      { ...good, signatures: Array.from({ length: SIGN_LIMITS.signaturesMax + 1 }, () => one) },
      { ...good, signatures: [{ sig: 7 }] },
      { ...good, payloadType: '' },
      new Uint8Array([0x7b, 0xff, 0x7d]),
      new Uint8Array(SIGN_LIMITS.envelopeBytesMax + 1),
    ];
    for (const envelope of bad) expect(verifyCode(envelope)).toBe('SIGN_ENVELOPE_MALFORMED');
  });
});

describe('P-256 keys', () => {
  it('refuses other curves, other kinds, private keys and other text', () => {
    const pemOf = (key: { export(options: object): string | Buffer }) =>
      String(key.export({ type: 'spki', format: 'pem' }));
    const p384 = generateKeyPairSync('ec', { namedCurve: 'secp384r1' });
    const ed25519 = generateKeyPairSync('ed25519');
    const p256 = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const privatePem = p256.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const bad = [pemOf(p384.publicKey), pemOf(ed25519.publicKey), privatePem, '', '-----BEGIN PUBLIC KEY-----\nAA==\n'];
    for (const pem of bad) expect(codeOf(() => parseP256PublicKey(pem))).toBe('SIGN_KEY_INVALID');
    expect(codeOf(() => p256Signer(new Uint8Array(40)))).toBe('SIGN_KEY_INVALID');
    const p384Der = new Uint8Array(p384.privateKey.export({ type: 'pkcs8', format: 'der' }));
    expect(codeOf(() => p256Signer(p384Der))).toBe('SIGN_KEY_INVALID');
  });
});

describeWithProgram('DSSE against OpenSSL', 'openssl', ['version'], () => {
  it('signs what openssl dgst -verify accepts over the same encoding', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'modelward-dsse-'));
    try {
      const payload = utf8('{"some":"payload"}');
      const envelope = await signDsse({ payloadType: TYPE, payload, signer });
      writeFileSync(join(folder, 'key.pem'), signer.publicKeyPem);
      writeFileSync(join(folder, 'sig'), Buffer.from(envelope.signatures[0].sig, 'base64'));
      writeFileSync(join(folder, 'pae'), toPae(TYPE, payload));
      const args = ['dgst', '-sha256', '-verify', 'key.pem', '-signature', 'sig', 'pae'];
      expect(execFileSync('openssl', args, { cwd: folder }).toString()).toContain('Verified OK');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
