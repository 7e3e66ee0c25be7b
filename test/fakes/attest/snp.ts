/** A SEV-SNP processor for tests: its reports are really signed, under authorities named like AMD's. */
import { utf8 } from '../../../src/core/bytes.ts';
import { type SnpTrust } from '../../../src/attest/snp/trust.ts';
import type { SnpEvidence } from '../../../src/attest/snp/verify.ts';
import { readCertificate } from '../../../src/attest/x509/certificate.ts';
import {
  type CertificateSpec,
  encodeDer,
  type ExtensionSpec,
  type Issued,
  issue,
  issueCrl,
  makeP384,
  type KeyPair,
  signRaw,
  TAG,
  toInteger,
} from './x509.ts';

const BASE = '1.3.6.1.4.1.3704.1';
export type Product = 'Milan' | 'Genoa' | 'Turin';
export const CHIP = Uint8Array.from({ length: 64 }, (_, at) => at + 1);
export const TCB = { bootloader: 4, tee: 0, snp: 24, microcode: 219, fmc: 2 };
export const NOW_MS = Date.parse('2025-07-01T00:00:00Z');

const OFFSETS: Readonly<Record<Product, Readonly<Record<string, number>>>> = {
  Milan: { bootloader: 0, tee: 1, snp: 6, microcode: 7 },
  Genoa: { bootloader: 0, tee: 1, snp: 6, microcode: 7 },
  Turin: { fmc: 0, bootloader: 1, tee: 2, snp: 3, microcode: 7 },
};

function toTcbBytes(product: Product, levels: Partial<typeof TCB> = {}): Uint8Array {
  const bytes = new Uint8Array(8);
  for (const [name, at] of Object.entries(OFFSETS[product]))
    bytes[at] = { ...TCB, ...levels }[name as keyof typeof TCB];
  return bytes;
}

const ia5 = (text: string) => encodeDer(TAG.ia5, utf8(text));

/** The extensions of a VCEK (chip) or VLEK (provider). */
export function toKeyExtensions(options: {
  readonly product: Product;
  readonly levels?: Partial<typeof TCB>;
  readonly chip?: Uint8Array | null;
  readonly csp?: string | null;
  readonly productName?: string;
}): ExtensionSpec[] {
  const { product, levels = {}, chip = product === 'Turin' ? CHIP.subarray(0, 8) : CHIP, csp = null } = options;
  const all = { ...TCB, ...levels };
  const spl = { bootloader: 1, tee: 2, snp: 3, microcode: 8, fmc: 9 } as const;
  const names = Object.keys(OFFSETS[product]) as (keyof typeof spl)[];
  return [
    { oid: `${BASE}.1`, value: toInteger(product === 'Turin' ? 1 : 0) },
    { oid: `${BASE}.2`, value: ia5(options.productName ?? (csp === null ? `${product}-B0` : product)) },
    ...names.map((name) => ({ oid: `${BASE}.3.${spl[name]}`, value: toInteger(all[name]) })),
    ...(chip === null ? [] : [{ oid: `${BASE}.4`, value: chip }]),
    ...(csp === null ? [] : [{ oid: `${BASE}.5`, value: ia5(csp) }]),
  ];
}

export interface SnpLab {
  readonly product: Product;
  readonly ark: Issued;
  readonly ask: Issued;
  readonly asvk: Issued;
  readonly trust: readonly SnpTrust[];
  /** Issues the certificate of a signing key; VCEK unless told otherwise. */
  issueKey(spec?: Partial<CertificateSpec> & { readonly kind?: 'vcek' | 'vlek' }): Issued;
  readonly vcek: Issued;
  readonly vlek: Issued;
  makeReport(options?: ReportOptions): Uint8Array;
  makeCrls(options?: { readonly revoked?: readonly number[]; readonly nextUpdate?: string }): Uint8Array[];
  toEvidence(report: Uint8Array, ...certificates: readonly Issued[]): SnpEvidence;
}

export interface ReportOptions {
  readonly signer?: Issued;
  readonly version?: number;
  readonly signingKey?: number;
  readonly policy?: bigint;
  readonly vmpl?: number;
  readonly levels?: Partial<typeof TCB>;
  readonly currentLevels?: Partial<typeof TCB>;
  readonly chip?: Uint8Array;
  readonly reportData?: Uint8Array;
  readonly measurement?: Uint8Array;
  readonly cpu?: readonly [number, number];
  /** Changes the report before it is signed. */
  readonly edit?: (report: Uint8Array, view: DataView) => void;
}

const CPU: Readonly<Record<Product, readonly [number, number]>> = {
  Milan: [0x19, 1],
  Genoa: [0x19, 0x11],
  Turin: [0x1a, 2],
};

/** @param makeKey of the authorities: AMD's are RSA, elliptic ones are made faster */
export function createSnpLab(product: Product = 'Milan', makeKey: () => KeyPair = makeP384): SnpLab {
  const ark = issue({ commonName: `ARK-${product}`, key: makeKey(), isAuthority: true });
  const ask = issue({
    commonName: `SEV-${product}`,
    key: makeKey(),
    issuer: ark,
    isAuthority: true,
    pathLength: 0,
    serial: 2,
  });
  const asvk = issue({
    commonName: `SEV-VLEK-${product}`,
    key: makeKey(),
    issuer: ark,
    isAuthority: true,
    pathLength: 0,
    serial: 3,
  });
  const issueKey: SnpLab['issueKey'] = ({ kind = 'vcek', ...spec } = {}) => {
    const csp = kind === 'vlek' ? 'CN=cc.example.com' : null;
    return issue({
      commonName: `SEV-${kind.toUpperCase()}`,
      key: makeP384(),
      issuer: kind === 'vlek' ? asvk : ask,
      serial: 10,
      extensions: toKeyExtensions({ product, csp, ...(csp === null ? {} : { chip: null }) }),
      ...spec,
    });
  };
  const vcek = issueKey();
  const authorities = [ask, asvk].map(({ der }) => readCertificate(der));
  return {
    ...{ product, ark, ask, asvk, vcek, issueKey },
    vlek: issueKey({ kind: 'vlek' }),
    trust: [{ product, ark: readCertificate(ark.der), authorities }],
    makeReport: (options = {}) => makeReport(product, { signer: vcek, ...options }),
    makeCrls: ({ revoked = [], nextUpdate } = {}) =>
      [ark, ask, asvk].map((issuer) =>
        issueCrl({ issuer, revoked, ...(nextUpdate === undefined ? {} : { nextUpdate }) }),
      ),
    toEvidence: (report, ...certificates) => ({
      kind: 'snp',
      report,
      certificates: (certificates.length === 0 ? [vcek] : certificates).map(({ der }) => der),
      crls: [],
    }),
  };
}

function makeReport(product: Product, options: ReportOptions & { readonly signer: Issued }): Uint8Array {
  const {
    version = 3,
    signingKey = 0,
    policy = 0x3_0000n,
    vmpl = 0,
    levels,
    currentLevels = levels,
    cpu = CPU[product],
  } = options;
  const report = new Uint8Array(0x4a0);
  const view = new DataView(report.buffer);
  view.setUint32(0x00, version, true);
  view.setBigUint64(0x08, policy, true);
  view.setUint32(0x30, vmpl, true);
  view.setUint32(0x34, 1, true);
  report.set(toTcbBytes(product, currentLevels), 0x38);
  view.setUint32(0x48, signingKey << 2, true);
  report.set(options.reportData ?? new Uint8Array(), 0x50);
  report.set(options.measurement ?? new Uint8Array(48).fill(0xaa), 0x90);
  report.set(toTcbBytes(product, levels), 0x180);
  if (version >= 3) report.set(cpu, 0x188);
  report.set(options.chip ?? (product === 'Turin' ? CHIP.subarray(0, 8) : CHIP), 0x1a0);
  report.set(toTcbBytes(product, levels), 0x1e0);
  options.edit?.(report, view);
  const signature = signRaw('sha384', report.subarray(0, 0x2a0), options.signer.key);
  report.set(signature.subarray(0, 48).toReversed(), 0x2a0);
  report.set(signature.subarray(48).toReversed(), 0x2a0 + 72);
  return report;
}
