import { createHash, createPublicKey, generateKeyPairSync, verify as verifyWith } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { changeJson } from '../../test/changed-json.ts';
import { codeOf } from '../../test/error-code.ts';
import {
  CODE_SIGNING,
  makeCertificate,
  makeChain,
  makeKey,
  toPrivatePem,
  toPublicPem,
} from '../../test/x509/certificates.ts';
import { toBase64, utf8 } from '../core/bytes.ts';
import { encodeBundle } from '../sign/index.ts';
import { decodeBundle } from './bundle.ts';
import { openPemSigner, parsePublicKey } from './keys.ts';
import { type ModelManifest, type Resource, toSorted } from './manifest.ts';
import type { ModelSigner } from './ports.ts';
import { parseSignerCertificates, signStatement } from './sign-statement.ts';
import { decodeSignatureStatement, encodeSignatureStatement } from './statement.ts';
import { type Trust, verifyStatement } from './verify-statement.ts';

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');
const toResources = (...names: readonly string[]): Resource[] =>
  toSorted(names.map((name) => ({ name, digest: digestOf(name) })));

const MANIFEST: ModelManifest = {
  modelName: 'model',
  resources: toResources('config.json', 'weights/a.bin', 'weights/b.bin'),
  serialization: { hashType: 'sha256', shardBytes: null, allowSymlinks: false, ignorePaths: ['model.sig'] },
};
const PAYLOAD = encodeSignatureStatement(MANIFEST);

const key = makeKey();
const toSigner = (of = key): ModelSigner => openPemSigner({ pem: utf8(toPrivatePem(of)), passphrase: null });
const signed = await signStatement(PAYLOAD, { signer: toSigner(), certificates: [], stamp: null });
const trustKey = (of = key): Trust => ({ kind: 'key', publicKeyPem: toPublicPem(of) });

/** The bundle with a member changed. */
const edited = (path: string, value: unknown): Uint8Array => changeJson(signed, path, value);

describe('a signed statement', () => {
  test.each([
    ['prime256v1', 'P-256', 'sha256'],
    ['secp384r1', 'P-384', 'sha384'],
    ['secp521r1', 'P-521', 'sha512'],
  ])('%s: signs with the hash of its curve, and verifies', async (curve, name, hash) => {
    const own = makeKey(curve);
    const bytes = await signStatement(PAYLOAD, { signer: toSigner(own), certificates: [], stamp: null });
    const verified = verifyStatement(bytes, trustKey(own));
    expect(verified).toMatchObject({ method: 'key', curve: name, judgedAt: null });
    expect(decodeSignatureStatement(verified.payload)).toEqual(MANIFEST);
    const { payload, signature } = decodeBundle(bytes);
    const pae = Buffer.concat([utf8(`DSSEv1 28 application/vnd.in-toto+json ${payload.length} `), payload]);
    expect(verifyWith(hash, pae, own.publicKey, signature)).toBe(true);
  });

  test('names its key by the SHA-256 of the PEM text', () => {
    const { material } = decodeBundle(signed);
    expect(material).toEqual({ kind: 'key', hint: digestOf(toPublicPem(key)), pem: null });
  });

  test('is refused for another key, and says which of the two is wrong', () => {
    expect(codeOf(() => verifyStatement(signed, trustKey(makeKey())))).toBe('OMS_OTHER_KEY');
    const claimed = edited('verificationMaterial.publicKey.hint', parsePublicKey(toPublicPem(other)).hint);
    expect(codeOf(() => verifyStatement(claimed, trustKey(other)))).toBe('OMS_SIGNATURE_INVALID');
  });

  test('is refused when any byte of payload or signature changed', () => {
    const { payload, signature, material } = decodeBundle(signed);
    const hint = material.kind === 'key' ? (material.hint ?? '') : '';
    const codeFor = (changed: Uint8Array, over: Uint8Array): string =>
      codeOf(() =>
        verifyStatement(
          encodeBundle({ payload: changed, signature: over, material: { hint }, timestamps: [] }),
          trustKey(),
        ),
      );
    for (let at = 0; at < payload.length; at += 7) {
      const changed = Uint8Array.from(payload);
      changed[at] ^= 1;
      expect(codeFor(changed, signature)).toBe('OMS_SIGNATURE_INVALID');
    }
    for (let at = 0; at < signature.length; at++) {
      const changed = Uint8Array.from(signature);
      changed[at] ^= 1;
      expect(codeFor(payload, changed)).toBe('OMS_SIGNATURE_INVALID');
    }
    expect(codeFor(payload, signature)).toBe('no error');
  });

  test('of a signer that returns nonsense never leaves', async () => {
    const broken: ModelSigner = { publicKeyPem: toPublicPem(key), sign: () => Promise.resolve(new Uint8Array(70)) };
    await expect(signStatement(PAYLOAD, { signer: broken, certificates: [], stamp: null })).rejects.toMatchObject({
      code: 'OMS_SIGNATURE_INVALID',
    });
  });

  test('is asked for by the method that signed it', () => {
    const trust: Trust = { kind: 'certificate', certificates: [], atMs: 0, timestampRoots: null };
    expect(codeOf(() => verifyStatement(signed, trust))).toBe('OMS_METHOD_MISMATCH');
  });

  test('bundles of older tools name the key itself; it is compared, not believed', () => {
    const withKey = (of: typeof key): Uint8Array => {
      const rawBytes = Buffer.from(toPublicPem(of)).toString('base64');
      const older = edited('verificationMaterial.publicKey', { rawBytes, keyDetails: 'PKIX_ECDSA_P256_SHA_256' });
      return changeJson(older, 'dsseEnvelope.signatures.0.keyid', null);
    };
    expect(codeOf(() => verifyStatement(withKey(key), trustKey()))).toBe('no error');
    expect(codeOf(() => verifyStatement(withKey(key), trustKey(other)))).toBe('OMS_OTHER_KEY');
    expect(codeOf(() => verifyStatement(withKey(other), trustKey(other)))).toBe('OMS_SIGNATURE_INVALID');
  });
});

const other = makeKey();

describe('a certificate', () => {
  const { root, between, leaf } = makeChain('secp384r1');
  const signer = toSigner(leaf.key);
  const AT = Date.parse('2026-06-01T00:00:00Z');
  const trust = (certificates: readonly string[], atMs = AT): Trust => ({
    kind: 'certificate',
    certificates,
    atMs,
    timestampRoots: null,
  });

  test('travels in the bundle, and leads to the root', async () => {
    const certificates = parseSignerCertificates([leaf.pem, between.pem], signer);
    const bytes = await signStatement(PAYLOAD, { signer, certificates, stamp: null });
    expect(verifyStatement(bytes, trust([root.pem]))).toMatchObject({
      method: 'certificate',
      signer: 'CN=test signer',
      curve: 'P-384',
      judgedAt: '2026-06-01T00:00:00.000Z',
      isTimestamped: false,
    });
    expect(codeOf(() => verifyStatement(bytes, trust([makeChain().root.pem])))).toBe('OMS_CERTIFICATE_UNTRUSTED');
    expect(codeOf(() => verifyStatement(bytes, trust([root.pem], Date.parse('2036-01-01T00:00:00Z'))))).toBe(
      'OMS_CERTIFICATE_EXPIRED',
    );
  });

  test('without a timestamp is refused by those who named who must have made it, whatever time they say', async () => {
    const certificates = parseSignerCertificates([leaf.pem, between.pem], signer);
    const bytes = await signStatement(PAYLOAD, { signer, certificates, stamp: null });
    expect(codeOf(() => verifyStatement(bytes, { ...trust([root.pem]), timestampRoots: [root.pem] } as Trust))).toBe(
      'OMS_TIMESTAMP_MISSING',
    );
  });

  test('of another key is refused when signing, and does not verify what that key signed', () => {
    expect(codeOf(() => parseSignerCertificates([leaf.pem], toSigner()))).toBe('OMS_CERTIFICATE_MISMATCH');
    const { payload, signature } = decodeBundle(signed);
    const certificates = [leaf.der, between.der];
    const bytes = encodeBundle({ payload, signature, material: { certificates }, timestamps: [] });
    expect(codeOf(() => verifyStatement(bytes, trust([root.pem])))).toBe('OMS_SIGNATURE_INVALID');
    const server = makeCertificate({
      name: 'server',
      issuer: root,
      key,
      usage: 'keyAgreement',
      purposes: [CODE_SIGNING],
    });
    const wrong = encodeBundle({ payload, signature, material: { certificates: [server.der] }, timestamps: [] });
    expect(codeOf(() => verifyStatement(wrong, trust([root.pem])))).toBe('OMS_CERTIFICATE_USAGE');
  });
});

describe('a bundle', () => {
  const codeFor = (bytes: Uint8Array): string => codeOf(() => verifyStatement(bytes, trustKey()));

  test.each([
    ['nothing', utf8(' \n'), 'OMS_BUNDLE_EMPTY'],
    ['no JSON', utf8('{'), 'OMS_BUNDLE_MALFORMED'],
    ['a list', utf8('[]'), 'OMS_BUNDLE_MALFORMED'],
    ['bytes that are no text', Uint8Array.of(0x7b, 0xff, 0x7d), 'OMS_BUNDLE_MALFORMED'],
  ])('%s', (_, bytes, code) => {
    expect(codeFor(bytes)).toBe(code);
  });

  const text = { sig: toBase64(decodeBundle(signed).signature), keyid: '' };

  test.each<[string, string, unknown, string]>([
    ['without material', 'verificationMaterial', undefined, 'OMS_NO_MATERIAL'],
    ['with empty material', 'verificationMaterial', {}, 'OMS_NO_MATERIAL'],
    ['without envelope', 'dsseEnvelope', undefined, 'OMS_NO_ENVELOPE'],
    ['of another version', 'mediaType', 'application/vnd.dev.sigstore.bundle.v9+json', 'OMS_MEDIA_TYPE'],
    ['of no type', 'mediaType', undefined, 'OMS_BUNDLE_MALFORMED'],
    ['with more members', 'extra', 1, 'OMS_BUNDLE_MALFORMED'],
    [
      'with a keyless certificate and no log entry',
      'verificationMaterial',
      { certificate: { rawBytes: 'AAAA' }, tlogEntries: [] },
      'OMS_NO_LOG_ENTRY',
    ],
    ['with two kinds of material', 'verificationMaterial.certificate', { rawBytes: 'AAAA' }, 'OMS_BUNDLE_MALFORMED'],
    ['with a key that has no name', 'verificationMaterial.publicKey', {}, 'OMS_BUNDLE_MALFORMED'],
    ['without signature', 'dsseEnvelope.signatures', [], 'OMS_BUNDLE_MALFORMED'],
    ['with two signatures', 'dsseEnvelope.signatures', [text, text], 'OMS_BUNDLE_MALFORMED'],
    ['with other base64', 'dsseEnvelope.payload', 'AA=A', 'OMS_BUNDLE_MALFORMED'],
    ['of another payload type', 'dsseEnvelope.payloadType', 'text/plain', 'OMS_PAYLOAD_TYPE'],
    ['with a keyid', 'dsseEnvelope.signatures.0.keyid', 'any', 'no error'],
    ['without a keyid', 'dsseEnvelope.signatures.0.keyid', undefined, 'no error'],
    ['without log entries', 'verificationMaterial.tlogEntries', undefined, 'no error'],
  ])('%s', (_, path, value, code) => {
    expect(codeFor(edited(path, value))).toBe(code);
  });

  test('with any byte changed is refused with a code, or means the same', () => {
    const { payload } = decodeBundle(signed);
    for (let at = 0; at < signed.length; at += 2) {
      const bytes = Uint8Array.from(signed);
      bytes[at] ^= 1 << (at % 7);
      // A changed hint or keyid decides nothing; everything else is refused.
      const code = codeFor(bytes);
      if (code === 'no error') expect(verifyStatement(bytes, trustKey()).payload).toEqual(payload);
      else expect(code).toMatch(/^OMS_/);
    }
  });

  test('that is too large is not read', () => {
    expect(codeFor(new Uint8Array(64 * 1024 * 1024 + 1))).toBe('OMS_BUNDLE_MALFORMED');
  });
});

describe('keys', () => {
  test('are one public key on a curve of the standard', () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ type: 'spki', format: 'pem' });
    const edwards = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' });
    const pem = toPublicPem(key);
    expect(codeOf(() => parsePublicKey(rsa.toString()))).toBe('OMS_KEY_UNSUPPORTED');
    expect(codeOf(() => parsePublicKey(edwards.toString()))).toBe('OMS_KEY_UNSUPPORTED');
    expect(codeOf(() => parsePublicKey(toPublicPem(makeKey('secp256k1'))))).toBe('OMS_KEY_UNSUPPORTED');
    expect(codeOf(() => parsePublicKey(pem + pem))).toBe('OMS_KEY_MALFORMED');
    expect(codeOf(() => parsePublicKey(toPrivatePem(key)))).toBe('OMS_KEY_MALFORMED');
    expect(codeOf(() => parsePublicKey(pem.replace('MF', 'MM')))).toBe('OMS_KEY_MALFORMED');
    expect(parsePublicKey(`key of acme\n${pem}`).pem).toBe(pem);
  });

  test('that are protected open with their passphrase, and tell nothing else', () => {
    const locked = key.privateKey.export({
      type: 'pkcs8',
      format: 'pem',
      cipher: 'aes-256-cbc',
      passphrase: 'correct horse',
    });
    const open = (passphrase: string | null) =>
      openPemSigner({ pem: utf8(locked.toString()), passphrase: passphrase === null ? null : utf8(passphrase) });
    expect(open('correct horse').publicKeyPem).toBe(toPublicPem(key));
    expect(codeOf(() => open('wrong horse'))).toBe('OMS_KEY_LOCKED');
    expect(codeOf(() => open(null))).toBe('OMS_KEY_LOCKED');
    expect(codeOf(() => openPemSigner({ pem: utf8('no key'), passphrase: null }))).toBe('OMS_KEY_MALFORMED');
    const sec1 = key.privateKey.export({ type: 'sec1', format: 'pem' }).toString();
    expect(openPemSigner({ pem: utf8(sec1), passphrase: null }).publicKeyPem).toBe(toPublicPem(key));
    expect(createPublicKey(open('correct horse').publicKeyPem).equals(key.publicKey)).toBe(true);
  });
});
