/** From files to evidence: kinds told by their bytes, certificates from wherever they come, collateral in each of its forms. */
import { describe, expect, test } from 'vitest';
import { codeOf } from '../../../test/error-code.ts';
import { createDcapLab, NOW_MS, toCollateralFile } from '../../../test/fakes/attest/dcap.ts';
import { createNitroLab, NOW_MS as NITRO_MS } from '../../../test/fakes/attest/nitro.ts';
import { createSnpLab } from '../../../test/fakes/attest/snp.ts';
import { makeTpmQuote, PCRS, signTpm, toAkPem } from '../../../test/fakes/attest/tpm.ts';
import { concatBytes, makeP256, toPem } from '../../../test/fakes/attest/x509.ts';
import { toBase64, toHex, utf8 } from '../../core/bytes.ts';
import { verifyEvidence } from '../verify.ts';
import { readCollateral } from './collateral-file.ts';
import { describeEvidence } from './describe.ts';
import { encodeDcapEvidenceFile, encodeSnpEvidenceFile, EVIDENCE_TYPE } from './evidence-file.ts';
import { readEvidence } from './read.ts';

const snp = createSnpLab();
const report = snp.makeReport();
const crls = snp.makeCrls();
const dcap = createDcapLab();
const quote = dcap.makeQuote();
const collateral = dcap.makeCollateral();
const toFile = (value: object) => utf8(JSON.stringify({ type: EVIDENCE_TYPE, ...value }));
const anchors = { snp: snp.trust, intel: dcap.root };
const verify = (evidence: ReturnType<typeof readEvidence>) => verifyEvidence(evidence, { nowMs: NOW_MS, anchors });

const GUID = {
  vcek: '63da758de6644564adc5f4b93be8accd',
  ask: '4ab7b379bbac4fe4a02f05aef327c782',
  crl: '92f81bc358114d3d97ffd19f88dc67ea',
  other: '00112233445566778899aabbccddeeff',
};

/** GUID, offset, length; an entry of zeros; the contents. */
function makeTable(entries: readonly (readonly [string, Uint8Array])[], shift = 0): Uint8Array {
  const headBytes = (entries.length + 1) * 24;
  const head = new Uint8Array(headBytes);
  const view = new DataView(head.buffer);
  let at = headBytes;
  for (const [index, [guid, bytes]] of entries.entries()) {
    head.set(Buffer.from(guid, 'hex'), index * 24);
    view.setUint32(index * 24 + 16, at + shift, true);
    view.setUint32(index * 24 + 20, bytes.length, true);
    at += bytes.length;
  }
  return concatBytes(head, ...entries.map(([, bytes]) => bytes));
}

describe('SEV-SNP', () => {
  const pem = utf8([snp.vcek.pem, ...crls.map((crl) => toPem('X509 CRL', crl))].join('\n'));
  const table = makeTable([
    [GUID.vcek, snp.vcek.der],
    [GUID.other, Uint8Array.of(1, 2, 3)],
    [GUID.ask, snp.ask.der],
    [GUID.crl, crls[1]],
  ]);

  test.each<[string, () => ReturnType<typeof readEvidence>]>([
    ['certificate and lists as DER', () => readEvidence(report, readCollateral([snp.vcek.der, ...crls]))],
    ['as PEM in one file', () => readEvidence(report, readCollateral([pem]))],
    ['the table of the host behind the report', () => readEvidence(concatBytes(report, table))],
    ['the table of the host as a file', () => readEvidence(report, readCollateral([table]))],
    ['the same certificate twice', () => readEvidence(concatBytes(report, table), readCollateral([snp.vcek.der]))],
    [
      'an evidence file',
      () => readEvidence(utf8(encodeSnpEvidenceFile({ report, certificates: [snp.vcek.der], crls }))),
    ],
  ])('%s', (_name, make) => {
    expect(verify(make())).toMatchObject({ kind: 'snp', signingKey: 'vcek' });
  });

  test('a table that points outside itself, or has too many entries, is refused', () => {
    const read = (bytes: Uint8Array) => codeOf(() => readEvidence(concatBytes(report, bytes)));
    expect(read(makeTable([[GUID.vcek, snp.vcek.der]], 100))).toBe('ATTEST_EVIDENCE_MALFORMED');
    expect(read(makeTable(Array.from({ length: 20 }, () => [GUID.other, Uint8Array.of(1)] as const)))).toBe(
      'ATTEST_EVIDENCE_MALFORMED',
    );
  });

  test('says which certificate is to be fetched', () => {
    const { fetch } = describeEvidence(readEvidence(snp.makeReport()));
    expect(fetch[0]).toBe(
      `https://kdsintf.amd.com/vcek/v1/Milan/${toHex(report.subarray(0x1a0, 0x1e0))}?blSPL=04&teeSPL=00&snpSPL=24&ucodeSPL=219`,
    );
    const turin = createSnpLab('Turin');
    expect(describeEvidence(readEvidence(turin.makeReport())).fetch[0]).toBe(
      'https://kdsintf.amd.com/vcek/v1/Turin/0102030405060708?fmcSPL=02&blSPL=04&teeSPL=00&snpSPL=24&ucodeSPL=219',
    );
  });
});

describe('SGX and TDX', () => {
  const { tcbInfo, qeIdentity, rootCrl, pckCrl } = collateral;
  const whole = utf8(JSON.stringify(toCollateralFile(collateral, dcap.pckCa, dcap.rootIssued)));
  const answer = (name: string, { text, signature }: typeof tcbInfo) =>
    utf8(`{"${name}":${text},"signature":"${toHex(signature)}"}`);
  const answers = [answer('tcbInfo', tcbInfo), answer('enclaveIdentity', qeIdentity)];
  const signer = utf8(dcap.tcbSigner.pem);

  test.each<[string, () => ReturnType<typeof readEvidence>]>([
    ['collateral in one file', () => readEvidence(quote, readCollateral([whole]))],
    [
      'collateral as the service answers it',
      () => readEvidence(quote, readCollateral([...answers, signer, rootCrl, pckCrl])),
    ],
    [
      'an evidence file with its collateral',
      () =>
        readEvidence(
          toFile({ kind: 'dcap', quote: toBase64(quote), collateral: JSON.parse(Buffer.from(whole).toString()) }),
        ),
    ],
    [
      'an evidence file, collateral beside it',
      () => readEvidence(utf8(encodeDcapEvidenceFile(quote)), readCollateral([whole])),
    ],
  ])('%s', (_name, make) => {
    expect(verify(make())).toMatchObject({ kind: 'tdx', tcb: { status: 'UpToDate' } });
  });

  test.each<[string, readonly Uint8Array[]]>([
    ['one of the two texts', [answers[0], signer, rootCrl, pckCrl]],
    ['the same text twice', [answers[0], ...answers, signer, rootCrl, pckCrl]],
    ['no signer', [...answers, rootCrl, pckCrl]],
    ['no list of the root', [...answers, signer, pckCrl]],
    ['no list of PCK', [...answers, signer, rootCrl]],
    ['two whole files', [whole, whole]],
    ['no JSON', [utf8('{')]],
    ['JSON of something else', [utf8('{"a":1}')]],
    ['neither DER, PEM nor JSON', [utf8('hello')]],
    ['too many files', Array.from({ length: 17 }, () => signer)],
  ])('collateral with %s is refused', (_name, files) => {
    expect(codeOf(() => readCollateral(files))).toBe('ATTEST_COLLATERAL_MALFORMED');
  });

  test('says which collateral is to be fetched', () => {
    expect(describeEvidence(readEvidence(quote)).fetch).toEqual([
      'https://api.trustedservices.intel.com/tdx/certification/v4/tcb?fmspc=00906ed50000',
      'https://api.trustedservices.intel.com/tdx/certification/v4/qe/identity',
      'https://api.trustedservices.intel.com/sgx/certification/v4/pckcrl?ca=platform&encoding=der',
      'https://certificates.trustedservices.intel.com/IntelSGXRootCA.der',
    ]);
  });
});

describe('Nitro and TPM', () => {
  const nitro = createNitroLab();

  test('a Nitro document, bare, tagged and in a file', () => {
    const documents = [false, true].map((isTagged) => nitro.makeDocument({ isTagged }));
    const all = [...documents, toFile({ kind: 'nitro', document: toBase64(documents[0]) })];
    for (const bytes of all) {
      const claims = verifyEvidence(readEvidence(bytes), { nowMs: NITRO_MS, anchors: { nitro: nitro.root } });
      expect(claims.kind).toBe('nitro');
    }
  });

  test('a TPM quote with all that belongs to it', () => {
    const key = makeP256();
    const tpm = makeTpmQuote();
    const pcrs = Object.fromEntries(Object.entries(PCRS).map(([name, value]) => [name, toHex(value)]));
    const parts = { quote: toBase64(tpm), signature: toBase64(signTpm(tpm, key, 'ecdsa')), ak: toAkPem(key), pcrs };
    expect(verify(readEvidence(toFile({ kind: 'tpm', ...parts })))).toMatchObject({ kind: 'tpm' });
    expect(describeEvidence(readEvidence(toFile({ kind: 'tpm', ...parts }))).says.pcrs).toBe(
      'sha256:0 sha256:7 sha384:10',
    );
  });
});

describe('an evidence file is refused', () => {
  test.each<[string, Uint8Array]>([
    ['of another type', utf8('{"type":"other","kind":"snp","report":""}')],
    ['of unknown kind', toFile({ kind: 'sample' })],
    ['without its report', toFile({ kind: 'snp' })],
    ['with what is no base64', toFile({ kind: 'snp', report: '!' })],
    ['with an unknown field', toFile({ kind: 'nitro', document: '', extra: 1 })],
    ['that is no JSON', utf8('{"type":')],
    ['that is too large', new Uint8Array(300 * 1024).fill(0x7b)],
  ])('%s', (_name, bytes) => {
    expect(codeOf(() => readEvidence(bytes))).toBe('ATTEST_EVIDENCE_MALFORMED');
  });
});
