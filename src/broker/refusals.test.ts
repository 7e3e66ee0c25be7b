/** What the broker refuses before a machine is attested: each with a code, an entry, and no key. */
import { beforeEach, describe, expect, test } from 'vitest';
import { expectRefused } from '../../test/broker/expect-refused.ts';
import {
  type AttestBody,
  attested,
  dcapLab,
  lab,
  makeBroker,
  makeGuest,
  makeRsaGuest,
  RESOURCE,
  type TestBroker,
  toSnpEvidence,
  toTdxEvidence,
} from '../../test/broker/kit.ts';
import { flip } from '../../test/fakes/attest/x509.ts';
import { toBase64, utf8 } from '../core/bytes.ts';
import { ERRORS } from '../core/errors.ts';
import { brokerErrors } from '../core/errors/broker.ts';
import { BROKER_LIMITS } from '../core/limits/broker.ts';
import { digestRuntimeData } from './index.ts';

let broker: TestBroker;

beforeEach(() => {
  broker = makeBroker();
});

const AUTH = '/kbs/v0/auth';

const ATTEST = '/kbs/v0/attest';

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
    expectRefused(broker, await broker.send({ method: 'POST', path: AUTH, body }), 401, code);
  });

  test('a body above the cap', async () => {
    const body = new Uint8Array(BROKER_LIMITS.bodyBytesMax + 1);
    expectRefused(broker, await broker.send({ method: 'POST', path: AUTH, body }), 413, 'BROKER_BODY_TOO_LARGE');
  });
});

describe('attest refuses', () => {
  const answer = async (change: (body: AttestBody, nonce: string) => void, tee = 'snp', guest = makeGuest()) => {
    const { cookie, nonce } = await broker.auth(tee);
    const exchange = await broker.attest(cookie, nonce, guest, (body) => {
      change(body, nonce);
    });
    // Whatever was wrong: the session has no key, and the challenge is spent.
    expectRefused(broker, await broker.get(RESOURCE, { cookie }), 401, 'BROKER_NOT_ATTESTED');
    return exchange;
  };
  const bound = (nonce: string, jwk = makeGuest().jwk) =>
    digestRuntimeData({ nonce, teeKey: jwk, additionalEvidence: '' });

  test('an answer without a session', async () => {
    expectRefused(broker, await broker.send({ method: 'POST', path: ATTEST, body: {} }), 401, 'BROKER_SESSION_MISSING');
  });

  test('a session that never was', async () => {
    const cookie = `kbs-session-id=${'ab'.repeat(32)}`;
    const sent = await broker.send({ method: 'POST', path: ATTEST, headers: { cookie }, body: {} });
    expectRefused(broker, sent, 401, 'BROKER_SESSION_UNKNOWN');
  });

  test('two cookies of the name: which one is meant cannot be told', async () => {
    const { cookie } = await attested(broker);
    const sent = await broker.get(RESOURCE, { cookie: `${cookie}; kbs-session-id=${'ab'.repeat(32)}` });
    expectRefused(broker, sent, 401, 'BROKER_SESSION_MISSING');
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
    expectRefused(broker, sent, 401, 'BROKER_NONCE_MISMATCH');
  });

  test('a second answer, be it right, and be the first one wrong', async () => {
    const guest = makeGuest();
    const { cookie, nonce } = await broker.auth();
    await broker.attest(cookie, nonce, guest, (body) => {
      body['tee-evidence'].primary_evidence = toSnpEvidence(new Uint8Array(48));
    });
    expectRefused(broker, await broker.attest(cookie, nonce, guest), 401, 'BROKER_NONCE_REUSED');
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
    expectRefused(broker, await broker.attest(cookie, nonce, makeGuest()), 401, 'BROKER_SESSION_UNKNOWN');
  });

  test('another key than the evidence is bound to', async () => {
    const sent = await answer((body) => {
      body['runtime-data']['tee-pubkey'] = makeGuest().jwk;
    });
    expectRefused(broker, sent, 401, 'BROKER_BINDING');
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
    expectRefused(broker, sent, 401, 'BROKER_BINDING');
  });

  test('evidence of a machine of another kind', async () => {
    const sent = await answer((body, nonce) => {
      body['tee-evidence'].primary_evidence = toTdxEvidence(bound(nonce));
    });
    expectRefused(broker, sent, 401, 'BROKER_TEE_MISMATCH');
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
    expectRefused(broker, sent, 401, 'ATTEST_SIGNATURE_INVALID');
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
    expectRefused(broker, sent, 401, 'BROKER_EVIDENCE_UNSUPPORTED');
  });

  test('evidence of further devices, which nobody here would verify', async () => {
    const { cookie, nonce } = await broker.auth();
    const sent = await broker.attest(cookie, nonce, makeGuest(), (body) => {
      body['tee-evidence'].additional_evidence = '{"nvidia":{}}';
    });
    expectRefused(broker, sent, 401, 'BROKER_EVIDENCE_UNSUPPORTED');
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
    expectRefused(broker, sent, 401, 'BROKER_KEY_REFUSED');
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
    expectRefused(broker, sent, 403, 'BROKER_POLICY_DENIED');
    expect(broker.decisions[0]).toMatchObject({ outcome: 'refused', resource: null });
    expect(broker.decisions[0].reasons.toSorted()).toEqual(['ATTEST_POLICY_DEBUG', 'ATTEST_POLICY_MEASUREMENT']);
    expect(JSON.stringify(sent.body)).not.toContain('MEASUREMENT');
  });
});

test('every code of the area says what to do, and none of its sentences tells what was sent', () => {
  for (const code of Object.keys(brokerErrors) as (keyof typeof brokerErrors)[]) {
    expect(ERRORS[code].fix).toBeTruthy();
    expect(ERRORS[code].message).not.toMatch(/[{}$]/);
  }
});
