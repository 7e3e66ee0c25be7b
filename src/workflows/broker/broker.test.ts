import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { dcapLab, labVerifier, POLICY, RESOURCE, toSnpEvidence } from '../../../test/broker/kit.ts';
import { makeServerIdentity } from '../../../test/broker/tls.ts';
import { codeOfAsync } from '../../../test/error-code.ts';
import { NOW_MS } from '../../../test/fakes/attest/snp.ts';
import { openBrokerLink } from '../../adapters/broker-link/index.ts';
import { type HttpsServer, openHttpsServer } from '../../adapters/https-server/index.ts';
import type { ReportSource } from '../../attest/ports.ts';
import { type EvidenceVerifier, fetchKey } from '../../broker/index.ts';
import { composeServices } from '../../cli/compose.ts';
import { createCleanups } from '../../cli/ui/interrupt.ts';
import { BROKER_LIMITS } from '../../core/limits/broker.ts';
import { silentProgress } from '../../core/ports.ts';
import { openBufferSource } from '../../source/index.ts';
import { sealInto } from '../seal-model.ts';
import type { Services } from '../services.ts';
import { openSession, type Session } from '../session.ts';
import { fetchSealKey, type HomeBroker, listReleases, openBrokerWith, openHomeBroker, openReleased } from './index.ts';

const identity = makeServerIdentity();
const PLAIN = Uint8Array.from({ length: 5000 }, (_, at) => at % 251);
const OTHER = 'models/key/secret';

let work: string;
let services: Services;
let session: Session;
let broker: HomeBroker;
let server: HttpsServer;
let troubles: string[];
let sealId: string;
let nowMs: number;

beforeEach(async () => {
  work = mkdtempSync(join(tmpdir(), 'modelward-broker-'));
  nowMs = NOW_MS;
  troubles = [];
  const composed = composeServices({
    home: join(work, 'home'),
    progress: silentProgress,
    cleanups: createCleanups(),
  });
  services = { ...composed, clock: { nowMs: () => nowMs } };
  session = openSession(services, 'acme');
  sealId = await seal();
  const rows = [
    { resource: RESOURCE, sealId, policy: 'vm' },
    { resource: OTHER, sealId, policy: 'other' },
  ];
  writeFileSync(join(work, 'policy.json'), JSON.stringify({ ...POLICY, resources: rows }));
  await serve(labVerifier);
});
afterEach(async () => {
  await server.close();
  await broker.close();
  session.close();
  rmSync(work, { recursive: true, force: true });
});

/** Seals a file into `model.seal`, the envelope in the home. */
async function seal(): Promise<string> {
  const { writer, actor } = session.recorder;
  const keys = await services.openKeys({ uri: null, create: true, apartFrom: null, ledger: writer, actor });
  const chunks: Uint8Array[] = [];
  const sink = { write: (chunk: Uint8Array) => void chunks.push(chunk.slice()) };
  const files = [{ name: 'weights.bin', source: openBufferSource('weights.bin', PLAIN) }];
  const record = await sealInto(services, { files, modelName: 'resnet', format: 'bin', keys, sink });
  writeFileSync(join(work, 'model.seal'), Buffer.concat(chunks));
  return record.seal.header.sealId;
}

async function serve(verifier: EvidenceVerifier): Promise<void> {
  const setup = {
    policyPath: join(work, 'policy.json'),
    keyUri: null,
    onTrouble: (code: string) => void troubles.push(code),
  };
  broker = await openBrokerWith(services, session, setup, verifier);
  await listen();
}

async function listen(): Promise<void> {
  const { handler } = broker;
  const onTrouble = (error: unknown): void => void troubles.push(String(error));
  server = await openHttpsServer({
    host: '127.0.0.1',
    port: 0,
    ...identity,
    limits: BROKER_LIMITS,
    handler,
    onTrouble,
  });
}

const toLink = (caPem: Uint8Array = identity.caPem) =>
  openBrokerLink({ url: `https://127.0.0.1:${server.port}`, caPem });

/** The kernel of a TDX guest, as far as configfs-tsm shows it. */
const tdxGuest: ReportSource = {
  collect: ({ reportData }) => {
    const padded = new Uint8Array(64);
    padded.set(reportData);
    const outblob = dcapLab.makeQuote({ kind: 'tdx', reportData: padded });
    return { provider: 'tdx_guest', outblob, auxblob: new Uint8Array() };
  },
};

describe('a broker on this machine', () => {
  test('a guest proves itself over TLS and opens the sealed model; the ledger has intent, use and release in order', async () => {
    const out = join(work, 'plain');
    const path = join(work, 'model.seal');
    const before = session.recorder.reader().head.size;
    const at = { link: toLink(), source: tdxGuest, tee: 'tdx' as const, resource: RESOURCE };
    const opened = await openReleased(services, { ...at, path, out, force: false });
    expect(opened.sealId).toBe(sealId);
    expect(new Uint8Array(readFileSync(join(out, 'weights.bin')))).toEqual(PLAIN);
    const entries = [...session.recorder.reader().entries(before)];
    expect(entries.map(({ type }) => type)).toEqual(['key-use-intent', 'key-use-outcome', 'key-release']);
    expect(entries[2]).toMatchObject({
      ...{ subject: RESOURCE, digests: { policy: broker.policy.digestHex } },
      detail: { outcome: 'released', tee: 'tdx', sealId },
    });
    expect(listReleases(session)).toMatchObject([{ resource: RESOURCE, outcome: 'released', codes: [], tee: 'tdx' }]);
    expect(troubles).toEqual([]);
  });

  test('guests that ask at the same time each get the key, and each release is on record', async () => {
    const ask = () => fetchSealKey({ link: toLink(), source: tdxGuest, tee: 'tdx', resource: RESOURCE });
    const keys = await Promise.all(Array.from({ length: 12 }, ask));
    expect(new Set(keys.map((key) => Buffer.from(key).toString('hex'))).size).toBe(1);
    expect(listReleases(session).map(({ outcome }) => outcome)).toEqual(Array(12).fill('released'));
    expect(new Set(listReleases(session).map(({ recipient }) => recipient)).size).toBe(12);
  });

  test('a key that is that of another seal opens nothing, and leaves no folder', async () => {
    await seal();
    const at = { link: toLink(), source: tdxGuest, tee: 'tdx' as const, resource: RESOURCE };
    const out = join(work, 'plain');
    const opened = openReleased(services, { ...at, path: join(work, 'model.seal'), out, force: false });
    expect(await codeOfAsync(opened)).toMatch(/^SEAL_/);
    expect(existsSync(out)).toBe(false);
  });

  test('a refusal by policy reaches the guest as a code, and the ledger with its reasons', async () => {
    const refused = fetchSealKey({ link: toLink(), source: tdxGuest, tee: 'tdx', resource: OTHER });
    await expect(refused).rejects.toMatchObject({
      code: 'BROKER_REFUSED',
      fields: { status: 403, type: 'urn:modelward:error:BROKER_POLICY_DENIED' },
    });
    expect(listReleases(session)).toMatchObject([
      { resource: OTHER, outcome: 'refused', codes: ['BROKER_POLICY_DENIED', 'ATTEST_POLICY_KIND'] },
    ]);
  });

  test('evidence that is not bound is counted in the ledger, and no key was asked for', async () => {
    const before = session.recorder.reader().head.size;
    const evidence = { tee: 'snp' as const, collect: () => toSnpEvidence(new Uint8Array(48)) };
    expect(await codeOfAsync(fetchKey({ link: toLink(), evidence, resource: RESOURCE }))).toBe('BROKER_REFUSED');
    nowMs += 60_000;
    // The minute is written when it is over, with the next entry.
    expect(await codeOfAsync(fetchSealKey({ link: toLink(), source: tdxGuest, tee: 'tdx', resource: OTHER }))).toBe(
      'BROKER_REFUSED',
    );
    const entries = [...session.recorder.reader().entries(before)];
    const refusal = entries.find(({ type }) => type === 'refusal');
    expect(refusal).toMatchObject({
      subject: `broker policy ${broker.policy.digestHex}`,
      detail: { cause: 'BROKER_BINDING', count: 1 },
    });
    expect(entries.some(({ type }) => type === 'key-use-intent')).toBe(false);
  });

  test('an envelope that is gone is an outage for the guest, a code for the operator, an entry for both', async () => {
    rmSync(join(services.home.envelopesFolder, `${sealId}.keys.json`));
    const refused = fetchSealKey({ link: toLink(), source: tdxGuest, tee: 'tdx', resource: RESOURCE });
    await expect(refused).rejects.toMatchObject({ code: 'BROKER_REFUSED', fields: { status: 503 } });
    expect(troubles).toEqual(['ENVELOPE_NOT_FOUND']);
    expect(listReleases(session)).toMatchObject([{ outcome: 'refused', codes: ['BROKER_RELEASE_FAILED'] }]);
  });

  test('the envelope of another seal under the name of this one gives nothing', async () => {
    const other = await seal();
    const toPath = (id: string) => join(services.home.envelopesFolder, `${id}.keys.json`);
    writeFileSync(toPath(sealId), readFileSync(toPath(other)));
    expect(await codeOfAsync(fetchSealKey({ link: toLink(), source: tdxGuest, tee: 'tdx', resource: RESOURCE }))).toBe(
      'BROKER_REFUSED',
    );
    expect(troubles).toEqual(['ENVELOPE_MISMATCH']);
  });

  test('the verifier that is served believes the vendors alone: really signed evidence of another root is refused', async () => {
    await Promise.all([server.close(), broker.close()]);
    const onTrouble = (code: string): void => void troubles.push(code);
    const setup = { policyPath: join(work, 'policy.json'), keyUri: null, collateralPaths: [], onTrouble };
    broker = await openHomeBroker(services, session, setup);
    await listen();
    const evidence = { tee: 'snp' as const, collect: (reportData: Uint8Array) => toSnpEvidence(reportData) };
    await expect(fetchKey({ link: toLink(), evidence, resource: RESOURCE })).rejects.toMatchObject({
      fields: { status: 401, type: expect.stringMatching(/ATTEST_/) as string },
    });
    expect(listReleases(session)).toEqual([]);
  });
});

describe('the way to a broker', () => {
  test('a certificate under another authority ends it before anything is sent', async () => {
    const link = toLink(makeServerIdentity().caPem);
    expect(await codeOfAsync(fetchSealKey({ link, source: tdxGuest, tee: 'tdx', resource: RESOURCE }))).toBe(
      'BROKER_UNREACHABLE',
    );
  });

  test.each([
    'http://127.0.0.1:1',
    'https://user:pass@host',
    'https://host/path',
    'https://host?x',
    'ftp://host',
    '',
  ])('the address %j is refused', (url) => {
    expect(() => openBrokerLink({ url })).toThrow(expect.objectContaining({ code: 'BROKER_UNREACHABLE' }) as Error);
  });

  test('a machine of another kind than was said sends nothing', async () => {
    expect(await codeOfAsync(fetchSealKey({ link: toLink(), source: tdxGuest, tee: 'snp', resource: RESOURCE }))).toBe(
      'ATTEST_EVIDENCE_UNKNOWN',
    );
  });

  const answers: readonly [string, number, Record<string, string>, string, string][] = [
    ['a redirect', 302, { location: 'https://127.0.0.1:1/' }, '', 'BROKER_UNREACHABLE'],
    ['no JSON', 200, {}, '<html>', 'BROKER_ANSWER_MALFORMED'],
    ['no cookie', 200, {}, '{"nonce":"AAAA","extra-params":""}', 'BROKER_ANSWER_MALFORMED'],
    ['too much', 200, {}, 'x'.repeat(BROKER_LIMITS.answerBytesMax + 1), 'BROKER_UNREACHABLE'],
  ];
  test.each(answers)('a server that answers with %s', async (_name, status, headers, body, code) => {
    const fake: Server = createServer(
      { cert: Buffer.from(identity.certificatePem), key: Buffer.from(identity.privateKeyPem) },
      (_request, response) => {
        response.writeHead(status, headers).end(body);
      },
    );
    await new Promise<void>((done) => fake.listen(0, '127.0.0.1', done));
    const link = openBrokerLink({
      url: `https://127.0.0.1:${(fake.address() as AddressInfo).port}`,
      caPem: identity.caPem,
    });
    expect(await codeOfAsync(fetchSealKey({ link, source: tdxGuest, tee: 'tdx', resource: RESOURCE }))).toBe(code);
    await new Promise((done) => fake.close(done));
  });
});
