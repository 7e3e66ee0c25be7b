/** Our verdicts on quotes against those of another implementation: on real ones, on damaged ones, on made ones. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { toDcapCollateral } from '../../src/attest/dcap/collateral.ts';
import {
  type CollateralSpec,
  createDcapLab,
  NOW_MS,
  type PlatformSpec,
  type QuoteSpec,
  toTcbLevel,
} from '../fakes/attest/dcap.ts';
import { makeP256 } from '../fakes/attest/x509.ts';
import { describeWithShared, sharedData } from '../shared-data.ts';
import { judgeByOracle, judgeByOurs, type Subject } from './attest.dcap.ts';
import { type Mutation, mutate } from './attest.dcap-mutations.ts';

const MUTATIONS = process.env.SLOW === '1' ? 5000 : 250;

function readVector(kind: 'sgx' | 'tdx'): Subject {
  const path = sharedData('attestation', 'dcap', 'dcap-qvl', `${kind}_quote`);
  const collateral = toDcapCollateral(JSON.parse(readFileSync(`${path}_collateral.json`, 'utf8')));
  return { quote: new Uint8Array(readFileSync(path)), collateral, nowMs: Date.parse('2025-06-30T00:00:00Z') };
}

/** Numerical Recipes' generator: the same mutations in every run. */
function createDraws(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/**
 * Where we refuse and the other one does not: it looks at revocation lists for serial numbers only, not at their signature,
 * time or form; it passes over a certificate whose PEM text is damaged when the rest still makes a chain; and it takes a
 * length of that text which leaves bytes over.
 */
function findReason({ name, subject }: Mutation): string | undefined {
  if (name.includes('Crl at')) return 'revocation list';
  const at = Number(/^quote at (\d+)/.exec(name)?.[1] ?? -1);
  const textAt = Buffer.from(subject.quote).indexOf('MII') - '-----BEGIN CERTIFICATE-----\n'.length;
  return at >= textAt - 4 ? 'PEM text' : undefined;
}

describeWithShared('quotes of real platforms', () => {
  test.each(['sgx', 'tdx'] as const)('%s: the same status', (kind) => {
    const subject = readVector(kind);
    expect(judgeByOurs(subject)).toEqual(judgeByOracle(subject));
    expect(judgeByOurs(subject).isAccepted).toBe(true);
  });

  test.each(['sgx', 'tdx'] as const)('%s: the same verdict on seeded damage, and never the milder one', (kind) => {
    const subject = readVector(kind);
    const next = createDraws(kind === 'sgx' ? 11 : 12);
    const unexplained: string[] = [];
    let compared = 0;
    for (let count = 0; count < MUTATIONS; count++) {
      const mutation = mutate(subject, next);
      const ours = judgeByOurs(mutation.subject);
      const theirs = judgeByOracle(mutation.subject);
      const isSame = ours.isAccepted === theirs.isAccepted && (!ours.isAccepted || ours.detail === theirs.detail);
      if (isSame) compared += 1;
      else if (ours.isAccepted || findReason(mutation) === undefined)
        unexplained.push(`${mutation.name}: ${ours.detail} / ${theirs.detail}`);
    }
    expect(unexplained).toEqual([]);
    expect(compared).toBeGreaterThan(MUTATIONS / 2);
  });
});

const lab = createDcapLab();
type Case = readonly [string, QuoteSpec, CollateralSpec?, PlatformSpec?];

function make([, quote, collateral = {}, platform]: Case): Subject {
  const pck = platform === undefined ? {} : { pck: [lab.issuePck({}, platform), lab.pckCa, lab.rootIssued] };
  return {
    quote: lab.makeQuote({ ...quote, ...pck }),
    collateral: lab.makeCollateral({ kind: quote.kind ?? 'tdx', ...collateral }),
    nowMs: NOW_MS,
    root: lab.root,
  };
}

const sixteen = (svn: number) => Array<number>(16).fill(svn);

const CASES: readonly Case[] = [
  ['sgx v3', { kind: 'sgx', version: 3 }],
  ['tdx v4', {}],
  ['tdx v5', { version: 5 }],
  ['tdx 1.5', { version: 5, isTdx15: true }],
  ['second level', {}, {}, { svns: sixteen(3) }],
  ['third level', {}, {}, { svns: sixteen(2) }],
  ['revoked_platform_tcb', {}, {}, { svns: sixteen(1) }],
  ['no_matching_tcb_level', {}, {}, { svns: sixteen(0) }],
  ['pce below', {}, { tcbInfo: { tcbLevels: [toTcbLevel({ sgx: 1, pceSvn: 14, status: 'UpToDate' })] } }],
  ['qe out of date', { qeIsvSvn: 6 }],
  ['qe revoked', { qeIsvSvn: 5 }],
  ['qe_below_every_level', { qeIsvSvn: 4 }],
  ['qe_mrsigner_mismatch', { qeMrSigner: '12'.repeat(32) }],
  ['qe_isvprodid_mismatch', { qeIsvProdId: 9 }],
  ['qe_report_hash_mismatch', { qeReportData: new Uint8Array(32) }],
  ['qe_report_signature_invalid', { qeSigner: makeP256() }],
  ['fmspc_mismatch', {}, {}, { fmspc: '000000000001' }],
  ['tcb_expired', {}, { tcbInfo: { nextUpdate: '2025-06-30T00:00:00Z' } }],
  ['tcb_from_the_future', {}, { tcbInfo: { issueDate: '2025-07-02T00:00:00Z' } }],
  ['qe_identity_expired', {}, { qeIdentity: { nextUpdate: '2025-06-30T00:00:00Z' } }],
  ['tcb_info_of_sgx_for_tdx', {}, { tcbInfo: { id: 'SGX' } }],
  ['qe_identity_of_sgx_for_tdx', {}, { qeIdentity: { id: 'QE' } }],
  ['tdx_debug_enabled', { attributes: '0100001000000000' }],
  ['sgx_debug_enabled', { kind: 'sgx', version: 3, attributes: '07000000000000000700000000000000' }],
  ['sept_ve', { attributes: '0000000000000000' }],
  ['migratable', { attributes: '0000003000000000' }],
  ['reserved_attribute_bit', { attributes: '0000011000000000' }],
  ['key_locker_and_pks', { attributes: '000000d000000000' }],
  ['service_td', { version: 5, isTdx15: true, mrServiceTd: '01'.repeat(48) }],
  ['pck_revoked', {}, { pckCrl: { revoked: [10] } }],
  ['revoked_tcb_signer', {}, { rootCrl: { revoked: [3] } }],
];

describe('quotes of a platform of our own', () => {
  test.each(CASES.map((one) => [one[0], one] as const))('%s: the same verdict', (_name, one) => {
    const subject = make(one);
    const [ours, theirs] = [judgeByOurs(subject), judgeByOracle(subject)];
    expect({ ...ours, detail: '' }).toEqual({ ...theirs, detail: '' });
    if (ours.isAccepted) expect(ours.detail).toBe(theirs.detail);
  });

  test.each<readonly [...Case, string]>([
    [
      'stale list of revoked platforms',
      {},
      { pckCrl: { nextUpdate: '2025-06-30T00:00:00Z' } },
      undefined,
      'ATTEST_CRL_EXPIRED',
    ],
    ['list signed by a stranger', {}, { pckCrl: { signer: makeP256() } }, undefined, 'ATTEST_CRL_INVALID'],
    ['another PCE', {}, {}, { pceId: '0001' }, 'ATTEST_PCE_MISMATCH'],
    ['TDX module of a stranger', { mrSignerSeam: '01'.repeat(48) }, {}, undefined, 'ATTEST_TDX_MODULE'],
    ['unknown TDX module', { teeTcbSvn: [5, 2, 3] }, {}, undefined, 'ATTEST_TDX_MODULE'],
  ])('%s: the other one does not look, we refuse', (name, quote, collateral, platform, code) => {
    const subject = make([name, quote, collateral, platform]);
    expect(judgeByOracle(subject).isAccepted).toBe(true);
    expect(judgeByOurs(subject)).toEqual({ isAccepted: false, detail: code });
  });

  test('a module that is out of date makes the platform so: the other one judges the platform alone', () => {
    const subject = make(['', { teeTcbSvn: [6, 1, 3] }, { tcbInfo: { tdxModuleIdentities: toOldModule() } }]);
    expect(judgeByOracle(subject)).toEqual({ isAccepted: true, detail: 'UpToDate' });
    expect(judgeByOurs(subject)).toEqual({ isAccepted: true, detail: 'OutOfDate' });
  });
});

function toOldModule(): readonly object[] {
  const level = { tcb: { isvsvn: 1 }, tcbDate: '2023-01-01T00:00:00Z', tcbStatus: 'OutOfDate' };
  return [
    {
      id: 'TDX_01',
      mrsigner: '00'.repeat(48),
      attributes: '00'.repeat(8),
      attributesMask: 'FF'.repeat(8),
      tcbLevels: [level],
    },
  ];
}
