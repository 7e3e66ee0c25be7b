import { createHmac } from 'node:crypto';
import { FlattenedEncrypt, SignJWT } from 'jose';
import { beforeEach, describe, expect, test } from 'vitest';
import {
  type AttestBody,
  DEK,
  dcapLab,
  lab,
  labVerifier,
  makeBroker,
  makeGuest,
  makeRsaGuest,
  POLICY,
  RESOURCE,
  type TestBroker,
  toSnpEvidence,
  toTdxEvidence,
} from '../../test/broker/kit.ts';
import { codeOf } from '../../test/error-code.ts';
import { flip } from '../../test/fakes/attest/x509.ts';
import { toBase64, utf8 } from '../core/bytes.ts';
import { ERRORS, SealError } from '../core/errors.ts';
import { brokerErrors } from '../core/errors/broker.ts';
import { BROKER_LIMITS } from '../core/limits/broker.ts';
import { decryptJwe, digestRuntimeData, readBrokerPolicy, TEES } from './index.ts';

let broker: TestBroker;
beforeEach(() => {
  broker = makeBroker();
});

const AUTH = '/kbs/v0/auth';
const ATTEST = '/kbs/v0/attest';

/** Everything that a client can do wrong ends in a code, an entry, and no key. */
function expectRefused(exchange: { status: number; code: string; body: object }, status: number, code: string): void {
  expect([exchange.status, exchange.code]).toEqual([status, code]);
  expect(Object.keys(exchange.body)).toEqual(['type', 'detail']);
  expect([...broker.counted, ...broker.decisions.map((row) => row.code)]).toContain(code);
  expect(broker.taken).toEqual([]);
}

async function attested(): Promise<{ cookie: string; token: string }> {
  const { cookie, nonce } = await broker.auth();
  const { body } = await broker.attest(cookie, nonce, makeGuest());
  return { cookie, token: String(body.token) };
}

describe('auth refuses', () => {
  test.each<[string, unknown, string]>([
    ['bytes that are no JSON', utf8('{"version":'), 'BROKER_REQUEST_MALFORMED'],
    ['text that is no UTF-8', Uint8Array.of(0x22, 0xff, 0x22), 'BROKER_REQUEST_MALFORMED'],
    ['JSON of another kind', [1, 2], 'BROKER_REQUEST_MALFORMED'],
    ['an empty body', new Uint8Array(), 'BROKER_REQUEST_MALFORMED'],
    ['nesting without end', utf8('['.repeat(500_000)), 'BROKER_REQUEST_MALFORMED'],
    ['a kind that is no text', { version: '0.4.0', tee: 7 }, 'BROKER_REQUEST_MALFORMED'],
    ['an older protocol', { version: '0.1.1', tee: 'snp' }, 'BROKER_VERSION'],
    ['a newer protocol', { version: '0.5.0', tee: 'snp' }, 'BROKER_VERSION'],
    ['a machine without hardware', { version: '0.4.0', tee: 'sample' }, 'BROKER_TEE_UNSUPPORTED'],
    ['hardware that is not verified', { version: '0.4.0', tee: 'az-snp-vtpm' }, 'BROKER_TEE_UNSUPPORTED'],
    ['a name of the prototype', { version: '0.4.0', tee: '__proto__' }, 'BROKER_TEE_UNSUPPORTED'],
  ])('%s', async (_name, body, code) => {
    expectRefused(await broker.send({ method: 'POST', path: AUTH, body }), 401, code);
  });

  test('a body above the cap', async () => {
    const body = new Uint8Array(BROKER_LIMITS.bodyBytesMax + 1);
    expectRefused(await broker.send({ method: 'POST', path: AUTH, body }), 413, 'BROKER_BODY_TOO_LARGE');
  });
});

describe('attest refuses', () => {
  const answer = async (change: (body: AttestBody, nonce: string) => void, tee = 'snp', guest = makeGuest()) => {
    const { cookie, nonce } = await broker.auth(tee);
    const exchange = await broker.attest(cookie, nonce, guest, (body) => {
      change(body, nonce);
    });
    // Whatever was wrong: the session has no key, and the challenge is spent.
    expectRefused(await broker.get(RESOURCE, { cookie }), 401, 'BROKER_NOT_ATTESTED');
    return exchange;
  };
  const bound = (nonce: string, jwk = makeGuest().jwk) =>
    digestRuntimeData({ nonce, teeKey: jwk, additionalEvidence: '' });

  test('an answer without a session', async () => {
    expectRefused(await broker.send({ method: 'POST', path: ATTEST, body: {} }), 401, 'BROKER_SESSION_MISSING');
  });

  test('a session that never was', async () => {
    const cookie = `kbs-session-id=${'ab'.repeat(32)}`;
    const sent = await broker.send({ method: 'POST', path: ATTEST, headers: { cookie }, body: {} });
    expectRefused(sent, 401, 'BROKER_SESSION_UNKNOWN');
  });

  test('two cookies of the name: which one is meant cannot be told', async () => {
    const { cookie } = await attested();
    const sent = await broker.get(RESOURCE, { cookie: `${cookie}; kbs-session-id=${'ab'.repeat(32)}` });
    expectRefused(sent, 401, 'BROKER_SESSION_MISSING');
  });

  test('another nonce than that of the session', async () => {
    const { nonce: foreign } = await broker.auth();
    const guest = makeGuest();
    const sent = await answer(
      (body) => {
        body['runtime-data'].nonce = foreign;
        body['tee-evidence'].primary_evidence = toSnpEvidence(bound(foreign, guest.jwk));
      },
      'snp',
      guest,
    );
    expectRefused(sent, 401, 'BROKER_NONCE_MISMATCH');
  });

  test('a second answer, be it right, and be the first one wrong', async () => {
    const guest = makeGuest();
    const { cookie, nonce } = await broker.auth();
    await broker.attest(cookie, nonce, guest, (body) => {
      body['tee-evidence'].primary_evidence = toSnpEvidence(new Uint8Array(48));
    });
    expectRefused(await broker.attest(cookie, nonce, guest), 401, 'BROKER_NONCE_REUSED');
    const again = await broker.auth();
    expect((await broker.attest(again.cookie, again.nonce, guest)).status).toBe(200);
    expect((await broker.attest(again.cookie, again.nonce, guest)).code).toBe('BROKER_NONCE_REUSED');
  });

  test('two answers at the same time: one is taken', async () => {
    const guest = makeGuest();
    const { cookie, nonce } = await broker.auth();
    const both = await Promise.all([1, 2].map(() => broker.attest(cookie, nonce, guest)));
    expect(both.map(({ status }) => status)).toEqual([200, 401]);
  });

  test('an answer after the session ended', async () => {
    const { cookie, nonce } = await broker.auth();
    broker.advance(BROKER_LIMITS.sessionLifeMs);
    expectRefused(await broker.attest(cookie, nonce, makeGuest()), 401, 'BROKER_SESSION_UNKNOWN');
  });

  test('another key than the evidence is bound to', async () => {
    const sent = await answer((body) => {
      body['runtime-data']['tee-pubkey'] = makeGuest().jwk;
    });
    expectRefused(sent, 401, 'BROKER_BINDING');
  });

  test('evidence of an earlier challenge with the same key', async () => {
    const guest = makeGuest();
    const old = await broker.auth();
    const replayed = toSnpEvidence(bound(old.nonce, guest.jwk));
    const sent = await answer(
      (body) => {
        body['tee-evidence'].primary_evidence = replayed;
      },
      'snp',
      guest,
    );
    expectRefused(sent, 401, 'BROKER_BINDING');
  });

  test('evidence of a machine of another kind', async () => {
    const sent = await answer((body, nonce) => {
      body['tee-evidence'].primary_evidence = toTdxEvidence(bound(nonce));
    });
    expectRefused(sent, 401, 'BROKER_TEE_MISMATCH');
  });

  test('an SGX quote in a session for TDX', async () => {
    const guest = makeGuest();
    const sent = await answer(
      (body, nonce) => {
        const quote = dcapLab.makeQuote({ kind: 'sgx', reportData: bound(nonce, guest.jwk) });
        body['tee-evidence'].primary_evidence = { quote: toBase64(quote) };
      },
      'tdx',
      guest,
    );
    expect(sent.status).toBe(401);
    expect(['BROKER_TEE_MISMATCH', 'ATTEST_COLLATERAL_MISMATCH']).toContain(sent.code);
  });

  test('a report with one bit turned over', async () => {
    const guest = makeGuest();
    const sent = await answer(
      (body, nonce) => {
        const report = flip(lab.makeReport({ reportData: bound(nonce, guest.jwk) }), 0x90);
        const evidence = { ...toSnpEvidence(new Uint8Array(48)), report: toBase64(report) };
        body['tee-evidence'].primary_evidence = evidence;
      },
      'snp',
      guest,
    );
    expectRefused(sent, 401, 'ATTEST_SIGNATURE_INVALID');
  });

  test.each<[string, unknown]>([
    ['a number', 7],
    ['null', null],
    ['an empty object', {}],
    ['text that is no JSON', '{"quote"'],
    ['a quote that is no base64', { quote: '%%%' }],
    ['what test machines without hardware send', { svn: '1', report_data: 'AAAA' }],
  ])('evidence that is %s', async (_name, value) => {
    const sent = await answer((body) => {
      body['tee-evidence'].primary_evidence = value;
    });
    expectRefused(sent, 401, 'BROKER_EVIDENCE_UNSUPPORTED');
  });

  test('evidence of further devices, which nobody here would verify', async () => {
    const { cookie, nonce } = await broker.auth();
    const sent = await broker.attest(cookie, nonce, makeGuest(), (body) => {
      body['tee-evidence'].additional_evidence = '{"nvidia":{}}';
    });
    expectRefused(sent, 401, 'BROKER_EVIDENCE_UNSUPPORTED');
  });

  const { jwk: ec } = makeGuest();
  const { jwk: rsa } = makeRsaGuest();
  test.each<[string, unknown]>([
    ['nothing', null],
    ['a private key', { ...ec, d: 'AAAA' }],
    ['a point beside the curve', { ...ec, x: 'A'.repeat(43) }],
    ['a coordinate of another length', { ...ec, x: 'AAAA' }],
    ['another curve', { ...ec, crv: 'secp256k1' }],
    ['an algorithm without key agreement', { ...ec, alg: 'dir' }],
    ['a symmetric key', { kty: 'oct', k: 'AAAA', alg: 'A256KW' }],
    ['RSA1_5', { ...rsa, alg: 'RSA1_5' }],
    [
      'a short RSA key',
      { kty: 'RSA', alg: 'RSA-OAEP-256', e: 'AQAB', n: Buffer.alloc(128, 0xff).toString('base64url') },
    ],
    [
      'a long RSA key',
      { kty: 'RSA', alg: 'RSA-OAEP-256', e: 'AQAB', n: Buffer.alloc(1200, 0xff).toString('base64url') },
    ],
    [
      'RSA with leading zeros in place of bits',
      {
        kty: 'RSA',
        alg: 'RSA-OAEP-256',
        e: 'AQAB',
        n: Buffer.concat([Buffer.alloc(200), Buffer.alloc(100, 0xff)]).toString('base64url'),
      },
    ],
    ['an exponent of one', { ...rsa, e: 'AQ' }],
  ])('as key %s', async (_name, jwk) => {
    const sent = await answer((body) => {
      body['runtime-data']['tee-pubkey'] = jwk;
    });
    expectRefused(sent, 401, 'BROKER_KEY_REFUSED');
  });

  test('an authentic machine that no policy accepts: no token, and the reasons on record', async () => {
    const guest = makeGuest();
    const sent = await answer(
      (body, nonce) => {
        const measurement = new Uint8Array(48).fill(0xcc);
        body['tee-evidence'].primary_evidence = toSnpEvidence(bound(nonce, guest.jwk), {
          measurement,
          policy: 0xb_0000n,
        });
      },
      'snp',
      guest,
    );
    expectRefused(sent, 403, 'BROKER_POLICY_DENIED');
    expect(broker.decisions[0]).toMatchObject({ outcome: 'refused', resource: null });
    expect(broker.decisions[0].reasons.toSorted()).toEqual(['ATTEST_POLICY_DEBUG', 'ATTEST_POLICY_MEASUREMENT']);
    expect(JSON.stringify(sent.body)).not.toContain('MEASUREMENT');
  });
});

describe('a resource is refused', () => {
  test('without a session, whether there is one of the name or not', async () => {
    expectRefused(await broker.get(RESOURCE, {}), 401, 'BROKER_SESSION_MISSING');
    expect((await broker.get('models/key/none', {})).code).toBe('BROKER_SESSION_MISSING');
  });

  test('to a machine that its policy does not accept', async () => {
    const { cookie } = await attested();
    expectRefused(await broker.get('models/key/secret', { cookie }), 403, 'BROKER_POLICY_DENIED');
    expect(broker.decisions[0]).toMatchObject({
      ...{ outcome: 'refused', resource: 'models/key/secret', reasons: ['ATTEST_POLICY_MEASUREMENT'] },
    });
  });

  test.each([
    'models/key/none',
    'models/key',
    'models/key/resnet/',
    'models/key/resnet/x',
    'models/key/../key/resnet',
    './models/key/resnet',
    'models//key/resnet',
    'models/key/%72esnet',
    'models%2Fkey%2Fresnet',
    'MODELS/key/resnet',
    'models/key/resnet%00',
    '',
    '__proto__/key/resnet',
    'a'.repeat(5000),
  ])('of the name %j', async (name) => {
    const { cookie } = await attested();
    expectRefused(await broker.get(name, { cookie }), 404, 'BROKER_RESOURCE_UNKNOWN');
  });

  test('after the session ended, by cookie and by token', async () => {
    const { cookie, token } = await attested();
    broker.advance(BROKER_LIMITS.sessionLifeMs);
    expectRefused(await broker.get(RESOURCE, { cookie }), 401, 'BROKER_SESSION_UNKNOWN');
    expectRefused(await broker.get(RESOURCE, { authorization: `Bearer ${token}` }), 401, 'BROKER_TOKEN_INVALID');
  });

  test('with the token of another session', async () => {
    const [mine, other] = [await attested(), await attested()];
    const sent = await broker.get(RESOURCE, { cookie: mine.cookie, authorization: `Bearer ${other.token}` });
    expectRefused(sent, 401, 'BROKER_SESSION_MISMATCH');
  });

  test('with a token that was made elsewhere, altered, unsigned, or signed by its own public key', async () => {
    const { token } = await attested();
    const [head, body, signature] = token.split('.');
    const foreign = makeBroker({ seed: 8 });
    const opened = await foreign.auth();
    const theirs = String((await foreign.attest(opened.cookie, opened.nonce, makeGuest())).body.token);
    const none = `${Buffer.from('{"alg":"none","typ":"JWT","kid":""}').toString('base64url')}.${body}.`;
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as Record<string, unknown>;
    const longer = Buffer.from(JSON.stringify({ ...claims, exp: 4e9 })).toString('base64url');
    const kid = (JSON.parse(Buffer.from(head, 'base64url').toString()) as { kid: string }).kid;
    const hs = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT', kid })
      .sign(Buffer.from(kid, 'base64url'));
    const mac = createHmac('sha256', kid).update(`${head}.${body}`).digest('base64url');
    for (const bad of [
      ...[none, theirs],
      `${head}.${longer}.${signature}`,
      hs,
      `${head}.${body}.${mac}`,
      `${head}.${body}`,
      `${token}.`,
      `${token}A`,
    ]) {
      expectRefused(await broker.get(RESOURCE, { authorization: `Bearer ${bad}` }), 401, 'BROKER_TOKEN_INVALID');
    }
    expectRefused(await broker.get(RESOURCE, { authorization: 'Basic AAAA' }), 401, 'BROKER_SESSION_MISSING');
  });

  test('when the key cannot be had: the cause is told to the operator and recorded, not sent', async () => {
    broker = makeBroker({ takeKey: () => Promise.reject(new SealError('KEY_PROVIDER_UNAVAILABLE')) });
    const { cookie } = await attested();
    const sent = await broker.get(RESOURCE, { cookie });
    expectRefused(sent, 503, 'BROKER_RELEASE_FAILED');
    expect(JSON.stringify(sent.body)).not.toContain('KEY_PROVIDER');
    expect(broker.troubles).toHaveLength(1);
  });

  test('when the release cannot be recorded: the key is wiped and not sent', async () => {
    let isLogBroken = false;
    broker = makeBroker({ isLogBroken: () => isLogBroken });
    const { cookie } = await attested();
    isLogBroken = true;
    const sent = await broker.get(RESOURCE, { cookie });
    expect([sent.status, sent.code]).toEqual([503, 'BROKER_RELEASE_FAILED']);
    expect(broker.taken).toEqual([new Uint8Array(32)]);
    expect(broker.decisions).toEqual([]);
  });

  test('when a certificate on the way ended since the machine was attested', async () => {
    let validUntilMs = Number.POSITIVE_INFINITY;
    const verify = (request: Parameters<typeof labVerifier.verify>[0]) => {
      const claims = labVerifier.verify(request);
      validUntilMs = request.nowMs + 60_000;
      return { ...claims, validUntilMs };
    };
    broker = makeBroker({ verifier: { verify } });
    const { cookie } = await attested();
    broker.advance(60_000);
    expectRefused(await broker.get(RESOURCE, { cookie }), 403, 'BROKER_POLICY_DENIED');
  });
});

describe('the broker is bounded', () => {
  test.each([
    ['GET', AUTH],
    ['POST', `/kbs/v0/resource/${RESOURCE}`],
    ['POST', '/kbs/v0/attestation-policy'],
    ['DELETE', ATTEST],
    ['GET', '/'],
    ['POST', '/kbs/v0/auth/'],
    ['POST', '//kbs/v0/auth'],
  ])('%s %s: nothing there', async (method, path) => {
    expectRefused(await broker.send({ method, path, body: {} }), 404, 'BROKER_PATH_UNKNOWN');
  });

  test('an address that asks too often is refused until the minute is over, and costs one entry', async () => {
    const ask = () => broker.send({ method: 'GET', path: '/' });
    for (let n = 0; n < BROKER_LIMITS.requestsPerMinuteMax; n++) await ask();
    const above = [await ask(), await ask(), await ask()];
    expect(above.map(({ status, code }) => [status, code])).toEqual(Array(3).fill([429, 'BROKER_BUSY']));
    expect(broker.counted.filter((code) => code === 'BROKER_BUSY')).toHaveLength(1);
    expect((await broker.send({ method: 'GET', path: '/', remoteAddress: '192.0.2.2' })).status).toBe(404);
    broker.advance(60_000);
    expect((await ask()).status).toBe(404);
  });

  test('an address has so many open sessions, and gets room again when they end', async () => {
    for (let n = 0; n < BROKER_LIMITS.sessionsPerAddressMax; n++) await broker.auth();
    const body = { version: '0.4.0', tee: 'snp' };
    expectRefused(await broker.send({ method: 'POST', path: AUTH, body }), 429, 'BROKER_BUSY');
    await broker.auth('snp', '192.0.2.2');
    broker.advance(BROKER_LIMITS.sessionLifeMs);
    await broker.auth();
  });

  test('addresses below one IPv6 prefix of 64 bits are one: one host cannot fill the table', async () => {
    const toAddress = (n: number): string => `2001:db8::${n.toString(16)}`;
    for (let n = 0; n < BROKER_LIMITS.sessionsPerAddressMax; n++) await broker.auth('snp', toAddress(n));
    const ask = (remoteAddress: string) =>
      broker.send({ method: 'POST', path: AUTH, body: { version: '0.4.0', tee: 'snp' }, remoteAddress });
    expectRefused(await ask('2001:db8::ffff:1:2:3'), 429, 'BROKER_BUSY');
    expect((await ask('2001:db8:0:1::1')).status).toBe(200);
  });

  test('an IPv6 network of 48 bits gets an eighth of the table, however many networks of 64 bits it has', async () => {
    const { sessionsPerNetworkMax, requestsPerMinuteOfNetworkMax, sessionsMax } = BROKER_LIMITS;
    expect(sessionsPerNetworkMax * 8).toBeLessThanOrEqual(sessionsMax);
    for (let n = 0; n < sessionsPerNetworkMax; n++) await broker.auth('snp', `2001:db8:7:${n.toString(16)}::1`);
    const ask = (remoteAddress: string) =>
      broker.send({ method: 'POST', path: AUTH, body: { version: '0.4.0', tee: 'snp' }, remoteAddress });
    expectRefused(await ask('2001:db8:7:ffff::1'), 429, 'BROKER_BUSY');
    expect((await ask('2001:db8:8::1')).status).toBe(200);
    // Requests are counted by network, too: beyond its rate it takes no more places in the table of addresses.
    for (let n = sessionsPerNetworkMax + 1; n < requestsPerMinuteOfNetworkMax; n++) await ask('2001:db8:7:fffe::1');
    const path = (remoteAddress: string) => broker.send({ method: 'GET', path: '/', remoteAddress });
    expect((await path('2001:db8:7:fffd::1')).status).toBe(429);
    expect((await path('2001:db8:8::1')).status).toBe(404);
    broker.advance(BROKER_LIMITS.sessionLifeMs);
    expect((await ask('2001:db8:7:ffff::1')).status).toBe(200);
  });

  test('requests from below one IPv6 prefix, and from both forms of an IPv4 address, share one rate', async () => {
    const ask = async (remoteAddress: string) =>
      (await broker.send({ method: 'GET', path: '/', remoteAddress })).status;
    for (let n = 0; n < BROKER_LIMITS.requestsPerMinuteMax; n++) {
      await ask(`2001:db8::${n.toString(16)}`);
      await ask(n % 2 === 0 ? '203.0.113.5' : '::ffff:203.0.113.5');
    }
    const above = ['2001:db8::ffff', '203.0.113.5', '::ffff:203.0.113.5'];
    expect(await Promise.all(above.map(ask))).toEqual([429, 429, 429]);
    expect(await Promise.all(['2001:db8:0:1::1', '::ffff:203.0.113.6'].map(ask))).toEqual([404, 404]);
  });

  test('a full table refuses, and keeps the sessions that it has', async () => {
    const first = await broker.auth('snp', '198.51.100.0');
    for (let n = 1; n < BROKER_LIMITS.sessionsMax; n++) await broker.auth('snp', `10.0.${n >> 6}.1`);
    const body = { version: '0.4.0', tee: 'snp' };
    const sent = await broker.send({ method: 'POST', path: AUTH, body, remoteAddress: '203.0.113.9' });
    expectRefused(sent, 429, 'BROKER_BUSY');
    expect((await broker.attest(first.cookie, first.nonce, makeGuest())).status).toBe(200);
  });
});

describe('no machine without hardware', () => {
  test('is a kind in this build', () => {
    expect(TEES).toEqual(['snp', 'tdx', 'sgx']);
  });

  test('passes a policy that asks for it: there is no such policy', () => {
    const policies = { vm: { ...POLICY.policies.vm, accept: { sample: {} } } };
    const bytes = utf8(JSON.stringify({ ...POLICY, policies, resources: [POLICY.resources[0]] }));
    expect(codeOf(() => readBrokerPolicy(bytes))).toBe('ATTEST_POLICY_MALFORMED');
  });
});

describe('the broker policy', () => {
  const read = (change: object): string =>
    codeOf(() => readBrokerPolicy(utf8(JSON.stringify({ ...POLICY, ...change }))));
  const [row] = POLICY.resources;

  test.each<[string, object]>([
    ['of another type', { type: 'modelward/attestation-policy/v1' }],
    ['with a member that is not known', { allowSample: true }],
    ['without resources', { resources: [] }],
    ['with a resource twice', { resources: [row, row] }],
    ['with a name that goes up', { resources: [{ ...row, resource: 'models/../key' }] }],
    ['with a policy that is not there', { resources: [{ ...row, policy: 'none' }] }],
    ['with a policy of the prototype', { resources: [{ ...row, policy: 'constructor' }] }],
    ['with something else for a seal', { resources: [{ ...row, sealId: '../../etc/passwd' }] }],
  ])('%s is refused', (_name, change) => {
    expect(read(change)).toBe('BROKER_POLICY_MALFORMED');
  });

  test('a member that stands twice is refused, wherever it stands: a reader sees one, and the other is in force', () => {
    const text = JSON.stringify(POLICY);
    const twice = text.replace('"name":', '"name":"other","name":');
    const inside = text.replace(/"type":"modelward\/attestation-policy\/v1"/, (member) => `${member},${member}`);
    for (const one of [twice, inside]) {
      expect(one).not.toBe(text);
      expect(codeOf(() => readBrokerPolicy(utf8(one)))).toBe('BROKER_POLICY_MALFORMED');
    }
  });

  test('is digested by meaning, not by spelling', () => {
    const digest = (text: string) => readBrokerPolicy(utf8(text)).digestHex;
    const { type, ...rest } = POLICY;
    expect(digest(JSON.stringify({ ...rest, type }, null, 4))).toBe(digest(JSON.stringify(POLICY)));
    expect(digest(JSON.stringify({ ...POLICY, name: 'other' }))).not.toBe(digest(JSON.stringify(POLICY)));
  });

  test('above the cap is refused unread', () => {
    expect(codeOf(() => readBrokerPolicy(new Uint8Array(BROKER_LIMITS.policyBytesMax + 1)))).toBe(
      'BROKER_POLICY_MALFORMED',
    );
  });
});

describe('an answer to the client', () => {
  test('of another implementation is opened', async () => {
    for (const guest of [makeGuest(), makeGuest('P-521'), makeRsaGuest()]) {
      const jwe = await new FlattenedEncrypt(DEK)
        .setProtectedHeader({ alg: guest.jwk.alg, enc: 'A256GCM' })
        .encrypt(guest.jwk);
      expect(decryptJwe(jwe, guest.privateKey)).toEqual(DEK);
    }
  });

  test('that was altered in any member, or is for another key, is refused, always in the same words', async () => {
    const guest = makeGuest();
    const jwe = await new FlattenedEncrypt(DEK)
      .setProtectedHeader({ alg: 'ECDH-ES+A256KW', enc: 'A256GCM' })
      .encrypt(guest.jwk);
    const altered = Object.entries(jwe).map(([name, value]) => {
      const bytes = Buffer.from(String(value), 'base64url');
      return { ...jwe, [name]: Buffer.from(flip(bytes, bytes.length >> 1)).toString('base64url') };
    });
    for (const bad of altered) expect(codeOf(() => decryptJwe(bad, guest.privateKey))).toBe('BROKER_ANSWER_MALFORMED');
    expect(codeOf(() => decryptJwe(jwe, makeGuest().privateKey))).toBe('BROKER_ANSWER_MALFORMED');
    expect(codeOf(() => decryptJwe({}, guest.privateKey))).toBe('BROKER_ANSWER_MALFORMED');
  });
});

test('every code of the area says what to do, and none of its sentences tells what was sent', () => {
  for (const code of Object.keys(brokerErrors) as (keyof typeof brokerErrors)[]) {
    expect(ERRORS[code].fix).toBeTruthy();
    expect(ERRORS[code].message).not.toMatch(/[{}$]/);
  }
});
