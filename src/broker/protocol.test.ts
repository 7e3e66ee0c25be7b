import { createHash } from 'node:crypto';
import { flattenedDecrypt, importJWK, calculateJwkThumbprint, decodeJwt, decodeProtectedHeader } from 'jose';
import { beforeEach, describe, expect, test } from 'vitest';
import {
  DEK,
  makeBroker,
  makeGuest,
  makeRsaGuest,
  RESOURCE,
  SEAL_ID,
  type TestBroker,
  toTdxEvidence,
} from '../../test/broker/kit.ts';
import { type FlattenedJwe, decryptJwe, digestRuntimeData } from './index.ts';

let broker: TestBroker;
beforeEach(() => {
  broker = makeBroker();
});

describe('the KBS protocol', () => {
  test('challenge, attestation, key: the key comes as JWE that jose opens with the attested key', async () => {
    const guest = makeGuest();
    const { cookie, nonce } = await broker.auth();
    expect(Buffer.from(nonce, 'base64')).toHaveLength(32);
    const attested = await broker.attest(cookie, nonce, guest);
    expect([attested.status, Object.keys(attested.body)]).toEqual([200, ['token']]);
    const released = await broker.get(RESOURCE, { cookie });
    expect(released.status).toBe(200);
    const { plaintext } = await flattenedDecrypt(released.body as unknown as FlattenedJwe, guest.privateKey);
    expect(plaintext).toEqual(DEK);
    expect(decryptJwe(released.body, guest.privateKey)).toEqual(DEK);
  });

  test('the release is on record with policy, evidence, session and receiver, and the key is wiped', async () => {
    const guest = makeGuest();
    const { cookie, nonce } = await broker.auth();
    await broker.attest(cookie, nonce, guest);
    await broker.get(RESOURCE, { cookie });
    expect(broker.decisions).toHaveLength(1);
    expect(broker.decisions[0]).toMatchObject({
      ...{ outcome: 'released', code: null, resource: RESOURCE, sealId: SEAL_ID, tee: 'snp' },
      sessionName: createHash('sha256').update(cookie.split('=')[1]).digest('hex'),
      keyThumbprint: await calculateJwkThumbprint(guest.jwk),
    });
    expect(broker.decisions[0].policyDigestHex).toMatch(/^[0-9a-f]{64}$/);
    expect(broker.decisions[0].attestationPolicyDigestHex).toMatch(/^[0-9a-f]{64}$/);
    expect(broker.taken).toEqual([new Uint8Array(32)]);
  });

  test('the cookie is for this host, this path and TLS alone, and of no use to scripts or other sites', async () => {
    const opened = await broker.send({
      method: 'POST',
      path: '/kbs/v0/auth',
      body: { version: '0.4.0', tee: 'snp', 'extra-params': { 'supported-hash-algorithms': ['sha384'] } },
    });
    expect(opened.headers['set-cookie']).toMatch(
      /^kbs-session-id=[0-9a-f]{64}; Path=\/kbs; Max-Age=300; HttpOnly; Secure; SameSite=Strict$/,
    );
    expect(opened.body['extra-params']).toBe('');
    expect(opened.headers['cache-control']).toBe('no-store');
  });

  test('the token names key and evidence, ends with the session, and is as good as the cookie', async () => {
    const guest = makeGuest();
    const { cookie, nonce } = await broker.auth();
    const { body } = await broker.attest(cookie, nonce, guest);
    const token = String(body.token);
    expect(decodeProtectedHeader(token)).toMatchObject({ alg: 'EdDSA', typ: 'JWT' });
    const claims = decodeJwt(token);
    expect(claims['tee-pubkey']).toEqual(guest.jwk);
    expect(claims.cnf).toEqual({ jkt: await calculateJwkThumbprint(guest.jwk) });
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(300);
    const released = await broker.get(RESOURCE, { authorization: `Bearer ${token}` });
    expect(decryptJwe(released.body, guest.privateKey)).toEqual(DEK);
  });

  test.each(['P-256', 'P-384', 'P-521'])('%s: jose opens the answer', async (curve) => {
    const guest = makeGuest(curve);
    const { cookie, nonce } = await broker.auth();
    await broker.attest(cookie, nonce, guest);
    const { body } = await broker.get(RESOURCE, { cookie });
    const key = await importJWK({ ...guest.privateKey.export({ format: 'jwk' }), alg: 'ECDH-ES+A256KW' });
    expect((await flattenedDecrypt(body as unknown as FlattenedJwe, key)).plaintext).toEqual(DEK);
    expect(decryptJwe(body, guest.privateKey)).toEqual(DEK);
  });

  test('RSA-OAEP-256: jose opens the answer', async () => {
    const guest = makeRsaGuest();
    const { cookie, nonce } = await broker.auth();
    await broker.attest(cookie, nonce, guest);
    const { body } = await broker.get(RESOURCE, { cookie });
    expect((await flattenedDecrypt(body as unknown as FlattenedJwe, guest.privateKey)).plaintext).toEqual(DEK);
    expect(decryptJwe(body, guest.privateKey)).toEqual(DEK);
  });

  test('the protected header is spelled as stock clients spell it anew: alg, enc, epk in their order, no spaces', async () => {
    const { cookie, nonce } = await broker.auth();
    await broker.attest(cookie, nonce, makeGuest());
    const { body } = await broker.get(RESOURCE, { cookie });
    expect(Buffer.from(String(body.protected), 'base64url').toString()).toMatch(
      /^\{"alg":"ECDH-ES\+A256KW","enc":"A256GCM","epk":\{"crv":"P-256","kty":"EC","x":"[\w-]{43}","y":"[\w-]{43}"\}\}$/,
    );
    expect(Object.keys(body).toSorted()).toEqual(['ciphertext', 'encrypted_key', 'iv', 'protected', 'tag']);
  });

  test('a TDX quote as its stock attester sends it, in a string or not', async () => {
    for (const wrap of [(value: object): unknown => value, (value: object): unknown => JSON.stringify(value)]) {
      const guest = makeGuest();
      const { cookie, nonce } = await broker.auth('tdx');
      const attested = await broker.attest(cookie, nonce, guest, (body) => {
        const reportData = digestRuntimeData({ nonce, teeKey: guest.jwk, additionalEvidence: '{}' });
        body['tee-evidence'] = { primary_evidence: wrap(toTdxEvidence(reportData)), additional_evidence: '{}' };
      });
      expect(attested.status).toBe(200);
      expect(decryptJwe((await broker.get(RESOURCE, { cookie })).body, guest.privateKey)).toEqual(DEK);
    }
  });

  test('several resources in one session, each judged by its own policy', async () => {
    const { cookie, nonce } = await broker.auth();
    await broker.attest(cookie, nonce, makeGuest());
    const first = await broker.get(RESOURCE, { cookie });
    const again = await broker.get(RESOURCE, { cookie });
    expect(first.body.ciphertext).not.toBe(again.body.ciphertext);
    expect(first.body.encrypted_key).not.toBe(again.body.encrypted_key);
    expect((await broker.get('models/key/secret', { cookie })).status).toBe(403);
    expect(broker.decisions.map(({ outcome }) => outcome)).toEqual(['released', 'released', 'refused']);
  });
});

describe('runtime data', () => {
  test('is hashed as RFC 8785 JSON of three members, SHA-384', () => {
    const { jwk } = makeGuest();
    if (jwk.kty !== 'EC') throw new TypeError(jwk.kty);
    const { crv, alg, x, y } = jwk;
    const text = `{"additional-evidence":"","nonce":"bm9uY2U=","tee-pubkey":{"alg":"${alg}","crv":"${crv}","kty":"EC","x":"${x}","y":"${y}"}}`;
    const expected = createHash('sha384').update(text).digest('hex');
    const digest = digestRuntimeData({ nonce: 'bm9uY2U=', teeKey: jwk, additionalEvidence: '' });
    expect(Buffer.from(digest).toString('hex')).toBe(expected);
  });
});
