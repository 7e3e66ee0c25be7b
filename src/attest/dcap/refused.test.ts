/** SGX and TDX quotes that are refused, each with its code. */
import { describe, expect, test } from 'vitest';
import { createDcapLab, toSgxExtension, toTcbLevel } from '../../../test/fakes/attest/dcap.ts';
import { codeOf, lab, make, makeOn, verify } from '../../../test/fakes/attest/dcap-evidence.ts';
import { flip, issue, issueCrl, makeP256, makeP384, toPurposes } from '../../../test/fakes/attest/x509.ts';
import type { DcapCollateral } from './collateral.ts';
import type { DcapEvidence } from './verify.ts';

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
