/** A broker for tests: evidence really signed by an authority of our own, a ledger that remembers, a clock that is told. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { verifyEvidence } from '../../src/attest/index.ts';
import {
  type BrokerDecision,
  createBroker,
  createBrokerHandler,
  digestRuntimeData,
  type EvidenceVerifier,
  readBrokerPolicy,
  readPrimaryEvidence,
  readTeeKey,
  type TeeJwk,
} from '../../src/broker/index.ts';
import { toBase64, utf8 } from '../../src/core/bytes.ts';
import type { HttpHandler, HttpRequest, HttpResponse } from '../../src/core/http-handler.ts';
import { createDcapLab } from '../fakes/attest/dcap.ts';
import { createSnpLab, NOW_MS, type ReportOptions, TCB } from '../fakes/attest/snp.ts';
import { testRandom } from '../fakes/ledger-kit.ts';

export const lab = createSnpLab();
export const dcapLab = createDcapLab();
export const DEK = Uint8Array.from({ length: 32 }, (_, at) => 0xd0 ^ at);
export const SEAL_ID = '0197c000-0000-7000-8000-000000000001';
export const RESOURCE = 'models/key/resnet';
const LEVELS = { bootloader: TCB.bootloader, tee: TCB.tee, snp: TCB.snp, microcode: TCB.microcode };

/** Two resources: one for SEV-SNP and TDX machines, one for a measurement that no machine here has. */
export const POLICY = {
  type: 'modelward/broker-policy/v1',
  name: 'test',
  policies: {
    vm: {
      type: 'modelward/attestation-policy/v1',
      name: 'vm',
      accept: {
        snp: { measurements: ['aa'.repeat(48)], minimumTcb: { Milan: LEVELS } },
        tdx: { mrTds: ['d7'.repeat(48)] },
      },
    },
    other: {
      type: 'modelward/attestation-policy/v1',
      name: 'other',
      accept: { snp: { measurements: ['bb'.repeat(48)], minimumTcb: { Milan: LEVELS } } },
    },
  },
  resources: [
    { resource: RESOURCE, sealId: SEAL_ID, policy: 'vm' },
    { resource: 'models/key/secret', sealId: SEAL_ID.replace(/1$/, '2'), policy: 'other' },
  ],
};

/** Believes the labs' authorities, as the real one believes the vendors'. */
export const labVerifier: EvidenceVerifier = {
  verify: ({ primaryEvidence, tee, nowMs }) => {
    const collateral = {
      certificates: [],
      crls: [],
      dcap: dcapLab.makeCollateral({ kind: tee === 'sgx' ? 'sgx' : 'tdx' }),
    };
    const evidence = readPrimaryEvidence(primaryEvidence, tee, collateral);
    return verifyEvidence(evidence, { nowMs, anchors: { snp: lab.trust, intel: dcapLab.root } });
  },
};

export interface Guest {
  readonly jwk: TeeJwk;
  readonly privateKey: KeyObject;
}

export function makeGuest(namedCurve = 'P-256'): Guest {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve });
  return { jwk: readTeeKey({ ...publicKey.export({ format: 'jwk' }), alg: 'ECDH-ES+A256KW' }).jwk, privateKey };
}

export function makeRsaGuest(modulusLength = 2048): Guest {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength });
  return { jwk: readTeeKey({ ...publicKey.export({ format: 'jwk' }), alg: 'RSA-OAEP-256' }).jwk, privateKey };
}

/** `primary_evidence` of a SEV-SNP guest. */
export function toSnpEvidence(reportData: Uint8Array, options: ReportOptions = {}): object {
  const report = lab.makeReport({ ...options, reportData });
  const [certificates, crls] = [[lab.vcek.der], lab.makeCrls()].map((list) => list.map(toBase64));
  return { type: 'modelward/attestation-evidence/v1', kind: 'snp', report: toBase64(report), certificates, crls };
}

/** As Trustee's TDX attester sends it. */
export function toTdxEvidence(reportData: Uint8Array): object {
  return { cc_eventlog: null, quote: toBase64(dcapLab.makeQuote({ kind: 'tdx', reportData })) };
}

export interface Exchange {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly headers: Readonly<Record<string, string>>;
  /** Error code in `type`. */
  readonly code: string;
}

export interface TestBroker {
  readonly handler: HttpHandler;
  readonly decisions: BrokerDecision[];
  readonly counted: string[];
  readonly troubles: unknown[];
  /** Keys as they were taken, to see that they are wiped. */
  readonly taken: Uint8Array[];
  advance(ms: number): void;
  send(request: Partial<Omit<HttpRequest, 'body'>> & { readonly body?: unknown }): Promise<Exchange>;
  auth(tee?: string, address?: string): Promise<{ cookie: string; nonce: string }>;
  attest(cookie: string, nonce: string, guest: Guest, change?: (answer: AttestBody) => void): Promise<Exchange>;
  get(name: string, headers: Readonly<Record<string, string>>): Promise<Exchange>;
}

export interface AttestBody {
  'runtime-data': { nonce: string; 'tee-pubkey': unknown };
  'tee-evidence': { primary_evidence: unknown; additional_evidence: string };
}

export interface TestBrokerOptions {
  readonly verifier?: EvidenceVerifier;
  readonly policy?: object;
  /** Fails when it is asked to record or count. */
  readonly isLogBroken?: () => boolean;
  readonly takeKey?: () => Promise<Uint8Array>;
  readonly seed?: number;
}

export function makeBroker(options: TestBrokerOptions = {}): TestBroker {
  let nowMs = NOW_MS;
  const [decisions, counted, troubles, taken]: [BrokerDecision[], string[], unknown[], Uint8Array[]] = [[], [], [], []];
  const clock = { nowMs: () => nowMs };
  const log = async <T>(list: T[], row: T): Promise<void> => {
    await Promise.resolve();
    if (options.isLogBroken?.() === true) throw new Error('disk full');
    list.push(row);
  };
  const takeKey = (): Promise<Uint8Array> => {
    const dek = Uint8Array.from(DEK);
    taken.push(dek);
    return Promise.resolve(dek);
  };
  const broker = createBroker({
    policy: readBrokerPolicy(utf8(JSON.stringify(options.policy ?? POLICY))),
    verifier: options.verifier ?? labVerifier,
    keys: { takeKey: options.takeKey ?? takeKey },
    log: { record: (decision) => log(decisions, decision), count: ({ code }) => log(counted, code) },
    ...{ clock, random: testRandom(options.seed ?? 7) },
  });
  const handler = createBrokerHandler({ broker, clock, onTrouble: (error) => troubles.push(error) });
  const send: TestBroker['send'] = async ({ body, ...request }) => {
    const bytes =
      body instanceof Uint8Array ? body : body === undefined ? new Uint8Array() : utf8(JSON.stringify(body));
    const defaults = { method: 'GET', path: '/', query: '', headers: {}, remoteAddress: '192.0.2.1' };
    return toExchange(await handler({ ...defaults, ...request, body: bytes }));
  };
  return {
    ...{ handler, decisions, counted, troubles, taken, send },
    advance: (ms) => {
      nowMs += ms;
    },
    auth: async (tee = 'snp', remoteAddress = '192.0.2.1') => {
      const body = { version: '0.4.0', tee, 'extra-params': '' };
      const opened = await send({ method: 'POST', path: '/kbs/v0/auth', body, remoteAddress });
      return { cookie: opened.headers['set-cookie'].split(';')[0], nonce: String(opened.body.nonce) };
    },
    attest: (cookie, nonce, guest, change) => {
      const reportData = digestRuntimeData({ nonce, teeKey: guest.jwk, additionalEvidence: '' });
      const body: AttestBody = {
        'runtime-data': { nonce, 'tee-pubkey': guest.jwk },
        'tee-evidence': { primary_evidence: toSnpEvidence(reportData), additional_evidence: '' },
      };
      change?.(body);
      return send({ method: 'POST', path: '/kbs/v0/attest', headers: { cookie }, body });
    },
    get: (name, headers) => send({ path: `/kbs/v0/resource/${name}`, headers }),
  };
}

function toExchange({ status, headers, body }: HttpResponse): Exchange {
  const value = JSON.parse(new TextDecoder().decode(body)) as Record<string, unknown>;
  return {
    status,
    headers,
    body: value,
    code: (typeof value.type === 'string' ? value.type : '').replace('urn:modelward:error:', ''),
  };
}

/** A guest that the broker has attested. */
export async function attested(broker: TestBroker): Promise<{ cookie: string; token: string }> {
  const { cookie, nonce } = await broker.auth();
  const { body } = await broker.attest(cookie, nonce, makeGuest());
  return { cookie, token: String(body.token) };
}
