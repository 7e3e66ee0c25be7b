/** SGX and TDX quotes that are authentic, and the status of what they ran on. */
import { describe, expect, test } from 'vitest';
import { codeOf as toCode } from '../../../test/error-code.ts';
import { NOW_MS, type QuoteSpec, toCollateralFile, toTcbLevel } from '../../../test/fakes/attest/dcap.ts';
import { codeOf, lab, make, makeOn, verify } from '../../../test/fakes/attest/dcap-evidence.ts';
import { concatBytes, flip, issue, makeP256 } from '../../../test/fakes/attest/x509.ts';
import { toDcapCollateral } from './collateral.ts';
import { INTEL_QE } from './quoting-enclaves.ts';
import { type DcapEvidence, verifyDcapWithoutCollateral } from './verify.ts';

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
