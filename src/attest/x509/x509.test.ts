/** Certificates and lists that were damaged in any bit: never accepted, and never an error without a code. */
import { describe, expect, test } from 'vitest';
import { codeOf } from '../../../test/error-code.ts';
import { toSgxExtension } from '../../../test/fakes/attest/dcap.ts';
import { encodeDer, flip, issue, issueCrl, makeP256, seq, TAG, toTime } from '../../../test/fakes/attest/x509.ts';
import { readPckPlatform } from '../dcap/pck.ts';
import { readCertificate, readPemChain } from './certificate.ts';
import { verifyChain } from './chain.ts';
import { readCrl } from './crl.ts';
import { readDer, toTimeMs } from './der.ts';

const NOW_MS = Date.parse('2025-07-01T00:00:00Z');
const root = issue({ commonName: 'Root', key: makeP256(), isAuthority: true });
const leaf = issue({ commonName: 'Leaf', key: makeP256(), issuer: root, serial: 200, extensions: [toSgxExtension()] });
const crl = issueCrl({ issuer: root, revoked: [5, 6, 300] });
const roots = [readCertificate(root.der)];

function verify(der: Uint8Array, list: Uint8Array): void {
  const certificate = readCertificate(der);
  readPckPlatform(certificate);
  const { isRevocationChecked } = verifyChain({ chain: [certificate], roots, nowMs: NOW_MS, crls: [readCrl(list)] });
  // A list of another issuer is passed over; the callers refuse what was not checked.
  if (!isRevocationChecked) readDer(new Uint8Array());
}

describe('damage', () => {
  test('every bit of a certificate', () => {
    expect(
      codeOf(() => {
        verify(leaf.der, crl);
      }),
    ).toBe('no error');
    const accepted: number[] = [];
    for (let at = 0; at < leaf.der.length * 8; at++) {
      if (
        codeOf(() => {
          verify(flip(leaf.der, at >> 3, at & 7), crl);
        }) === 'no error'
      )
        accepted.push(at);
    }
    expect(accepted).toEqual([]);
  });

  test('every bit of a revocation list', () => {
    const accepted: number[] = [];
    for (let at = 0; at < crl.length * 8; at++) {
      if (
        codeOf(() => {
          verify(leaf.der, flip(crl, at >> 3, at & 7));
        }) === 'no error'
      )
        accepted.push(at);
    }
    expect(accepted).toEqual([]);
  });

  test('every length that a certificate or a list can be cut to', () => {
    for (let length = 0; length < leaf.der.length; length++) {
      expect(codeOf(() => readCertificate(leaf.der.subarray(0, length)))).toBe('ATTEST_CERTIFICATE_MALFORMED');
    }
    for (let length = 0; length < crl.length; length++) {
      expect(codeOf(() => readCrl(crl.subarray(0, length)))).toBe('ATTEST_CERTIFICATE_MALFORMED');
    }
  });

  test('a PEM text with a block that does not read is refused whole, not shortened', () => {
    const [first, second] = [leaf.pem, root.pem];
    expect(readPemChain(first + second).map(({ commonName }) => commonName)).toEqual(['Leaf', 'Root']);
    for (const text of [
      '',
      'text',
      first + second.replace('MII', 'M!I'),
      first + second.replace('-----END', '----END'),
      `${first}-----BEGIN CERTIFICATE-----`,
    ]) {
      expect(codeOf(() => readPemChain(text))).toBe('ATTEST_CERTIFICATE_MALFORMED');
    }
  });
});

describe('a time', () => {
  const toMs = (tag: number, text: string) => toTimeMs(readDer(encodeDer(tag, Buffer.from(text))));

  test('is of the years 1950 to 2049 in two digits, of any in four', () => {
    expect(toTimeMs(readDer(toTime('2049-12-31T23:59:59Z')))).toBe(Date.parse('2049-12-31T23:59:59Z'));
    expect(toTimeMs(readDer(toTime('2050-01-01T00:00:00Z')))).toBe(Date.parse('2050-01-01T00:00:00Z'));
    expect(toMs(TAG.utcTime, '500101000000Z')).toBe(Date.parse('1950-01-01T00:00:00Z'));
  });

  test.each([
    '250229000000Z',
    '251301000000Z',
    '2501010000Z',
    '250101000000+0100',
    '250101000000',
    '25010100000aZ',
  ])('%s is refused', (text) => {
    expect(codeOf(() => toMs(TAG.utcTime, text))).toBe('ATTEST_CERTIFICATE_MALFORMED');
  });

  test('is nothing else', () => {
    expect(codeOf(() => toTimeMs(readDer(seq())))).toBe('ATTEST_CERTIFICATE_MALFORMED');
  });
});

describe('a chain', () => {
  test('of no certificate, or of too many, is refused', () => {
    const certificate = readCertificate(leaf.der);
    const many = Array.from({ length: 11 }, () => certificate);
    for (const chain of [[], many]) {
      expect(codeOf(() => verifyChain({ chain, roots, nowMs: NOW_MS }))).toBe('ATTEST_CHAIN_BROKEN');
    }
  });

  test('that is the root alone is refused: a root signs no evidence', () => {
    expect(codeOf(() => verifyChain({ chain: roots, roots, nowMs: NOW_MS }))).toBe('ATTEST_CERTIFICATE_ROLE');
  });

  test('whose root has expired is refused', () => {
    const old = issue({ commonName: 'Old', key: makeP256(), isAuthority: true, notAfter: '2025-06-30T00:00:00Z' });
    const signer = readCertificate(issue({ commonName: 'Leaf', key: makeP256(), issuer: old }).der);
    expect(codeOf(() => verifyChain({ chain: [signer], roots: [readCertificate(old.der)], nowMs: NOW_MS }))).toBe(
      'ATTEST_CERTIFICATE_EXPIRED',
    );
  });

  test('under a pinned certificate that is no authority is refused', () => {
    const lone = issue({ commonName: 'Lone', key: makeP256() });
    const signer = readCertificate(issue({ commonName: 'Leaf', key: makeP256(), issuer: lone }).der);
    expect(codeOf(() => verifyChain({ chain: [signer], roots: [readCertificate(lone.der)], nowMs: NOW_MS }))).toBe(
      'ATTEST_ROOT_UNTRUSTED',
    );
  });
});
