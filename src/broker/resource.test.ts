/** Who gets no resource, and why. */
import { createHmac } from 'node:crypto';
import { SignJWT } from 'jose';
import { beforeEach, describe, expect, test } from 'vitest';
import { expectRefused } from '../../test/broker/expect-refused.ts';
import { attested, labVerifier, makeBroker, makeGuest, RESOURCE, type TestBroker } from '../../test/broker/kit.ts';
import { SealError } from '../core/errors.ts';
import { BROKER_LIMITS } from '../core/limits/broker.ts';

let broker: TestBroker;

beforeEach(() => {
  broker = makeBroker();
});

describe('a resource is refused', () => {
  test('without a session, whether there is one of the name or not', async () => {
    expectRefused(broker, await broker.get(RESOURCE, {}), 401, 'BROKER_SESSION_MISSING');
    expect((await broker.get('models/key/none', {})).code).toBe('BROKER_SESSION_MISSING');
  });

  test('to a machine that its policy does not accept', async () => {
    const { cookie } = await attested(broker);
    expectRefused(broker, await broker.get('models/key/secret', { cookie }), 403, 'BROKER_POLICY_DENIED');
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
    const { cookie } = await attested(broker);
    expectRefused(broker, await broker.get(name, { cookie }), 404, 'BROKER_RESOURCE_UNKNOWN');
  });

  test('after the session ended, by cookie and by token', async () => {
    const { cookie, token } = await attested(broker);
    broker.advance(BROKER_LIMITS.sessionLifeMs);
    expectRefused(broker, await broker.get(RESOURCE, { cookie }), 401, 'BROKER_SESSION_UNKNOWN');
    expectRefused(
      broker,
      await broker.get(RESOURCE, { authorization: `Bearer ${token}` }),
      401,
      'BROKER_TOKEN_INVALID',
    );
  });

  test('with the token of another session', async () => {
    const [mine, other] = [await attested(broker), await attested(broker)];
    const sent = await broker.get(RESOURCE, { cookie: mine.cookie, authorization: `Bearer ${other.token}` });
    expectRefused(broker, sent, 401, 'BROKER_SESSION_MISMATCH');
  });

  test('with a token that was made elsewhere, altered, unsigned, or signed by its own public key', async () => {
    const { token } = await attested(broker);
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
      expectRefused(
        broker,
        await broker.get(RESOURCE, { authorization: `Bearer ${bad}` }),
        401,
        'BROKER_TOKEN_INVALID',
      );
    }
    expectRefused(broker, await broker.get(RESOURCE, { authorization: 'Basic AAAA' }), 401, 'BROKER_SESSION_MISSING');
  });

  test('when the key cannot be had: the cause is told to the operator and recorded, not sent', async () => {
    broker = makeBroker({ takeKey: () => Promise.reject(new SealError('KEY_PROVIDER_UNAVAILABLE')) });
    const { cookie } = await attested(broker);
    const sent = await broker.get(RESOURCE, { cookie });
    expectRefused(broker, sent, 503, 'BROKER_RELEASE_FAILED');
    expect(JSON.stringify(sent.body)).not.toContain('KEY_PROVIDER');
    expect(broker.troubles).toHaveLength(1);
  });

  test('when the release cannot be recorded: the key is wiped and not sent', async () => {
    let isLogBroken = false;
    broker = makeBroker({ isLogBroken: () => isLogBroken });
    const { cookie } = await attested(broker);
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
    const { cookie } = await attested(broker);
    broker.advance(60_000);
    expectRefused(broker, await broker.get(RESOURCE, { cookie }), 403, 'BROKER_POLICY_DENIED');
  });
});
