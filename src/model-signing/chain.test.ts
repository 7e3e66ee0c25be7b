import { describe, expect, test } from 'vitest';
import { codeOf } from '../../test/error-code.ts';
import {
  type CertificateOptions,
  CODE_SIGNING,
  makeCertificate,
  makeChain,
  makeKey,
  SERVER_AUTH,
  type TestCertificate,
  toNameConstraints,
} from '../../test/x509/certificates.ts';
import { parseCertificate, parseCertificates } from './certificate.ts';
import { verifyChain } from './chain.ts';

const { root, between, leaf } = makeChain();
const ISSUING = { isAuthority: true, usage: 'keyCertSign' } as const;
const AT = Date.parse('2026-06-01T00:00:00Z');

function verify(presented: readonly TestCertificate[], given: readonly TestCertificate[], atMs = AT) {
  return verifyChain({
    presented: presented.map((one) => parseCertificate(one.der)),
    given: parseCertificates(given.map((one) => one.pem)),
    atMs,
  });
}

function codeFor(presented: readonly TestCertificate[], given: readonly TestCertificate[], atMs = AT) {
  return codeOf(() => verify(presented, given, atMs));
}

/** A signing certificate right below the root. */
function makeSigner(options: Partial<CertificateOptions>): TestCertificate {
  return makeCertificate({
    name: 'signer',
    issuer: root,
    usage: 'digitalSignature',
    purposes: [CODE_SIGNING],
    ...options,
  });
}

describe('a chain of certificates', () => {
  test('leads to a given root, over certificates in any order', () => {
    expect(verify([leaf, between], [root]).curve).toBe('P-256');
    expect(verify([leaf, between, root], [root]).curve).toBe('P-256');
    expect(verify([leaf, root, between], [root]).curve).toBe('P-256');
  });

  test('may be completed by what the verifier was given', () => {
    expect(verify([leaf], [root, between]).curve).toBe('P-256');
  });

  test('is not believed without a given root: not one of its own, nor an authority below', () => {
    const stranger = makeChain();
    expect(codeFor([leaf, between, root], [stranger.root])).toBe('OMS_CERTIFICATE_UNTRUSTED');
    expect(codeFor([leaf, between, root], [between])).toBe('OMS_CERTIFICATE_UNTRUSTED');
    expect(codeFor([leaf], [root])).toBe('OMS_CERTIFICATE_UNTRUSTED');
  });

  test('is not believed through a certificate of the same name and another key', () => {
    const twin = makeCertificate({ name: root.name, isAuthority: true, usage: 'keyCertSign' });
    expect(codeFor([leaf, between], [twin])).toBe('OMS_CERTIFICATE_UNTRUSTED');
  });

  test.each([
    ['is no authority', { isAuthority: false, usage: 'keyCertSign' }],
    ['may not sign certificates', { isAuthority: true, usage: 'digitalSignature' }],
    ['asks for what is not understood', { ...ISSUING, criticalOid: '1.2.3.4' }],
    ['constrains names, even uncritically', { ...ISSUING, extra: toNameConstraints('Partner') }],
    ['issues for servers alone', { ...ISSUING, purposes: [SERVER_AUTH] }],
  ] as const)('is refused when an issuer %s', (_, options) => {
    const issuer = makeCertificate({ name: 'issuer', issuer: root, ...options });
    const signer = makeSigner({ issuer });
    expect(codeFor([signer, issuer], [root])).toBe('OMS_CERTIFICATE_UNTRUSTED');
    const given = makeCertificate({ name: 'given root', ...options });
    expect(codeFor([makeSigner({ issuer: given })], [given])).toBe('OMS_CERTIFICATE_UNTRUSTED');
  });

  test('the refusal names the authority that is not fit, and why', () => {
    const issuer = makeCertificate({ name: 'web', issuer: root, ...ISSUING, purposes: [SERVER_AUTH] });
    const unfit = 'CN=web: extended key usage';
    const refused = (presented: readonly TestCertificate[], fields: object): void => {
      expect(() => verify(presented, [root])).toThrow(expect.objectContaining({ fields }) as Error);
    };
    refused([makeSigner({ issuer }), issuer], { subject: 'CN=signer', roots: 1, unfit });
    refused([leaf], { subject: 'CN=test signer', roots: 1, unfit: null });
  });

  test.each([
    ['code', [SERVER_AUTH, CODE_SIGNING]],
    ['anything', ['2.5.29.37.0']],
  ])('may lead over an authority for %s', (_, purposes) => {
    const issuer = makeCertificate({ name: 'issuer', issuer: root, ...ISSUING, purposes });
    expect(codeFor([makeSigner({ issuer }), issuer], [root])).toBe('no error');
  });

  test('is no way around a critical extension by another spelling of TRUE', () => {
    expect(codeFor([makeSigner({ criticalOid: '1.2.3.4', trueByte: 1 })], [root])).toBe('OMS_CERTIFICATE_MALFORMED');
    const issuer = makeCertificate({ name: 'issuer', issuer: root, isAuthority: true, trueByte: 1 });
    expect(codeFor([makeSigner({ issuer }), issuer], [root])).toBe('OMS_CERTIFICATE_MALFORMED');
    // FALSE is the default and so is left out in DER; too many authorities write it for it to be refused.
    expect(codeFor([makeSigner({ criticalOid: '1.2.3.4', trueByte: 0 })], [root])).toBe('no error');
  });

  test('is refused when it is longer than an authority allows', () => {
    const inner = makeCertificate({ name: 'inner', issuer: between, isAuthority: true, usage: 'keyCertSign' });
    expect(codeFor([makeSigner({ issuer: inner }), inner, between], [root])).toBe('OMS_CERTIFICATE_UNTRUSTED');
  });

  test.each([
    ['server authentication', { purposes: [SERVER_AUTH] }, 'OMS_CERTIFICATE_USAGE'],
    ['key agreement', { usage: 'keyAgreement' }, 'OMS_CERTIFICATE_USAGE'],
    ['nothing in particular', { usage: undefined, purposes: undefined }, 'OMS_CERTIFICATE_USAGE'],
    ['what nobody knows', { criticalOid: '1.2.3.4' }, 'OMS_CERTIFICATE_USAGE'],
    ['some names', { extra: toNameConstraints('Partner') }, 'OMS_CERTIFICATE_USAGE'],
    ['signatures of any kind', { purposes: undefined }, 'no error'],
    ['code, by its extended usage alone', { usage: undefined }, 'no error'],
  ] as const)('the signing certificate is for %s', (_, options, expected) => {
    expect(codeFor([makeSigner(options)], [root])).toBe(expected);
  });

  test('is judged at one time', () => {
    const short = makeSigner({ validFrom: '2026-01-01T00:00:00Z', validTo: '2026-02-01T00:00:00Z' });
    expect(codeFor([short], [root], Date.parse('2026-01-15T00:00:00Z'))).toBe('no error');
    expect(codeFor([short], [root], Date.parse('2025-12-31T23:59:59Z'))).toBe('OMS_CERTIFICATE_EXPIRED');
    expect(codeFor([short], [root], Date.parse('2026-02-01T00:00:01Z'))).toBe('OMS_CERTIFICATE_EXPIRED');
  });

  test('an issuer or root that has expired is said to have', () => {
    const old = makeCertificate({
      name: 'old root',
      isAuthority: true,
      usage: 'keyCertSign',
      validTo: '2026-01-01T00:00:00Z',
    });
    expect(codeFor([makeSigner({ issuer: old })], [old])).toBe('OMS_CERTIFICATE_EXPIRED');
  });

  test('certificates signed with SHA-1 are refused', () => {
    expect(codeFor([makeSigner({ digest: 'sha1' })], [root])).toBe('OMS_CERTIFICATE_WEAK');
  });

  test('keys of other curves are refused', () => {
    expect(codeFor([makeSigner({ key: makeKey('secp256k1') })], [root])).toBe('OMS_KEY_UNSUPPORTED');
    expect(verify([makeSigner({ key: makeKey('secp521r1') })], [root]).curve).toBe('P-521');
  });

  test('what is no certificate is refused', () => {
    expect(codeOf(() => parseCertificates(['text']))).toBe('OMS_CERTIFICATE_MALFORMED');
    expect(codeOf(() => parseCertificates([leaf.pem.replace(/[A-Za-z]/g, 'A')]))).toBe('OMS_CERTIFICATE_MALFORMED');
    expect(codeOf(() => parseCertificates([leaf.pem.repeat(17)]))).toBe('OMS_CERTIFICATE_MALFORMED');
  });

  test('no byte of a signing certificate can change unnoticed', () => {
    for (let at = 0; at < leaf.der.length; at++) {
      const der = Uint8Array.from(leaf.der);
      der[at] ^= 1 << (at % 8);
      const code = codeOf(() => verify([{ ...leaf, der }, between], [root]));
      expect(code, `byte ${at}`).not.toBe('no error');
    }
  });
});
