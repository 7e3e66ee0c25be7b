/** Certificates of endorsement keys: one that is as it should be, and each way in which one is not. */
import { expect, test } from 'vitest';
import { codeOf } from '../../../test/error-code.ts';
import {
  type CertificateSpec,
  issue,
  issueCrl,
  makeP256,
  makeRsa,
  toPurposes,
} from '../../../test/fakes/attest/x509.ts';
import { EK_PURPOSE, toEndorsementSpec } from '../../../test/swtpm.ts';
import { readCertificate } from '../x509/certificate.ts';
import { readCrl } from '../x509/crl.ts';
import { verifyEndorsement } from './endorsement.ts';

const NOW_MS = Date.parse('2025-07-01T00:00:00Z');
const root = issue({ commonName: 'Root', key: makeP256(), isAuthority: true });
const between = issue({ commonName: 'Authority', key: makeP256(), issuer: root, isAuthority: true, pathLength: 0 });
const foreign = issue({ commonName: 'Root', key: makeP256(), isAuthority: true });
const pinned = [readCertificate(root.der)];
const key = makeP256();

interface By {
  readonly change?: Partial<CertificateSpec>;
  readonly chain?: readonly Uint8Array[];
  readonly nowMs?: number;
  readonly crls?: readonly Uint8Array[];
}

function check({ change = {}, chain = [between.der], nowMs = NOW_MS, crls = [] }: By, authorities = pinned) {
  const { der } = issue({ ...toEndorsementSpec(key, between), ...change });
  return verifyEndorsement({ der, chain }, { authorities, crls: crls.map(readCrl) }, nowMs);
}

const codeBy = (by: By, authorities = pinned): string => codeOf(() => check(by, authorities));

test('a certificate leads to the pinned root, over authorities that the TPM has or that are pinned, too', () => {
  const verified = check({});
  expect(verified.publicKey.equals(key.publicKey)).toBe(true);
  expect(verified.rootFingerprintHex).toBe(pinned[0].fingerprintHex);
  expect(verified.isRevocationChecked).toBe(false);
  const both = [...pinned, readCertificate(between.der)];
  expect(check({ chain: [] }, both).rootFingerprintHex).toBe(pinned[0].fingerprintHex);
  expect(check({ chain: [] }, [both[1]]).rootFingerprintHex).toBe(both[1].fingerprintHex);
  const rsa = { key: makeRsa(), keyUsage: 0x20 };
  expect(check({ change: rsa }).publicKey.asymmetricKeyType).toBe('rsa');
});

test.each<[string, By, string]>([
  ['without its authority', { chain: [] }, 'ATTEST_ROOT_UNTRUSTED'],
  ['expired', { nowMs: Date.parse('2035-01-01T00:00:00Z') }, 'ATTEST_CERTIFICATE_EXPIRED'],
  ['not valid yet', { nowMs: Date.parse('2023-01-01T00:00:00Z') }, 'ATTEST_CERTIFICATE_EARLY'],
  ['for servers', { change: { extensions: [toPurposes('1.3.6.1.5.5.7.3.1')] } }, 'ATTEST_CERTIFICATE_ROLE'],
  ['for no purpose', { change: { extensions: [] } }, 'ATTEST_CERTIFICATE_ROLE'],
  ['for signing', { change: { keyUsage: 0x80 } }, 'ATTEST_CERTIFICATE_ROLE'],
  ['of an authority', { change: { isAuthority: true, keyUsage: 0x0c } }, 'ATTEST_CERTIFICATE_ROLE'],
  ['signed by another', { change: { signer: makeP256() } }, 'ATTEST_ROOT_UNTRUSTED'],
  [
    'with a critical extension that nobody knows',
    {
      change: {
        extensions: [toPurposes(EK_PURPOSE), { oid: '1.2.3.4', isCritical: true, value: Uint8Array.of(5, 0) }],
      },
    },
    'ATTEST_CERTIFICATE_ROLE',
  ],
  ['that is cut', { chain: [between.der.subarray(1)] }, 'ATTEST_CERTIFICATE_MALFORMED'],
  ['on a list of its issuer', { crls: [issueCrl({ issuer: between, revoked: [77] })] }, 'ATTEST_CERTIFICATE_REVOKED'],
  ['whose authority is on a list', { crls: [issueCrl({ issuer: root, revoked: [1] })] }, 'ATTEST_CERTIFICATE_REVOKED'],
])('a certificate %s is refused', (_, by, code) => {
  expect(codeBy(by)).toBe(code);
});

test('a root of the right name and another key is none; nor is a root that the TPM brings along', () => {
  expect(codeBy({}, [readCertificate(foreign.der)])).toBe('ATTEST_ROOT_UNTRUSTED');
  const own = issue({ commonName: 'Maker', key: makeP256(), isAuthority: true });
  expect(codeBy({ change: { issuer: own }, chain: [own.der] })).toBe('ATTEST_ROOT_UNTRUSTED');
});

test('lists of both issuers make it checked', () => {
  const crls = [issueCrl({ issuer: between, revoked: [5] }), issueCrl({ issuer: root, revoked: [5] })];
  expect(check({ crls }).isRevocationChecked).toBe(true);
});
