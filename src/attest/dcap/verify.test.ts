/** SGX and TDX quotes of a platform of our own: verdicts, statuses, and every way to be refused. */
import { describe, expect, test } from 'vitest';
import { codeOf as toCode } from '../../../test/error-code.ts';
import {
  createDcapLab,
  NOW_MS,
  type QuoteSpec,
  toCollateralFile,
  toSgxExtension,
  toTcbLevel,
  type CollateralSpec,
  type PlatformSpec,
} from '../../../test/fakes/attest/dcap.ts';
import {
  concatBytes,
  type CertificateSpec,
  flip,
  issue,
  issueCrl,
  makeP256,
  makeP384,
  toPurposes,
} from '../../../test/fakes/attest/x509.ts';
import { type DcapCollateral, toDcapCollateral } from './collateral.ts';
import { INTEL_QE } from './quoting-enclaves.ts';
import { type DcapEvidence, verifyDcap, verifyDcapWithoutCollateral } from './verify.ts';

const lab = createDcapLab();
const verify = (evidence: DcapEvidence, nowMs = NOW_MS) => verifyDcap(evidence, { nowMs, root: lab.root });
const codeOf = (evidence: DcapEvidence, nowMs = NOW_MS) => toCode(() => verify(evidence, nowMs));
const make = (quote: QuoteSpec = {}, collateral: CollateralSpec = {}): DcapEvidence =>
  lab.toEvidence(lab.makeQuote(quote), lab.makeCollateral({ kind: quote.kind ?? 'tdx', ...collateral }));
/** A quote of another platform or with another PCK certificate. */
const makeOn = (platform: PlatformSpec, spec: Partial<CertificateSpec> = {}, collateral: CollateralSpec = {}) =>
  make({ pck: [lab.issuePck(spec, platform), lab.pckCa, lab.rootIssued] }, collateral);

describe('a DCAP quote', () => {
  test.each<[string, QuoteSpec]>([
    ['SGX v3', { kind: 'sgx', version: 3 }],
    ['SGX v4', { kind: 'sgx', version: 4 }],
    ['SGX v5', { kind: 'sgx', version: 5 }],
    ['TDX v4', { version: 4 }],
    ['TDX v5, TDX 1.0', { version: 5 }],
    ['TDX v5, TDX 1.5', { version: 5, isTdx15: true }],
  ])('%s is authentic, and up to date', (_name, spec) => {
    const kind = spec.kind ?? 'tdx';
    const claims = verify(make({ ...spec, reportData: Uint8Array.of(1, 2) }));
    expect(claims).toMatchObject({
      ...{ kind, quoteVersion: spec.version, isDebug: false, isRevocationChecked: true },
      reportDataHex: `0102${'00'.repeat(62)}`,
      tcb: {
        ...{ status: 'UpToDate', qeStatus: 'UpToDate', platformStatus: 'UpToDate', advisories: [] },
        ...{ moduleStatus: kind === 'tdx' ? 'UpToDate' : null, evaluationNumber: 17 },
        issuedMs: Date.parse('2025-06-20T00:00:00Z'),
        nextUpdateMs: Date.parse('2025-07-20T00:00:00Z'),
      },
    });
  });

  test('what stands after it is not looked at, and is no part of what is identified', () => {
    const evidence = make();
    const padded = { ...evidence, quote: concatBytes(evidence.quote, new Uint8Array(100), Uint8Array.of(1)) };
    expect(verify(padded).evidenceDigestHex).toBe(verify(evidence).evidenceDigestHex);
  });

  test('with a root of the same key and name in its chain is judged by the pinned one', () => {
    const twin = issue({ commonName: 'Intel SGX Root CA', key: lab.rootIssued.key, isAuthority: true, serial: 99 });
    expect(verify(make({ pck: [lab.pck, lab.pckCa, twin] })).rootFingerprintHex).toBe(lab.root.fingerprintHex);
  });

  test('without a chain takes that of the collateral', () => {
    const collateral = { ...lab.makeCollateral(), pckChainPem: lab.pck.pem + lab.pckCa.pem };
    expect(verify(lab.toEvidence(lab.makeQuote({ certificationType: 1 }), collateral)).kind).toBe('tdx');
  });

  test('collateral is read from the fields of sgx_ql_qve_collateral_t', () => {
    const collateral = lab.makeCollateral();
    expect(toDcapCollateral(toCollateralFile(collateral, lab.pckCa, lab.rootIssued))).toEqual(collateral);
    expect(toCode(() => toDcapCollateral({ tcb_info: '{}' }))).toBe('ATTEST_COLLATERAL_MALFORMED');
  });

  test('without collateral is refused, unless asked for by name; then its TCB is not known', () => {
    const { quote } = make();
    expect(codeOf({ kind: 'dcap', quote, collateral: null })).toBe('ATTEST_COLLATERAL_MISSING');
    const claims = verifyDcapWithoutCollateral({ quote }, { nowMs: NOW_MS, root: lab.root });
    expect(claims).toMatchObject({ tcb: null, isRevocationChecked: false });
  });

  test.each<[string, string, QuoteSpec]>([
    ['signer of another', 'mrsigner', { qeMrSigner: '66'.repeat(32) }],
    ['signer of the other kind', 'mrsigner', { kind: 'sgx', qeMrSigner: INTEL_QE.tdx.mrSigner }],
    ['product of the other kind', 'isvprodid', { qeIsvProdId: 1 }],
    ['debug', 'debug', { qeAttributes: '13000000000000000000000000000000' }],
  ])('without collateral from a quoting enclave that is not the one of Intel is refused: %s', (_name, at, spec) => {
    const act = () => verifyDcapWithoutCollateral({ quote: lab.makeQuote(spec) }, { nowMs: NOW_MS, root: lab.root });
    expect(toCode(act)).toBe('ATTEST_QE_IDENTITY');
    expect(act).toThrow(expect.objectContaining({ fields: { at } }));
  });

  test('one bit flipped in any signed byte, or in a signature, is refused', () => {
    const attestationKey = makeP256();
    for (const spec of [
      { kind: 'sgx', version: 3 },
      { version: 5, isTdx15: true },
    ] as const) {
      const evidence = make({ ...spec, attestationKey });
      const chainAt = Buffer.from(evidence.quote).indexOf('-----BEGIN');
      const accepted: number[] = [];
      for (let at = 0; at < chainAt; at++) {
        const quote = flip(evidence.quote, at, at % 8);
        const code = toCode(() => verifyDcapWithoutCollateral({ quote }, { nowMs: NOW_MS, root: lab.root }));
        if (code === 'no error') accepted.push(at);
      }
      expect(accepted).toEqual([]);
    }
  });

  test('one changed character in a signed text of the collateral is refused', () => {
    const evidence = make();
    const { collateral } = evidence;
    if (collateral === null) throw new TypeError('the lab makes collateral');
    const { text } = collateral.tcbInfo;
    for (let at = 0; at < text.length; at += 7) {
      const changed = `${text.slice(0, at)}${text[at] === '1' ? '2' : '1'}${text.slice(at + 1)}`;
      const code = codeOf({
        ...evidence,
        collateral: { ...collateral, tcbInfo: { ...collateral.tcbInfo, text: changed } },
      });
      expect(code).toBe('ATTEST_SIGNATURE_INVALID');
    }
  });
});

describe('the TCB status', () => {
  const statusOf = (evidence: DcapEvidence) => verify(evidence).tcb;

  test.each<[string, DcapEvidence, object]>([
    [
      'first level that is reached in every component',
      makeOn({ svns: [...Array<number>(15).fill(5), 3] }),
      { status: 'SWHardeningNeeded', advisories: ['INTEL-SA-00615'] },
    ],
    [
      'PCE below',
      makeOn(
        { pceSvn: 12 },
        {},
        {
          tcbInfo: {
            tcbLevels: [
              toTcbLevel({ sgx: 1, status: 'UpToDate' }),
              toTcbLevel({ sgx: 1, pceSvn: 12, status: 'OutOfDate' }),
            ],
          },
        },
      ),
      { status: 'OutOfDate' },
    ],
    ['TDX component below', make({ teeTcbSvn: [5, 1, 2] }), { platformStatus: 'OutOfDate', status: 'OutOfDate' }],
    ['revoked level is told, not thrown', makeOn({ svns: Array<number>(16).fill(1) }), { status: 'Revoked' }],
    [
      'module out of date, platform up to date',
      make({ teeTcbSvn: [3, 1, 3] }),
      { moduleStatus: 'OutOfDate', platformStatus: 'UpToDate', status: 'OutOfDate' },
    ],
    [
      'module of version 0 is part of the platform',
      make({ teeTcbSvn: [5, 0, 3] }),
      { moduleStatus: null, status: 'UpToDate' },
    ],
    ['module of version 0 below', make({ teeTcbSvn: [4, 0, 3] }), { moduleStatus: null, status: 'OutOfDate' }],
    [
      'quoting enclave out of date',
      make({ qeIsvSvn: 7 }),
      { qeStatus: 'OutOfDate', status: 'OutOfDate', advisories: ['INTEL-SA-00002'] },
    ],
    ['quoting enclave revoked', make({ qeIsvSvn: 5 }), { qeStatus: 'Revoked', status: 'Revoked' }],
    [
      'quoting enclave out of date, platform to be configured',
      make({ qeIsvSvn: 6 }, { tcbInfo: { tcbLevels: [toTcbLevel({ sgx: 1, status: 'ConfigurationNeeded' })] } }),
      { status: 'OutOfDateConfigurationNeeded' },
    ],
    [
      'platform to be hardened, quoting enclave to be configured',
      make(
        {},
        {
          tcbInfo: { tcbLevels: [toTcbLevel({ sgx: 1, status: 'SWHardeningNeeded' })] },
          qeIdentity: {
            tcbLevels: [{ tcb: { isvsvn: 1 }, tcbDate: '2024-03-13T00:00:00Z', tcbStatus: 'ConfigurationNeeded' }],
          },
        },
      ),
      { status: 'ConfigurationAndSWHardeningNeeded' },
    ],
  ])('%s', (_name, evidence, expected) => {
    expect(statusOf(evidence)).toMatchObject(expected);
  });
});

describe('a DCAP quote is refused', () => {
  const without = (part: keyof DcapCollateral, change: (collateral: DcapCollateral) => unknown) => {
    const collateral = lab.makeCollateral();
    return lab.toEvidence(lab.makeQuote(), { ...collateral, [part]: change(collateral) });
  };
  const edit = (offset: number, value: number) => ({
    editHeader: (_: Uint8Array, view: DataView) => {
      view.setUint16(offset, value, true);
    },
  });
  const stranger = createDcapLab();

  test.each<[string, string, () => DcapEvidence, string?]>([
    ['truncated_quote', 'ATTEST_EVIDENCE_MALFORMED', () => ({ ...make(), quote: make().quote.subarray(0, 900) })],
    ['quote_version_2', 'ATTEST_EVIDENCE_MALFORMED', () => make(edit(0, 2))],
    ['tdx_in_version_3', 'ATTEST_EVIDENCE_MALFORMED', () => make({ kind: 'sgx', version: 3, ...edit(4, 0x81) })],
    ['attestation_key_type_p384', 'ATTEST_EVIDENCE_MALFORMED', () => make(edit(2, 3))],
    ['unknown_tee_type', 'ATTEST_EVIDENCE_MALFORMED', () => make(edit(4, 0x82))],
    ['unknown_qe_vendor', 'ATTEST_EVIDENCE_MALFORMED', () => make(edit(12, 0))],
    [
      'signature_data_too_long',
      'ATTEST_EVIDENCE_MALFORMED',
      () => ({ ...make(), quote: flip(make().quote, 632 + 3, 7) }),
    ],
    ['td_attribute_bit_8', 'ATTEST_EVIDENCE_MALFORMED', () => make({ attributes: '0001001000000000' })],
    ['td_attribute_bit_27', 'ATTEST_EVIDENCE_MALFORMED', () => make({ attributes: '0000001800000000' })],
    ['td_attribute_bit_32', 'ATTEST_EVIDENCE_MALFORMED', () => make({ attributes: '0000001001000000' })],
    ['td_attribute_bit_62', 'ATTEST_EVIDENCE_MALFORMED', () => make({ attributes: '0000001000000040' })],
    ['certification_type_of_platform_id', 'ATTEST_CERTIFICATE_MISSING', () => make({ certificationType: 1 })],
    [
      'quote_signature_of_another_key',
      'ATTEST_SIGNATURE_INVALID',
      () => ({ ...make(), quote: flip(make().quote, 50) }),
    ],
    [
      'quote_signature_of_zeros',
      'ATTEST_SIGNATURE_INVALID',
      () => {
        const { quote, ...rest } = make();
        return { ...rest, quote: Uint8Array.from(quote).fill(0, 636, 700) };
      },
    ],
    [
      'attestation_key_no_point',
      'ATTEST_QE_BINDING',
      () => {
        const { quote, ...rest } = make();
        return { ...rest, quote: Uint8Array.from(quote).fill(0xff, 700, 764) };
      },
    ],
    ['qe_report_hash_mismatch', 'ATTEST_QE_BINDING', () => make({ qeReportData: new Uint8Array(32) })],
    ['qe_report_data_tail_set', 'ATTEST_QE_BINDING', () => make({ qeReportData: new Uint8Array(64).fill(1) })],
    ['qe_report_signature_invalid', 'ATTEST_SIGNATURE_INVALID', () => make({ qeSigner: makeP256() })],
    ['qe_mrsigner_mismatch', 'ATTEST_QE_IDENTITY', () => make({ qeMrSigner: '12'.repeat(32) })],
    ['qe_isvprodid_mismatch', 'ATTEST_QE_IDENTITY', () => make({ qeIsvProdId: 1 })],
    ['qe_attributes_mismatch', 'ATTEST_QE_IDENTITY', () => make({ qeAttributes: '15000000000001000000000000000000' })],
    ['qe_miscselect_mismatch', 'ATTEST_QE_IDENTITY', () => make({ qeMiscSelect: 1 })],
    [
      'qe_debug_enabled_though_the_mask_allows_it',
      'ATTEST_QE_IDENTITY',
      () =>
        make(
          { qeAttributes: '13000000000000000000000000000000' },
          { qeIdentity: { attributesMask: 'F9FFFFFFFFFFFFFF0000000000000000' } },
        ),
    ],
    ['qe_below_every_level', 'ATTEST_TCB_LEVEL_MISSING', () => make({ qeIsvSvn: 4 })],
    ['qe_identity_of_sgx_for_tdx', 'ATTEST_COLLATERAL_MISMATCH', () => make({}, { qeIdentity: { id: 'QE' } })],
    [
      'qe_identity_expired',
      'ATTEST_COLLATERAL_EXPIRED',
      () => make({}, { qeIdentity: { nextUpdate: '2025-06-30T00:00:00Z' } }),
    ],
    [
      'qe_identity_from_the_future',
      'ATTEST_COLLATERAL_EARLY',
      () => make({}, { qeIdentity: { issueDate: '2025-07-02T00:00:00Z' } }),
    ],
    [
      'qe_identity_signature_invalid',
      'ATTEST_SIGNATURE_INVALID',
      () => without('qeIdentity', ({ qeIdentity }) => ({ ...qeIdentity, signature: flip(qeIdentity.signature, 3) })),
    ],
    ['qe_identity_version_unknown', 'ATTEST_COLLATERAL_MALFORMED', () => make({}, { qeIdentity: { version: 9 } })],
    ['tcb_expired', 'ATTEST_COLLATERAL_EXPIRED', () => make({}, { tcbInfo: { nextUpdate: '2025-06-30T23:59:59Z' } })],
    [
      'tcb_from_the_future',
      'ATTEST_COLLATERAL_EARLY',
      () => make({}, { tcbInfo: { issueDate: '2025-07-01T00:06:00Z' } }),
    ],
    [
      'tcb_signature_invalid',
      'ATTEST_SIGNATURE_INVALID',
      () => without('tcbInfo', ({ tcbInfo }) => ({ ...tcbInfo, signature: flip(tcbInfo.signature, 3) })),
    ],
    [
      'tcb_signature_too_short',
      'ATTEST_SIGNATURE_INVALID',
      () => without('tcbInfo', ({ tcbInfo }) => ({ ...tcbInfo, signature: new Uint8Array() })),
    ],
    ['tcb_info_no_json', 'ATTEST_COLLATERAL_MALFORMED', () => make({}, { tcbInfo: { toJSON: () => 'no object' } })],
    ['tcb_info_without_levels', 'ATTEST_TCB_LEVEL_MISSING', () => make({}, { tcbInfo: { tcbLevels: [] } })],
    [
      'tcb_info_of_unknown_status',
      'ATTEST_COLLATERAL_MALFORMED',
      () => make({}, { tcbInfo: { tcbLevels: [toTcbLevel({ sgx: 1, status: 'Fine' })] } }),
    ],
    [
      'tcb_info_with_fifteen_components',
      'ATTEST_COLLATERAL_MALFORMED',
      () =>
        make(
          {},
          {
            tcbInfo: {
              tcbLevels: [{ ...toTcbLevel({ sgx: 1, status: 'UpToDate' }), tcb: { sgxtcbcomponents: [], pcesvn: 1 } }],
            },
          },
        ),
    ],
    ['tcb_info_of_unknown_type', 'ATTEST_COLLATERAL_MALFORMED', () => make({}, { tcbInfo: { tcbType: 1 } })],
    ['tcb_info_of_sgx_for_tdx', 'ATTEST_COLLATERAL_MISMATCH', () => make({}, { tcbInfo: { id: 'SGX' } })],
    ['tcb_info_of_tdx_for_sgx', 'ATTEST_COLLATERAL_MISMATCH', () => make({ kind: 'sgx' }, { tcbInfo: { id: 'TDX' } })],
    ['fmspc_mismatch', 'ATTEST_FMSPC_MISMATCH', () => makeOn({ fmspc: '00906ed50001' })],
    ['pceid_mismatch', 'ATTEST_PCE_MISMATCH', () => makeOn({ pceId: '0001' })],
    ['no_matching_tcb_level', 'ATTEST_TCB_LEVEL_MISSING', () => makeOn({ svns: Array<number>(16).fill(0) })],
    ['tdx_module_of_another_signer', 'ATTEST_TDX_MODULE', () => make({ mrSignerSeam: '01'.repeat(48) })],
    ['tdx_module_attributes', 'ATTEST_TDX_MODULE', () => make({ seamAttributes: '0100000000000000' })],
    ['tdx_module_unknown', 'ATTEST_TDX_MODULE', () => make({ teeTcbSvn: [5, 2, 3] })],
    ['tdx_module_below_every_level', 'ATTEST_TCB_LEVEL_MISSING', () => make({ teeTcbSvn: [1, 1, 3] })],
    ['pck_expired', 'ATTEST_CERTIFICATE_EXPIRED', () => makeOn({}, { notAfter: '2025-06-30T00:00:00Z' })],
    ['pck_not_yet_valid', 'ATTEST_CERTIFICATE_EARLY', () => makeOn({}, { notBefore: '2025-07-02T00:00:00Z' })],
    ['pck_revoked', 'ATTEST_CERTIFICATE_REVOKED', () => make({}, { pckCrl: { revoked: [10] } })],
    ['pck_ca_revoked', 'ATTEST_CERTIFICATE_REVOKED', () => make({}, { rootCrl: { revoked: [2] } })],
    ['revoked_tcb_signer', 'ATTEST_CERTIFICATE_REVOKED', () => make({}, { rootCrl: { revoked: [3] } })],
    ['pck_crl_stale', 'ATTEST_CRL_EXPIRED', () => make({}, { pckCrl: { nextUpdate: '2025-06-30T00:00:00Z' } })],
    ['root_crl_stale', 'ATTEST_CRL_EXPIRED', () => make({}, { rootCrl: { nextUpdate: '2025-06-30T00:00:00Z' } })],
    [
      'pck_crl_of_another_issuer',
      'ATTEST_COLLATERAL_MISMATCH',
      () =>
        make(
          {},
          {
            pckCrl: { issuer: issue({ commonName: 'Intel SGX PCK Processor CA', key: makeP256(), isAuthority: true }) },
          },
        ),
    ],
    ['pck_crl_signature_invalid', 'ATTEST_CRL_INVALID', () => make({}, { pckCrl: { signer: makeP256() } })],
    ['root_crl_missing', 'ATTEST_COLLATERAL_MISMATCH', () => without('rootCrl', () => issueCrl({ issuer: lab.pckCa }))],
    ['pck_without_platform', 'ATTEST_CERTIFICATE_ROLE', () => makeOn({}, { extensions: [] })],
    [
      'pck_limited_to_another_purpose',
      'ATTEST_CERTIFICATE_ROLE',
      () => makeOn({}, { extensions: [toSgxExtension(), { ...toPurposes('1.3.6.1.5.5.7.3.1'), isCritical: true }] }),
    ],
    ['ca_used_as_end_entity', 'ATTEST_CERTIFICATE_ROLE', () => make({ pck: [lab.pckCa, lab.rootIssued] })],
    [
      'end_entity_used_as_ca',
      'ATTEST_CERTIFICATE_ROLE',
      () => {
        const inner = issue({ commonName: 'Intel SGX PCK Platform CA', key: makeP256(), issuer: lab.rootIssued });
        return make({ pck: [lab.issuePck({ issuer: inner }), inner] });
      },
    ],
    [
      'path_too_long',
      'ATTEST_CERTIFICATE_ROLE',
      () => {
        const inner = issue({ commonName: 'Inner CA', key: makeP256(), issuer: lab.pckCa, isAuthority: true });
        return make({ pck: [lab.issuePck({ issuer: inner }), inner, lab.pckCa] });
      },
    ],
    [
      'ca_used_as_end_entity_tcb',
      'ATTEST_CERTIFICATE_ROLE',
      () =>
        make(
          {},
          {
            tcbSigner: issue({
              commonName: 'Intel SGX TCB Signing',
              key: makeP256(),
              issuer: lab.rootIssued,
              isAuthority: true,
            }),
          },
        ),
    ],
    [
      'tcb_signed_by_a_platform',
      'ATTEST_CERTIFICATE_ROLE',
      () => {
        const collateral = lab.makeCollateral({ tcbSigner: lab.pck });
        const withChain = (part: DcapCollateral['tcbInfo']) => ({ ...part, chainPem: lab.pck.pem + lab.pckCa.pem });
        return lab.toEvidence(lab.makeQuote(), {
          ...collateral,
          tcbInfo: withChain(collateral.tcbInfo),
          qeIdentity: withChain(collateral.qeIdentity),
        });
      },
    ],
    [
      'tcb_signer_of_another_root',
      'ATTEST_ROOT_UNTRUSTED',
      () => lab.toEvidence(lab.makeQuote(), { ...lab.makeCollateral(), tcbInfo: stranger.makeCollateral().tcbInfo }),
    ],
    [
      'downloaded_root',
      'ATTEST_ROOT_UNTRUSTED',
      () => stranger.toEvidence(stranger.makeQuote(), stranger.makeCollateral()),
    ],
    [
      'root_of_another_vendor',
      'ATTEST_ROOT_UNTRUSTED',
      () => {
        const other = issue({ commonName: 'ARK-Milan', key: makeP384(), isAuthority: true });
        return make({ pck: [lab.issuePck({ issuer: other }), other] });
      },
    ],
    ['empty_chain', 'ATTEST_CERTIFICATE_MALFORMED', () => make({ pck: [{ ...lab.pck, pem: '' }] })],
    ['pck_svn_too_large', 'ATTEST_CERTIFICATE_MALFORMED', () => makeOn({ svns: [256, ...Array<number>(15).fill(5)] })],
  ])('%s: %s', (_name, code, makeEvidence) => {
    expect(codeOf(makeEvidence())).toBe(code);
  });

  test('tdx_debug_enabled and sgx_debug_enabled are claims, for the policy to refuse', () => {
    expect(verify(make({ attributes: '0100001000000000' })).isDebug).toBe(true);
    expect(verify(make({ kind: 'sgx', attributes: '07000000000000000700000000000000' })).isDebug).toBe(true);
  });
});
