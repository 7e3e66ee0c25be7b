/** Evidence of real hardware, each judged at its own time: authentic all, and refused by policy where it should be. */
import { verify as verifySignature } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { codeOf } from '../../test/error-code.ts';
import { flip } from '../../test/fakes/attest/x509.ts';
import { describeWithShared, sharedData } from '../../test/shared-data.ts';
import { utf8 } from '../core/bytes.ts';
import type { AttestationClaims } from './claims.ts';
import { readPckPlatform } from './dcap/pck.ts';
import { readDcapQuote } from './dcap/quote.ts';
import { INTEL_QE } from './dcap/quoting-enclaves.ts';
import { parseQeIdentity, parseTcbInfo } from './dcap/signed-documents.ts';
import { judgeTcb } from './dcap/tcb.ts';
import { readCollateral } from './evidence/collateral-file.ts';
import { describeEvidence } from './evidence/describe.ts';
import { findPcsAnswer } from './evidence/pcs-answers.ts';
import { readEvidence } from './evidence/read.ts';
import { POLICY_TYPE, readPolicy } from './policy/schema.ts';
import { validateClaims } from './policy/validate.ts';
import { pinnedSnpTrust } from './snp/pinned.ts';
import { readPemChain } from './x509/certificate.ts';
import { verifyChain } from './x509/chain.ts';
import { verifyEvidence, verifyEvidenceWithoutCollateral } from './verify.ts';

const read = (...parts: readonly string[]) => new Uint8Array(readFileSync(sharedData('attestation', ...parts)));

interface Vector {
  readonly file: readonly string[];
  readonly collateral?: readonly (readonly string[])[];
  readonly at: string;
  readonly expected: object;
  /** Codes of a strict policy that lists what the vector says of itself. */
  readonly refused: readonly string[];
}

const VECTORS: readonly Vector[] = [
  {
    file: ['snp', 'go-sev-guest', 'attestation.bin'],
    collateral: [['snp', 'go-sev-guest', 'vcek.testcer']],
    at: '2023-06-01T00:00:00Z',
    expected: { kind: 'snp', product: 'Milan', reportVersion: 2, signingKey: 'vcek', isDebug: true, vmpl: 0 },
    refused: [
      'ATTEST_POLICY_DEBUG',
      'ATTEST_POLICY_TCB_MINIMUM',
      'ATTEST_POLICY_TCB_MINIMUM',
      'ATTEST_POLICY_TCB_MINIMUM',
    ],
  },
  {
    file: ['snp', 'trustee', 'test-report.bin'],
    collateral: [['snp', 'trustee', 'test-vcek.der']],
    at: '2024-01-01T00:00:00Z',
    expected: { kind: 'snp', product: 'Milan', reportVersion: 2, signingKey: 'vcek', isDebug: false, vmpl: 0 },
    // Before AMD-SB-3019: SNP 8 of 24.
    refused: ['ATTEST_POLICY_TCB_MINIMUM', 'ATTEST_POLICY_TCB_MINIMUM', 'ATTEST_POLICY_TCB_MINIMUM'],
  },
  {
    file: ['snp', 'trustee', 'test-vlek-report.bin'],
    collateral: [['snp', 'trustee', 'test-vlek.der']],
    at: '2025-06-01T00:00:00Z',
    expected: { kind: 'snp', reportVersion: 3, signingKey: 'vlek', csp: 'CN=cc-us-east-2.amazonaws.com', vmpl: 1 },
    refused: ['ATTEST_POLICY_VMPL', 'ATTEST_POLICY_SIGNING_KEY'],
  },
  {
    file: ['dcap', 'dcap-qvl', 'sgx_quote'],
    collateral: [['dcap', 'dcap-qvl', 'sgx_quote_collateral.json']],
    at: '2025-06-30T00:00:00Z',
    expected: {
      kind: 'sgx',
      quoteVersion: 3,
      tcb: { status: 'ConfigurationAndSWHardeningNeeded', advisories: ['INTEL-SA-00289', 'INTEL-SA-00615'] },
    },
    refused: ['ATTEST_POLICY_TCB_STATUS'],
  },
  {
    file: ['dcap', 'dcap-qvl', 'tdx_quote'],
    collateral: [['dcap', 'dcap-qvl', 'tdx_quote_collateral.json']],
    at: '2025-06-30T00:00:00Z',
    expected: { kind: 'tdx', quoteVersion: 4, tcb: { status: 'UpToDate', moduleStatus: 'UpToDate', advisories: [] } },
    refused: [],
  },
  {
    file: ['dcap', 'trustee', 'occlum_quote.dat'],
    at: '2024-01-01T00:00:00Z',
    expected: { kind: 'sgx', quoteVersion: 3, isDebug: true, tcb: null },
    refused: ['ATTEST_POLICY_DEBUG', 'ATTEST_POLICY_TCB_UNKNOWN'],
  },
  {
    file: ['dcap', 'trustee', 'tdx_quote_4.dat'],
    at: '2024-01-01T00:00:00Z',
    expected: { kind: 'tdx', quoteVersion: 4, isDebug: true, tcb: null },
    refused: ['ATTEST_POLICY_DEBUG', 'ATTEST_POLICY_TCB_UNKNOWN'],
  },
  {
    file: ['dcap', 'trustee', 'tdx_quote_5.dat'],
    at: '2025-01-01T00:00:00Z',
    expected: { kind: 'tdx', quoteVersion: 5, isDebug: false, tcb: null },
    // A service TD is bound to it.
    refused: ['ATTEST_POLICY_MEASUREMENT', 'ATTEST_POLICY_TCB_UNKNOWN'],
  },
  {
    file: ['dcap', 'go-tdx-guest', 'tdx_prod_quote_SPR_E4.dat'],
    at: '2023-07-01T00:00:00Z',
    expected: { kind: 'tdx', quoteVersion: 4, isSeptVeDisabled: false, tcb: null },
    refused: ['ATTEST_POLICY_GUEST', 'ATTEST_POLICY_TCB_UNKNOWN'],
  },
  {
    file: ['dcap', 'go-tdx-guest', 'cos-113-tdx-quote.dat'],
    at: '2025-01-01T00:00:00Z',
    expected: { kind: 'tdx', quoteVersion: 4, tcb: null },
    refused: ['ATTEST_POLICY_TCB_UNKNOWN'],
  },
  {
    file: ['dcap', 'go-tdx-guest', 'quote_v5_sample.dat'],
    at: '2026-02-15T00:00:00Z',
    expected: { kind: 'tdx', quoteVersion: 5, tcb: null },
    refused: ['ATTEST_POLICY_TCB_UNKNOWN'],
  },
  {
    file: ['nitro', 'sample_prod_doc.bin'],
    at: '2021-03-17T22:05:00Z',
    expected: { kind: 'nitro', moduleId: 'i-078824548edcf6519-enc01784234ec227b58', isDebug: false },
    refused: [],
  },
  {
    file: ['nitro', 'sample_prod_doc_with_publickey.bin'],
    at: '2021-03-24T16:15:00Z',
    expected: { kind: 'nitro', moduleId: 'i-0a6d65e7122308898-enc017846bcd2f820da', isDebug: false },
    refused: [],
  },
];

/** As strict as the kind allows, over the measurements that the evidence itself has. */
function toOwnPolicy(claims: AttestationClaims) {
  const accept = {
    snp: () => ({
      measurements: claims.kind === 'snp' ? [claims.measurements.measurement] : [],
      minimumTcb: { Milan: { bootloader: 4, tee: 0, snp: 24, microcode: 200 } },
      // No revocation lists came with the vectors.
      revocation: 'optional',
    }),
    sgx: () => ({ mrEnclaves: claims.kind === 'sgx' ? [claims.measurements.mrEnclave] : [] }),
    tdx: () => ({ mrTds: claims.kind === 'tdx' ? [claims.measurements.mrTd] : [] }),
    nitro: () => ({ pcrs: claims.kind === 'nitro' ? { 0: [claims.measurements['0']] } : {} }),
    tpm: () => ({}),
  }[claims.kind]();
  const policy = { type: POLICY_TYPE, name: 'own', binding: 'optional', accept: { [claims.kind]: accept } };
  return readPolicy(utf8(JSON.stringify(policy)));
}

function open({ file, collateral = [] }: Vector) {
  return readEvidence(read(...file), readCollateral(collateral.map((one) => read(...one))));
}

function verify(vector: Vector, nowMs = Date.parse(vector.at)): AttestationClaims {
  const evidence = open(vector);
  const isBare = evidence.kind === 'dcap' && evidence.collateral === null;
  return isBare ? verifyEvidenceWithoutCollateral(evidence, { nowMs }) : verifyEvidence(evidence, { nowMs });
}

describeWithShared('real evidence', () => {
  test.each(
    VECTORS.map((vector) => [vector.file.join('/'), vector] as const),
  )('%s: its verdict at its own time', (_name, vector) => {
    const claims = verify(vector);
    expect(claims).toMatchObject(vector.expected);
    const { refusals } = validateClaims({ claims, policy: toOwnPolicy(claims), nowMs: claims.verifiedForMs });
    expect(refusals.map(({ code }) => code)).toEqual(vector.refused);
  });

  test.each(
    VECTORS.map((vector) => [vector.file.join('/'), vector] as const),
  )('%s: describes itself', (_name, vector) => {
    const { kind, says } = describeEvidence(open(vector));
    expect(kind).toBe(verify(vector).kind);
    expect(Object.keys(says).length).toBeGreaterThan(2);
  });

  test.each([
    [0, '2031-01-01T00:00:00Z', 'ATTEST_CERTIFICATE_EXPIRED'],
    [0, '2022-01-01T00:00:00Z', 'ATTEST_CERTIFICATE_EARLY'],
    [2, '2025-12-11T00:00:00Z', 'ATTEST_CERTIFICATE_EXPIRED'],
    [3, '2025-07-21T00:00:00Z', 'ATTEST_CRL_EXPIRED'],
    [4, '2025-06-18T00:00:00Z', 'ATTEST_CRL_EARLY'],
    [5, '2031-01-01T00:00:00Z', 'ATTEST_CERTIFICATE_EXPIRED'],
    [11, '2021-03-18T02:00:00Z', 'ATTEST_CERTIFICATE_EXPIRED'],
  ])('vector %i at %s: %s', (index, at, code) => {
    const found = codeOf(() => verify(VECTORS[index], Date.parse(at)));
    expect(found).toBe(code);
  });

  test.each([
    'test-vcek-invalid-legacy.der',
    'test-vcek-invalid-new.der',
  ])('%s: an altered certificate is refused', (name) => {
    const vector = { ...VECTORS[1], collateral: [['snp', 'trustee', name]] };
    expect(codeOf(() => verify(vector))).toBe('ATTEST_CHAIN_BROKEN');
  });

  test('a VLEK report does not verify with the VCEK of another, nor the reverse', () => {
    const swapped = { ...VECTORS[1], collateral: VECTORS[2].collateral };
    expect(codeOf(() => verify(swapped, Date.parse('2025-06-01T00:00:00Z')))).toBe('ATTEST_SIGNING_KEY_MISMATCH');
    const other = { ...VECTORS[0], collateral: VECTORS[1].collateral };
    expect(codeOf(() => verify(other, Date.parse('2024-01-01T00:00:00Z')))).toBe('ATTEST_CHIP_ID_MISMATCH');
  });

  test.each([
    ['sgx', 3],
    ['tdx', 4],
  ] as const)('the signer and product of the %s quoting enclave are those that Intel signed', (kind, index) => {
    const { dcap } = readCollateral((VECTORS[index].collateral ?? []).map((one) => read(...one)));
    const { mrsigner, isvprodid } = parseQeIdentity(dcap?.qeIdentity.text ?? '');
    expect({ mrSigner: mrsigner, isvProdId: isvprodid }).toEqual(INTEL_QE[kind]);
  });

  test('SGX collateral does not do for a TDX quote', () => {
    const swapped = { ...VECTORS[4], collateral: VECTORS[3].collateral };
    expect(codeOf(() => verify(swapped))).toBe('ATTEST_COLLATERAL_MISMATCH');
  });

  test.each([1, 2, 11])('vector %i: one bit flipped in any 7th byte of it is refused', (index) => {
    const vector = VECTORS[index];
    const bytes = read(...vector.file);
    const certificates = readCollateral((vector.collateral ?? []).map((one) => read(...one)));
    for (let at = index; at < bytes.length; at += 7) {
      const code = codeOf(() =>
        verifyEvidence(readEvidence(flip(bytes, at, at % 8), certificates), { nowMs: Date.parse(vector.at) }),
      );
      expect([at, code]).not.toEqual([at, 'no error']);
    }
  });

  /** Answers of Intel's service at other times; the lists and the signer's certificate of their time are not all at hand. */
  test.each<[string, string, string]>([
    ['go-tdx-guest/quote_v5_sample.dat', 'sample_tcbinfo_response_v5', 'UpToDate'],
    ['trustee/tdx_quote_4.dat', 'sample_tcbInfo_response', 'UpToDate'],
    // Microcode 4 of a processor whose lowest level asks for 5.
    ['go-tdx-guest/tdx_prod_quote_SPR_E4.dat', 'sample_tcbInfo_response', 'ATTEST_TCB_LEVEL_MISSING'],
    ['trustee/tdx_quote_5.dat', 'sample_tcbInfo_response', 'ATTEST_FMSPC_MISMATCH'],
  ])('%s: judged by %s, which Intel signed: %s', (quoteName, answerName, expected) => {
    const readText = (name: string) => Buffer.from(read('dcap', 'go-tdx-guest', name)).toString('utf8');
    const [tcb, qe] = [findPcsAnswer(readText(answerName)), findPcsAnswer(readText('sample_qeIdentity_response'))];
    const collateral = readCollateral([read('dcap', 'dcap-qvl', 'tdx_quote_collateral.json')]).dcap;
    if (tcb === undefined || qe === undefined || collateral === null) throw new TypeError('the answers are there');
    const [signer] = readPemChain(collateral.tcbInfo.chainPem);
    for (const { text, signature } of [tcb, qe]) {
      expect(
        verifySignature('sha256', utf8(text), { key: signer.publicKey, dsaEncoding: 'ieee-p1363' }, signature),
      ).toBe(true);
    }
    const quote = readDcapQuote(read('dcap', quoteName));
    const platform = readPckPlatform(readPemChain(quote.pckChainPem ?? '')[0]);
    const [tcbInfo, qeIdentity] = [parseTcbInfo(tcb.text), parseQeIdentity(qe.text)];
    const judge = () => judgeTcb({ body: quote.body, platform, qeSvn: quote.qeReport.isvSvn, tcbInfo, qeIdentity });
    const code = codeOf(judge);
    expect(code === 'no error' ? judge().status : code).toBe(expected);
  });

  test('every pinned authority of AMD is the one that its key service hands out', () => {
    for (const { product, ark, authorities } of pinnedSnpTrust()) {
      const name = product.toLowerCase();
      const files = [
        product === 'Turin' ? `ask_ark_${name}_vcek.pem` : `ask_ark_${name}.pem`,
        `ask_ark_${name}_vlek.pem`,
      ];
      for (const [at, file] of files.entries()) {
        const [authority, root] = readPemChain(readFileSync(sharedData('attestation', 'snp', 'roots', file), 'utf8'));
        expect([authority.fingerprintHex, root.fingerprintHex]).toEqual([
          authorities[at].fingerprintHex,
          ark.fingerprintHex,
        ]);
        expect(authority.isSignedBy(ark.publicKey) && ark.isSignedBy(ark.publicKey)).toBe(true);
        // An authority signs no evidence.
        expect(codeOf(() => verifyChain({ chain: [authority], roots: [ark], nowMs: Date.parse('2025-01-01') }))).toBe(
          'ATTEST_CERTIFICATE_ROLE',
        );
      }
    }
  });
});

describe('what is no evidence', () => {
  test.each([
    ['nothing', new Uint8Array()],
    ['a text', utf8('hello')],
    ['zeros', new Uint8Array(2000)],
  ])('%s is told so', (_name, bytes) => {
    expect(codeOf(() => readEvidence(bytes))).toBe('ATTEST_EVIDENCE_UNKNOWN');
  });
});
