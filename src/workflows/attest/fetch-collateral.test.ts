/** Collateral from services that answer as the vendors do, and from those that do not. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { codeOfAsync } from '../../../test/error-code.ts';
import { createDcapLab, type CollateralSpec, type DcapLab } from '../../../test/fakes/attest/dcap.ts';
import { createSnpLab, NOW_MS, toKeyExtensions } from '../../../test/fakes/attest/snp.ts';
import { issueCrl } from '../../../test/fakes/attest/x509.ts';
import { describeWithShared, sharedData } from '../../../test/shared-data.ts';
import { type DcapCollateral, type TrustAnchors, verifyEvidence } from '../../attest/index.ts';
import type { CollateralAnswer, CollateralLink, CollateralRequest } from '../../attest/ports.ts';
import { toHex, utf8 } from '../../core/bytes.ts';
import { nodeStorage } from '../../source/node-storage.ts';
import type { Services } from '../services.ts';
import { fetchCollateral, openEvidence } from './index.ts';

let work: string;
let nowMs: number;
const at = (...parts: readonly string[]) => join(work, ...parts);
const services = {
  storage: nodeStorage,
  clock: { nowMs: () => nowMs },
  isFolder: (path: string) => existsSync(path) && !/\.\w+$/.test(path),
} as Services;
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'modelward-fetch-'));
  nowMs = NOW_MS;
});
afterEach(() => {
  rmSync(work, { recursive: true, force: true });
});

type Answers = Partial<Record<CollateralRequest['part'], CollateralAnswer | null>>;

/** Answers by part; remembers which addresses were asked for. */
function makeLink(answers: Answers): CollateralLink & { readonly asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    get: ({ part, address }) => {
      asked.push(address);
      return Promise.resolve(answers[part] ?? null);
    },
  };
}

const toAnswer = (body: Uint8Array | string, headers: Readonly<Record<string, string>> = {}): CollateralAnswer => ({
  headers,
  body: typeof body === 'string' ? utf8(body) : body,
});

/** As the service of Intel answers: texts with their signatures, chains in headers. */
function toPcsAnswers({ tcbInfo, qeIdentity, rootCrl, pckCrl }: DcapCollateral) {
  const encode = (pem: string) => encodeURIComponent(pem);
  return {
    tcbInfo: toAnswer(`{"tcbInfo":${tcbInfo.text},"signature":"${toHex(tcbInfo.signature)}"}`, {
      'tcb-info-issuer-chain': encode(tcbInfo.chainPem),
    }),
    qeIdentity: toAnswer(`{"enclaveIdentity":${qeIdentity.text},"signature":"${toHex(qeIdentity.signature)}"}`, {
      'sgx-enclave-identity-issuer-chain': encode(qeIdentity.chainPem),
    }),
    pckCrl: toAnswer(pckCrl),
    rootCrl: toAnswer(rootCrl),
  };
}

const run = (link: CollateralLink, anchors?: TrustAnchors, force = false) =>
  fetchCollateral(services, {
    ...{ path: at('evidence.bin'), out: at('collateral'), force, link },
    ...(anchors === undefined ? {} : { anchors }),
  });
describe('of a quote', () => {
  const lab: DcapLab = createDcapLab();
  const anchors = { intel: lab.root };
  const answer = (spec: CollateralSpec = {}, change: (answers: Answers) => void = () => undefined) => {
    const answers: Answers = toPcsAnswers(lab.makeCollateral(spec));
    change(answers);
    return makeLink(answers);
  };
  beforeEach(() => {
    writeFileSync(at('evidence.bin'), lab.makeQuote({ kind: 'tdx' }));
  });

  test('is fetched, checked, kept as a folder, and verifies the quote', async () => {
    const link = answer();
    const result = await run(link, anchors);
    expect(result.files.map(({ path }) => path)).toEqual([at('collateral/collateral.json')]);
    expect(result.validUntilMs).toBe(Date.parse('2025-07-20T00:00:00Z'));
    expect(link.asked.map((address) => new URL(address).host)).toEqual([
      ...Array<string>(3).fill('api.trustedservices.intel.com'),
      'certificates.trustedservices.intel.com',
    ]);
    const evidence = openEvidence(services, { path: at('evidence.bin'), collateralPaths: [at('collateral')] });
    expect(verifyEvidence(evidence, { nowMs, anchors })).toMatchObject({ tcb: { status: 'UpToDate' } });
  });

  test('of a service that keeps copies: lists in hex and PEM, the older name of a header', async () => {
    const link = answer({}, (answers) => {
      const { body } = answers.rootCrl!;
      answers.rootCrl = toAnswer(`${toHex(body)}\n`);
      const pck = Buffer.from(answers.pckCrl!.body).toString('base64');
      answers.pckCrl = toAnswer(`-----BEGIN X509 CRL-----\n${pck}\n-----END X509 CRL-----\n`);
      const tcb = answers.tcbInfo!;
      answers.tcbInfo = { ...tcb, headers: { 'sgx-tcb-info-issuer-chain': tcb.headers['tcb-info-issuer-chain'] } };
    });
    expect(await codeOfAsync(run(link, anchors))).toBe('no error');
  });

  const flip = (name: 'tcbInfo' | 'qeIdentity') => (answers: Answers) => {
    const answer = answers[name]!;
    answers[name] = { ...answer, body: utf8(Buffer.from(answer.body).toString().replace('"version":', '"version": ')) };
  };
  const without = (name: 'tcbInfo' | 'qeIdentity') => (answers: Answers) => {
    answers[name] = { ...answers[name]!, headers: {} };
  };
  const hostile: readonly [string, CollateralSpec, ((answers: Answers) => void) | undefined, string][] = [
    ['one changed character in the TCB info', {}, flip('tcbInfo'), 'ATTEST_SIGNATURE_INVALID'],
    ['one changed character in the QE identity', {}, flip('qeIdentity'), 'ATTEST_SIGNATURE_INVALID'],
    ['no chain in the header', {}, without('tcbInfo'), 'ATTEST_COLLATERAL_MALFORMED'],
    [
      'a chain that is no percent-encoding',
      {},
      (a) => void (a.tcbInfo = { ...a.tcbInfo!, headers: { 'tcb-info-issuer-chain': '%' } }),
      'ATTEST_COLLATERAL_MALFORMED',
    ],
    ['TCB info of another platform', { tcbInfo: { fmspc: '000000000000' } }, undefined, 'ATTEST_FMSPC_MISMATCH'],
    ['TCB info of another PCE', { tcbInfo: { pceId: '0001' } }, undefined, 'ATTEST_PCE_MISMATCH'],
    ['collateral of SGX for TDX', { kind: 'sgx' }, undefined, 'ATTEST_COLLATERAL_MISMATCH'],
    [
      'TCB info that is over',
      { tcbInfo: { nextUpdate: '2025-06-30T00:00:00Z' } },
      undefined,
      'ATTEST_COLLATERAL_EXPIRED',
    ],
    [
      'a QE identity of the future',
      { qeIdentity: { issueDate: '2025-07-02T00:00:00Z' } },
      undefined,
      'ATTEST_COLLATERAL_EARLY',
    ],
    ['a list that is over', { pckCrl: { nextUpdate: '2025-06-30T00:00:00Z' } }, undefined, 'ATTEST_CRL_EXPIRED'],
    ['the list of the root for that of PCK', {}, (a) => void (a.pckCrl = a.rootCrl), 'ATTEST_CRL_INVALID'],
    ['a page instead of a list', {}, (a) => void (a.rootCrl = toAnswer('<html>')), 'ATTEST_COLLATERAL_MALFORMED'],
    ['a page instead of a text', {}, (a) => void (a.qeIdentity = toAnswer('<html>')), 'ATTEST_COLLATERAL_MALFORMED'],
    [
      'the two texts exchanged',
      {},
      (a) => void ([a.tcbInfo, a.qeIdentity] = [a.qeIdentity!, a.tcbInfo!]),
      'ATTEST_COLLATERAL_MALFORMED',
    ],
    ['a part missing', {}, (a) => void (a.pckCrl = null), 'ATTEST_COLLATERAL_UNKNOWN'],
    ['nothing', {}, (a) => void (a.tcbInfo = null), 'ATTEST_COLLATERAL_UNKNOWN'],
  ];
  test.each(hostile)('%s is not kept', async (_name, spec, change, code) => {
    expect(await codeOfAsync(run(answer(spec, change), anchors))).toBe(code);
    expect(readdirSync(work)).toEqual(['evidence.bin']);
  });

  test('under another root than the pinned one is not kept', async () => {
    expect(await codeOfAsync(run(answer()))).toBe('ATTEST_ROOT_UNTRUSTED');
    expect(readdirSync(work)).toEqual(['evidence.bin']);
  });

  test('that revokes the platform is kept all the same, and refuses the quote', async () => {
    const revoking = answer({ tcbInfo: { tcbLevels: [] } });
    expect(await codeOfAsync(run(revoking, anchors))).toBe('no error');
    const evidence = openEvidence(services, { path: at('evidence.bin'), collateralPaths: [at('collateral')] });
    expect(() => verifyEvidence(evidence, { nowMs, anchors })).toThrow(
      expect.objectContaining({ code: 'ATTEST_TCB_LEVEL_MISSING' }) as Error,
    );
  });

  test('replaces an earlier folder when asked, as a whole, and keeps it when the new one is bad', async () => {
    await run(answer(), anchors);
    const before = readFileSync(at('collateral/collateral.json'));
    expect(await codeOfAsync(run(answer(), anchors))).toBe('WRITE_EXISTS');
    expect(await codeOfAsync(run(answer({}, flip('tcbInfo')), anchors, true))).toBe('ATTEST_SIGNATURE_INVALID');
    expect(readFileSync(at('collateral/collateral.json')).equals(before)).toBe(true);
    expect(await codeOfAsync(run(answer({ tcbInfo: { tcbEvaluationDataNumber: 18 } }), anchors, true))).toBe(
      'no error',
    );
    expect(readFileSync(at('collateral/collateral.json')).equals(before)).toBe(false);
    expect(readdirSync(work).toSorted()).toEqual(['collateral', 'evidence.bin']);
  });

  const [old, older] = ['2025-06-10T00:00:00Z', '2025-05-20T00:00:00Z'];
  test.each([
    ['TCB info', { tcbInfo: { issueDate: old } }, 'tcb_info'],
    ['QE identity', { qeIdentity: { issueDate: old } }, 'qe_identity'],
    ['list of the root', { rootCrl: { thisUpdate: older } }, 'revocation list'],
    ['list of platforms', { pckCrl: { thisUpdate: older } }, 'revocation list'],
  ] as const)('an older %s, still valid, replaces none that is younger', async (_name, spec, part) => {
    await run(answer(), anchors);
    const before = readFileSync(at('collateral/collateral.json'));
    await expect(run(answer(spec), anchors, true)).rejects.toMatchObject({
      code: 'ATTEST_COLLATERAL_OLDER',
      fields: { at: part },
    });
    expect(readFileSync(at('collateral/collateral.json')).equals(before)).toBe(true);
    rmSync(at('collateral'), { recursive: true });
    expect(await codeOfAsync(run(answer(spec), anchors, true))).toBe('no error');
    // The younger one again.
    expect(await codeOfAsync(run(answer(), anchors, true))).toBe('no error');
  });

  test('a folder that cannot be read is replaced, one with other files is not, and nobody is asked then', async () => {
    mkdirSync(at('collateral'));
    writeFileSync(at('collateral/collateral.json'), '{"tcb_info": 1}');
    expect(await codeOfAsync(run(answer(), anchors, true))).toBe('no error');
    writeFileSync(at('collateral/thesis.tex'), 'x');
    const link = answer();
    await expect(run(link, anchors, true)).rejects.toMatchObject({
      code: 'WRITE_EXISTS',
      fields: { file: 'collateral', other: 'thesis.tex' },
    });
    expect(link.asked).toEqual([]);
    expect(readdirSync(at('collateral'))).toEqual(['collateral.json', 'thesis.tex']);
  });
});

describe('of a report', () => {
  const lab = createSnpLab();
  const anchors = { snp: lab.trust };
  const answer = (changes: Answers = {}) =>
    makeLink({
      vcek: toAnswer(lab.vcek.der),
      chain: toAnswer(lab.ask.pem + lab.ark.pem),
      crl: toAnswer(lab.makeCrls()[0]),
      ...changes,
    });
  beforeEach(() => {
    writeFileSync(at('evidence.bin'), lab.makeReport());
  });

  test('is fetched, checked, kept as a folder, and verifies the report with its revocation', async () => {
    const link = answer();
    const result = await run(link, anchors);
    expect(result.files.map(({ path }) => path)).toEqual(
      ['vcek.der', 'chain.pem', 'revoked.crl'].map((name) => at('collateral', name)),
    );
    expect(link.asked.every((address) => address.startsWith('https://kdsintf.amd.com/vcek/v1/Milan/'))).toBe(true);
    const evidence = openEvidence(services, { path: at('evidence.bin'), collateralPaths: [at('collateral')] });
    expect(verifyEvidence(evidence, { nowMs, anchors })).toMatchObject({ isRevocationChecked: true });
  });

  test('of version 2 is looked for among the products that it may be of', async () => {
    writeFileSync(at('evidence.bin'), lab.makeReport({ version: 2 }));
    const link = answer({ vcek: null });
    expect(await codeOfAsync(run(link, anchors))).toBe('ATTEST_COLLATERAL_UNKNOWN');
    expect(link.asked.map((address) => address.split('/')[5])).toEqual(['Milan', 'Genoa']);
  });

  test('an older list, still valid, replaces none that is younger', async () => {
    await run(answer(), anchors);
    const crl = toAnswer(issueCrl({ issuer: lab.ark, thisUpdate: '2025-05-20T00:00:00Z' }));
    expect(await codeOfAsync(run(answer({ crl }), anchors, true))).toBe('ATTEST_COLLATERAL_OLDER');
    expect(await codeOfAsync(run(answer(), anchors, true))).toBe('no error');
  });

  const other = createSnpLab();
  const toVcek = (stated: Omit<Parameters<typeof toKeyExtensions>[0], 'product'>): Uint8Array =>
    lab.issueKey({ extensions: toKeyExtensions({ product: 'Milan', ...stated }) }).der;
  const hostile: readonly [string, Answers, string][] = [
    [
      'the certificate of another chip',
      { vcek: toAnswer(toVcek({ chip: new Uint8Array(64).fill(3) })) },
      'ATTEST_CHIP_ID_MISMATCH',
    ],
    ['the certificate of another TCB', { vcek: toAnswer(toVcek({ levels: { snp: 23 } })) }, 'ATTEST_TCB_MISMATCH'],
    ['a certificate of another authority', { vcek: toAnswer(other.vcek.der) }, 'ATTEST_CHAIN_BROKEN'],
    ['another root in the chain', { chain: toAnswer(other.ask.pem + other.ark.pem) }, 'ATTEST_ROOT_UNTRUSTED'],
    ['a list of another root', { crl: toAnswer(other.makeCrls()[0]) }, 'ATTEST_CRL_INVALID'],
    [
      'a list that is over',
      { crl: toAnswer(lab.makeCrls({ nextUpdate: '2025-06-30T00:00:00Z' })[0]) },
      'ATTEST_CRL_EXPIRED',
    ],
    ['a list of the wrong issuer', { crl: toAnswer(issueCrl({ issuer: lab.ask })) }, 'ATTEST_CRL_INVALID'],
    ['no list', { crl: null }, 'ATTEST_COLLATERAL_UNKNOWN'],
    ['a page instead of a certificate', { vcek: toAnswer('<html>') }, 'ATTEST_COLLATERAL_MALFORMED'],
  ];
  test.each(hostile)('%s is not kept', async (_name, changes, code) => {
    expect(await codeOfAsync(run(answer(changes), anchors))).toBe(code);
    expect(readdirSync(work)).toEqual(['evidence.bin']);
  });
});

describe('evidence that needs none', () => {
  test('is told so, and nobody is asked', async () => {
    writeFileSync(at('evidence.bin'), Buffer.concat([Buffer.of(0x84), Buffer.alloc(40)]));
    const link = makeLink({});
    expect(await codeOfAsync(run(link))).toBe('ATTEST_EVIDENCE_UNKNOWN');
    expect(link.asked).toEqual([]);
  });
});

describeWithShared('real collateral', () => {
  const read = (...parts: readonly string[]) => readFileSync(sharedData('attestation', 'dcap', ...parts));

  test.each([
    ['tdx', '2025-06-30T00:00:00Z'],
    ['sgx', null],
  ] as const)('of a real %s quote is taken under the pinned root of Intel, at its time', async (kind, time) => {
    writeFileSync(at('evidence.bin'), read('dcap-qvl', `${kind}_quote`));
    const file = JSON.parse(read('dcap-qvl', `${kind}_quote_collateral.json`).toString()) as Record<string, string>;
    const issued = (JSON.parse(file.tcb_info) as { issueDate: string }).issueDate;
    nowMs = time === null ? Date.parse(issued) + 86_400_000 : Date.parse(time);
    const toChain = (name: string) => encodeURIComponent(file[name]);
    const answers = {
      tcbInfo: toAnswer(`{"tcbInfo":${file.tcb_info},"signature":"${file.tcb_info_signature}"}`, {
        'tcb-info-issuer-chain': toChain('tcb_info_issuer_chain'),
      }),
      qeIdentity: toAnswer(`{"enclaveIdentity":${file.qe_identity},"signature":"${file.qe_identity_signature}"}`, {
        'sgx-enclave-identity-issuer-chain': toChain('qe_identity_issuer_chain'),
      }),
      pckCrl: toAnswer(file.pck_crl),
      rootCrl: toAnswer(file.root_ca_crl),
    };
    await run(makeLink(answers));
    const evidence = openEvidence(services, { path: at('evidence.bin'), collateralPaths: [at('collateral')] });
    expect(verifyEvidence(evidence, { nowMs })).toMatchObject({ kind, isRevocationChecked: true });
    nowMs = Date.parse('2026-11-21T00:00:00Z');
    expect(await codeOfAsync(run(makeLink(answers), undefined, true))).toMatch(/_EXPIRED$/);
  });
});
