/** An Intel platform for tests: quotes, certificates and collateral are really signed, under a root of our own. */
import type { DcapEvidence } from '../../../src/attest/dcap/verify.ts';
import { type DcapCollateral } from '../../../src/attest/dcap/collateral.ts';
import { INTEL_QE } from '../../../src/attest/dcap/quoting-enclaves.ts';
import { type Certificate, readCertificate } from '../../../src/attest/x509/certificate.ts';
import { findHexBytes, toHex, utf8 } from '../../../src/core/bytes.ts';
import { sha256 } from '../../../src/core/hash.ts';
import {
  type CertificateSpec,
  concatBytes,
  type CrlSpec,
  encodeDer,
  encodeOid,
  type ExtensionSpec,
  type Issued,
  issue,
  issueCrl,
  type KeyPair,
  makeP256,
  octets,
  seq,
  signRaw,
  TAG,
  toInteger,
} from './x509.ts';

export const NOW_MS = Date.parse('2025-07-01T00:00:00Z');
const FMSPC = '00906ed50000';
const SGX_OID = '1.2.840.113741.1.13.1';
const hex = (text: string): Uint8Array => findHexBytes(text) ?? new Uint8Array();

export interface PlatformSpec {
  readonly fmspc?: string;
  readonly pceId?: string;
  readonly ppid?: string;
  readonly svns?: readonly number[];
  readonly pceSvn?: number;
}

export function toSgxExtension(spec: PlatformSpec = {}): ExtensionSpec {
  const { fmspc = FMSPC, pceId = '0000', ppid = 'ab'.repeat(16), svns = Array<number>(16).fill(5), pceSvn = 13 } = spec;
  const pair = (number: string, value: Uint8Array) => seq(encodeOid(`${SGX_OID}.${number}`), value);
  const tcb = seq(
    ...svns.map((svn, at) => pair(`2.${at + 1}`, toInteger(svn))),
    pair('2.17', toInteger(pceSvn)),
    pair('2.18', octets(Uint8Array.from(svns))),
  );
  const parts = [
    pair('1', octets(hex(ppid))),
    pair('2', tcb),
    pair('3', octets(hex(pceId))),
    pair('4', octets(hex(fmspc))),
  ];
  return { oid: SGX_OID, value: seq(...parts, pair('5', encodeDer(TAG.enumerated, Uint8Array.of(0)))) };
}

type Kind = 'sgx' | 'tdx';

export interface QuoteSpec {
  readonly version?: 3 | 4 | 5;
  readonly kind?: Kind;
  readonly isTdx15?: boolean;
  readonly pck?: readonly Issued[];
  readonly attestationKey?: KeyPair;
  readonly qeSigner?: KeyPair;
  readonly teeTcbSvn?: readonly number[];
  readonly reportData?: Uint8Array;
  readonly isvSvn?: number;
  readonly qeIsvSvn?: number;
  readonly qeMrSigner?: string;
  readonly qeIsvProdId?: number;
  readonly qeAttributes?: string;
  readonly qeMiscSelect?: number;
  /** Replaces the binding of the attestation key. */
  readonly qeReportData?: Uint8Array;
  /** Of the enclave or TD. */
  readonly attributes?: string;
  readonly mrSignerSeam?: string;
  readonly seamAttributes?: string;
  readonly mrServiceTd?: string;
  readonly certificationType?: number;
  readonly editHeader?: (header: Uint8Array, view: DataView) => void;
}

function makeSgxBody(spec: {
  readonly attributes: string;
  readonly mrSigner: string;
  readonly isvProdId: number;
  readonly isvSvn: number;
  readonly miscSelect: number;
  readonly reportData: Uint8Array;
}): Uint8Array {
  const body = new Uint8Array(384);
  const view = new DataView(body.buffer);
  body.fill(5, 0, 16);
  view.setUint32(16, spec.miscSelect, true);
  body.set(hex(spec.attributes), 48);
  body.fill(0xe1, 64, 96);
  body.set(hex(spec.mrSigner), 128);
  view.setUint16(256, spec.isvProdId, true);
  view.setUint16(258, spec.isvSvn, true);
  body.set(spec.reportData, 320);
  return body;
}

function makeTdxBody(spec: QuoteSpec): Uint8Array {
  const body = new Uint8Array(spec.isTdx15 === true ? 648 : 584);
  body.set(spec.teeTcbSvn ?? [5, 1, 3], 0);
  body.fill(0x5e, 16, 64);
  body.set(hex(spec.mrSignerSeam ?? '00'.repeat(48)), 64);
  body.set(hex(spec.seamAttributes ?? '00'.repeat(8)), 112);
  body.set(hex(spec.attributes ?? '0000001000000000'), 120);
  body.set(hex('e700060000000000'), 128);
  body.fill(0xd7, 136, 184);
  for (let at = 0; at < 4; at++) body.fill(0xa0 + at, 328 + at * 48, 376 + at * 48);
  body.set(spec.reportData ?? new Uint8Array(), 520);
  if (spec.isTdx15 === true) body.set(hex(spec.mrServiceTd ?? '00'.repeat(48)), 600);
  return body;
}

function u16(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, value >> 8);
}

function u32(value: number): Uint8Array {
  return concatBytes(u16(value & 0xffff), u16(value >>> 16));
}

function makeHeader({ version = 4, kind = 'tdx', editHeader }: QuoteSpec): Uint8Array {
  const header = concatBytes(
    u16(version),
    u16(2),
    u32(kind === 'tdx' ? 0x81 : 0),
    u16(0),
    u16(0),
    hex('939a7233f79c4ca9940a0db3957f0607'),
    new Uint8Array(20),
  );
  editHeader?.(header, new DataView(header.buffer));
  return header;
}

export interface CollateralSpec {
  readonly kind?: Kind;
  readonly tcbInfo?: Readonly<Record<string, unknown>>;
  readonly qeIdentity?: Readonly<Record<string, unknown>>;
  readonly tcbSigner?: Issued;
  readonly rootCrl?: Partial<CrlSpec>;
  readonly pckCrl?: Partial<CrlSpec>;
}

export interface DcapLab {
  readonly root: Certificate;
  readonly rootIssued: Issued;
  readonly pckCa: Issued;
  readonly pck: Issued;
  readonly tcbSigner: Issued;
  issuePck(spec?: Partial<CertificateSpec>, platform?: PlatformSpec): Issued;
  makeQuote(spec?: QuoteSpec): Uint8Array;
  makeCollateral(spec?: CollateralSpec): DcapCollateral;
  toEvidence(quote: Uint8Array, collateral: DcapCollateral): DcapEvidence;
}

export function createDcapLab(): DcapLab {
  const root = issue({ commonName: 'Intel SGX Root CA', key: makeP256(), isAuthority: true, pathLength: 1 });
  const pckCa = issue({
    commonName: 'Intel SGX PCK Platform CA',
    key: makeP256(),
    issuer: root,
    isAuthority: true,
    pathLength: 0,
    serial: 2,
  });
  const tcbSigner = issue({ commonName: 'Intel SGX TCB Signing', key: makeP256(), issuer: root, serial: 3 });
  const issuePck: DcapLab['issuePck'] = (spec = {}, platform = {}) =>
    issue({
      ...{ commonName: 'Intel SGX PCK Certificate', key: makeP256(), issuer: pckCa, serial: 10 },
      extensions: [toSgxExtension(platform)],
      ...spec,
    });
  const pck = issuePck();
  return {
    ...{ rootIssued: root, pckCa, pck, tcbSigner, issuePck },
    root: readCertificate(root.der),
    makeQuote: (spec = {}) => makeQuote({ pck: [pck, pckCa, root], ...spec }),
    makeCollateral: (spec = {}) => makeCollateral({ root, pckCa, tcbSigner }, spec),
    toEvidence: (quote, collateral) => ({ kind: 'dcap', quote, collateral }),
  };
}

function makeQuote(spec: QuoteSpec & { readonly pck: readonly Issued[] }): Uint8Array {
  const { version = 4, kind = 'tdx', attestationKey = makeP256(), pck } = spec;
  const isSgx = kind === 'sgx';
  const body = isSgx
    ? makeSgxBody({
        attributes: spec.attributes ?? '05000000000000000700000000000000',
        mrSigner: '22'.repeat(32),
        ...{ isvProdId: 1, isvSvn: spec.isvSvn ?? 7, miscSelect: 0, reportData: spec.reportData ?? new Uint8Array() },
      })
    : makeTdxBody(spec);
  const bodyType = isSgx ? 1 : spec.isTdx15 === true ? 3 : 2;
  const descriptor = version === 5 ? concatBytes(u16(bodyType), u32(body.length)) : new Uint8Array();
  const signed = concatBytes(makeHeader({ ...spec, version, kind }), descriptor, body);
  const point = toPoint(attestationKey);
  const auth = Uint8Array.from({ length: 32 }, (_, at) => at);
  const qeReport = makeSgxBody({
    attributes: spec.qeAttributes ?? '11000000000000000000000000000000',
    mrSigner: spec.qeMrSigner ?? INTEL_QE[kind].mrSigner,
    isvProdId: spec.qeIsvProdId ?? (isSgx ? 1 : 2),
    isvSvn: spec.qeIsvSvn ?? 8,
    miscSelect: spec.qeMiscSelect ?? 0,
    reportData: spec.qeReportData ?? sha256(point, auth),
  });
  const chain = utf8(`${pck.map(({ pem }) => pem).join('')}\0`);
  const qe = concatBytes(
    qeReport,
    signRaw('sha256', qeReport, spec.qeSigner ?? pck[0].key),
    concatBytes(u16(auth.length), auth),
    concatBytes(u16(spec.certificationType ?? 5), u32(chain.length), chain),
  );
  const wrapped = version === 3 ? qe : concatBytes(u16(6), u32(qe.length), qe);
  const data = concatBytes(signRaw('sha256', signed, attestationKey), point, wrapped);
  return concatBytes(signed, u32(data.length), data);
}

function toPoint({ publicKey }: KeyPair): Uint8Array {
  return new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }).subarray(-64));
}

const levels = (svn: number) => Array.from({ length: 16 }, () => ({ svn }));

export function toTcbLevel(options: {
  readonly sgx: number;
  readonly tdx?: readonly number[];
  readonly pceSvn?: number;
  readonly status: string;
  readonly advisories?: readonly string[];
}): object {
  const { sgx, tdx = [], pceSvn = 13, status, advisories = [] } = options;
  const tdxComponents = levels(0).map((component, at) => ({ svn: tdx.at(at) ?? component.svn }));
  return {
    tcb: { sgxtcbcomponents: levels(sgx), pcesvn: pceSvn, tdxtcbcomponents: tdxComponents },
    tcbDate: '2024-03-13T00:00:00Z',
    tcbStatus: status,
    advisoryIDs: advisories,
  };
}

function toTcbInfo(kind: Kind = 'tdx', changes: Readonly<Record<string, unknown>> = {}): object {
  const module = { mrsigner: '00'.repeat(48), attributes: '00'.repeat(8), attributesMask: 'FF'.repeat(8) };
  const isvLevel = (isvsvn: number, tcbStatus: string) => ({
    tcb: { isvsvn },
    tcbDate: '2024-03-13T00:00:00Z',
    tcbStatus,
  });
  return {
    ...{ id: kind.toUpperCase(), version: 3, issueDate: '2025-06-20T00:00:00Z', nextUpdate: '2025-07-20T00:00:00Z' },
    ...{ fmspc: FMSPC.toUpperCase(), pceId: '0000', tcbType: 0, tcbEvaluationDataNumber: 17 },
    ...(kind === 'tdx'
      ? {
          tdxModule: module,
          tdxModuleIdentities: [
            { id: 'TDX_01', ...module, tcbLevels: [isvLevel(5, 'UpToDate'), isvLevel(2, 'OutOfDate')] },
          ],
        }
      : {}),
    tcbLevels: [
      toTcbLevel({ sgx: 5, tdx: [5, 0, 3], status: 'UpToDate' }),
      toTcbLevel({ sgx: 3, tdx: [5, 0, 3], status: 'SWHardeningNeeded', advisories: ['INTEL-SA-00615'] }),
      toTcbLevel({ sgx: 2, tdx: [3, 0, 1], status: 'OutOfDate', advisories: ['INTEL-SA-00001'] }),
      toTcbLevel({ sgx: 1, status: 'Revoked' }),
    ],
    ...changes,
  };
}

function toQeIdentity(kind: Kind = 'tdx', changes: Readonly<Record<string, unknown>> = {}): object {
  const level = (isvsvn: number, tcbStatus: string, advisoryIDs: readonly string[] = []) => ({
    ...{ tcb: { isvsvn }, tcbDate: '2024-03-13T00:00:00Z', tcbStatus, advisoryIDs },
  });
  return {
    ...{ id: kind === 'tdx' ? 'TD_QE' : 'QE', version: 2 },
    ...{ issueDate: '2025-06-21T00:00:00Z', nextUpdate: '2025-07-21T00:00:00Z', tcbEvaluationDataNumber: 18 },
    ...{ miscselect: '00000000', miscselectMask: 'FFFFFFFF' },
    ...{ attributes: '11000000000000000000000000000000', attributesMask: 'FBFFFFFFFFFFFFFF0000000000000000' },
    ...{ mrsigner: INTEL_QE[kind].mrSigner, isvprodid: kind === 'tdx' ? 2 : 1 },
    tcbLevels: [level(8, 'UpToDate'), level(6, 'OutOfDate', ['INTEL-SA-00002']), level(5, 'Revoked')],
    ...changes,
  };
}

function makeCollateral(
  authorities: { readonly root: Issued; readonly pckCa: Issued; readonly tcbSigner: Issued },
  spec: CollateralSpec,
): DcapCollateral {
  const { root, pckCa } = authorities;
  const { kind = 'tdx', tcbSigner = authorities.tcbSigner } = spec;
  const signText = (value: object) => {
    const text = JSON.stringify(value);
    return { text, signature: signRaw('sha256', utf8(text), tcbSigner.key), chainPem: tcbSigner.pem + root.pem };
  };
  return {
    tcbInfo: signText(toTcbInfo(kind, spec.tcbInfo)),
    qeIdentity: signText(toQeIdentity(kind, spec.qeIdentity)),
    rootCrl: issueCrl({ issuer: root, ...spec.rootCrl }),
    pckCrl: issueCrl({ issuer: pckCa, ...spec.pckCrl }),
    pckChainPem: null,
  };
}

/** The form of a collateral file. */
export function toCollateralFile(collateral: DcapCollateral, pckCa: Issued, root: Issued): object {
  return {
    ...toCollateralMembers(collateral),
    pck_crl_issuer_chain: pckCa.pem + root.pem,
  };
}

/** Those of its members that the collateral itself has. */
export function toCollateralMembers(collateral: DcapCollateral) {
  return {
    root_ca_crl: toHex(collateral.rootCrl),
    pck_crl: toHex(collateral.pckCrl),
    tcb_info_issuer_chain: collateral.tcbInfo.chainPem,
    tcb_info: collateral.tcbInfo.text,
    tcb_info_signature: toHex(collateral.tcbInfo.signature),
    qe_identity_issuer_chain: collateral.qeIdentity.chainPem,
    qe_identity: collateral.qeIdentity.text,
    qe_identity_signature: toHex(collateral.qeIdentity.signature),
  };
}
