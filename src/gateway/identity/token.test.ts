import { createHmac, generateKeyPairSync } from 'node:crypto';
import { exportJWK, exportSPKI, generateKeyPair, importPKCS8, type JWK, type JWTPayload, SignJWT } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import { LIMITS, WHOLE_OUTPUT } from '../../../test/fakes/api-keys.ts';
import { codeOf } from '../../../test/error-code.ts';
import { toBase64UrlJson } from '../../core/base64url.ts';
import { utf8 } from '../../core/bytes.ts';
import { GatewayError } from '../../core/errors.ts';
import type { IdentifyResult } from '../ports.ts';
import { createTokenVerifier } from './token.ts';
import type { TokenRules } from './token-rules.ts';

const ISSUER = 'https://id.example/realm';
const NOW_SEC = 1_800_000_000;

const rules: TokenRules = {
  name: 'corp',
  issuer: ISSUER,
  audiences: ['modelward'],
  algorithms: ['RS256', 'ES256'],
  jwksUri: 'https://id.example/keys',
  type: null,
  tenant: { claim: ['org', 'name'] },
  grants: [{ claim: ['realm_access', 'roles'], value: 'scorer', scopes: ['infer:fraud', 'meta:fraud'] }],
  scopesFrom: { claim: ['scope'], prefix: 'mw/' },
  limits: LIMITS,
  output: WHOLE_OUTPUT,
};

type Key = Awaited<ReturnType<typeof generateKeyPair>>;
let rsa: Key;
let other: Key;
let jwk: JWK;
let otherJwk: JWK;

beforeAll(async () => {
  [rsa, other] = await Promise.all([
    generateKeyPair('RS256', { extractable: true }),
    generateKeyPair('RS256', { extractable: true }),
  ]);
  jwk = { ...(await exportJWK(rsa.publicKey)), kid: 'k1', alg: 'RS256' };
  otherJwk = { ...(await exportJWK(other.publicKey)), kid: 'k2', alg: 'RS256' };
});

const CLAIMS = { iss: ISSUER, aud: 'modelward', sub: 'user-7', org: { name: 'acme' } };

function sign(claims: JWTPayload, header: Record<string, unknown> = {}, key = rsa): Promise<string> {
  const token = new SignJWT({ exp: NOW_SEC + 300, ...CLAIMS, ...claims });
  return token.setProtectedHeader({ alg: 'RS256', kid: 'k1', ...header }).sign(key.privateKey);
}

/** An issuer that a test can take away, or give other keys. */
function createIssuer(changes: Partial<TokenRules> = {}) {
  const state = {
    nowMs: NOW_SEC * 1000,
    keys: [jwk],
    isAway: false,
    asked: [] as string[],
    document: null as object | null,
  };
  const verifier = createTokenVerifier({
    issuers: [{ ...rules, ...changes }],
    clock: { nowMs: () => state.nowMs },
    toLink: () => ({
      get: (url) => {
        state.asked.push(url);
        if (state.isAway) return Promise.reject(new GatewayError('JWKS_UNAVAILABLE'));
        return Promise.resolve(
          utf8(JSON.stringify(url.includes('well-known') ? state.document : { keys: state.keys })),
        );
      },
    }),
  });
  const identify = (token: string): Promise<IdentifyResult> => Promise.resolve(verifier.identify(token, state.nowMs));
  const codeFor = async (token: string): Promise<string> => {
    const result = await identify(token);
    return result.isKnown ? 'known' : result.code;
  };
  return { state, verifier, identify, codeFor };
}

describe('claims', () => {
  test('become tenant and scopes by the rules', async () => {
    const { identify } = createIssuer();
    const token = await sign({
      realm_access: { roles: ['scorer', 'admin'] },
      scope: 'openid mw/infer:chat mw/meta:* mw/admin mw/keys:write infer:secret',
    });
    expect(await identify(token)).toEqual({
      isKnown: true,
      principal: {
        ...{ id: 'jwt:corp:user-7', kind: 'jwt', tenant: 'acme', limits: LIMITS, output: WHOLE_OUTPUT, tagKey: null },
        scopes: ['infer:fraud', 'meta:fraud', 'infer:chat', 'meta:*'],
      },
    });
  });

  test('without a role give no scope; a role is not part of another', async () => {
    const { identify } = createIssuer();
    const result = await identify(await sign({ realm_access: { roles: ['scorers', { scorer: 1 }] }, scope: 7 }));
    expect(result.isKnown && result.principal.scopes).toEqual([]);
  });

  test.each([
    ['no tenant', { org: undefined }],
    ['a tenant that is none', { org: { name: 'a b' } }],
    ['an empty subject', { sub: '' }],
    ['no subject', { sub: undefined }],
  ])('%s is nobody', async (_name, claims) => {
    expect(await createIssuer().codeFor(await sign(claims as JWTPayload))).toBe('GATEWAY_CREDENTIAL_INVALID');
  });

  test('subjects that are not short printable ASCII go by their hash', async () => {
    const { identify } = createIssuer();
    for (const sub of ['a b', 'x'.repeat(121), 'line\n', '~x', 'é']) {
      const result = await identify(await sign({ sub }));
      expect(result.isKnown && result.principal.id).toMatch(/^jwt:corp:~[\w-]{43}$/);
    }
  });
});

describe('a token is refused', () => {
  test.each([
    ['of another issuer', { iss: 'https://id.example' }, 'GATEWAY_CREDENTIAL_INVALID'],
    ['for another audience', { aud: 'shop' }, 'GATEWAY_CREDENTIAL_INVALID'],
    ['without an audience', { aud: undefined }, 'GATEWAY_CREDENTIAL_INVALID'],
    ['without an end', { exp: undefined }, 'GATEWAY_CREDENTIAL_INVALID'],
    ['that ended', { exp: NOW_SEC - 31 }, 'GATEWAY_CREDENTIAL_EXPIRED'],
    ['that has not begun', { nbf: NOW_SEC + 31 }, 'GATEWAY_CREDENTIAL_EXPIRED'],
  ])('%s', async (_name, claims, code) => {
    expect(await createIssuer().codeFor(await sign(claims as JWTPayload))).toBe(code);
  });

  test('with alg none, whatever its signature is', async () => {
    const { codeFor } = createIssuer();
    for (const alg of ['none', 'None', 'NONE']) {
      const body = `${toBase64UrlJson({ alg, kid: 'k1' })}.${toBase64UrlJson({ ...CLAIMS, exp: NOW_SEC + 300 })}`;
      for (const signature of ['', 'AA'])
        expect(await codeFor(`${body}.${signature}`)).toBe('GATEWAY_CREDENTIAL_INVALID');
    }
  });

  test('with an HMAC under the public key', async () => {
    const pem = await exportSPKI(rsa.publicKey);
    const body = `${toBase64UrlJson({ alg: 'HS256', kid: 'k1' })}.${toBase64UrlJson({ ...CLAIMS, exp: NOW_SEC + 300 })}`;
    for (const key of [pem, pem.trim(), JSON.stringify(jwk), jwk.n!]) {
      const signature = createHmac('sha256', key).update(body).digest('base64url');
      expect(await createIssuer().codeFor(`${body}.${signature}`)).toBe('GATEWAY_CREDENTIAL_INVALID');
    }
  });

  test('of another key, with a key of its own in the header, or with a kid that is a path', async () => {
    const { codeFor, state } = createIssuer();
    expect(await codeFor(await sign({}, {}, other))).toBe('GATEWAY_CREDENTIAL_INVALID');
    expect(await codeFor(await sign({}, { jwk: otherJwk }, other))).toBe('GATEWAY_CREDENTIAL_INVALID');
    expect(await codeFor(await sign({}, { jku: 'https://evil.example/keys' }, other))).toBe(
      'GATEWAY_CREDENTIAL_INVALID',
    );
    for (const kid of ['../../../../dev/null', '/dev/null', 'https://evil.example/k', "' or 1=1 --", 'k1\0']) {
      expect(await codeFor(await sign({}, { kid }, other))).toBe('GATEWAY_CREDENTIAL_INVALID');
    }
    expect(new Set(state.asked)).toEqual(new Set([rules.jwksUri]));
  });

  test('of an algorithm that is not among the rules, though the key could make it', async () => {
    const { state, codeFor } = createIssuer();
    const { kty, n, e, kid } = jwk;
    state.keys = [{ kty, n, e, kid }];
    const pkcs8 = await importPKCS8(await exportPrivate(), 'RS512');
    const token = await new SignJWT({ ...CLAIMS, exp: NOW_SEC + 300 })
      .setProtectedHeader({ alg: 'RS512', kid: 'k1' })
      .sign(pkcs8);
    expect(await codeFor(token)).toBe('GATEWAY_CREDENTIAL_INVALID');
  });

  test('of another type, where one is demanded', async () => {
    const { codeFor } = createIssuer({ type: 'at+jwt' });
    expect(await codeFor(await sign({}, { typ: 'JWT' }))).toBe('GATEWAY_CREDENTIAL_INVALID');
    expect(await codeFor(await sign({}, { typ: 'at+jwt' }))).toBe('known');
  });

  test.each([
    '',
    'a',
    'a.b',
    'a.b.c.d',
    'ey.ey.ey',
    '\0.\0.\0',
    'é.é.é',
    `${'a'.repeat(8000)}.a.a`,
  ])('that is none: "%s"', async (token) => {
    expect(await createIssuer().codeFor(token)).toBe('GATEWAY_CREDENTIAL_INVALID');
  });
});

async function exportPrivate(): Promise<string> {
  const { exportPKCS8 } = await import('jose');
  return exportPKCS8(rsa.privateKey);
}

describe('what was verified is remembered', () => {
  test('for a minute, and not beyond its end', async () => {
    const { state, verifier } = createIssuer();
    const [long, short] = [await sign({}), await sign({ exp: NOW_SEC + 10 })];
    for (const token of [long, short]) {
      expect(verifier.identify(token, state.nowMs)).toBeInstanceOf(Promise);
      await verifier.identify(token, state.nowMs);
      expect(verifier.identify(token, state.nowMs)).toMatchObject({ isKnown: true });
    }
    expect(verifier.identify(short, state.nowMs + 10_000)).toBeInstanceOf(Promise);
    expect(verifier.identify(long, state.nowMs + 59_999)).toMatchObject({ isKnown: true });
    expect(verifier.identify(long, state.nowMs + 60_000)).toBeInstanceOf(Promise);
  });

  test('refusals are not; another token with the same claims is verified by itself', async () => {
    const { state, verifier } = createIssuer();
    const token = await sign({});
    await verifier.identify(token, state.nowMs);
    const forged = `${token.slice(0, -8)}AAAAAAAA`;
    expect(await verifier.identify(forged, state.nowMs)).toMatchObject({ code: 'GATEWAY_CREDENTIAL_INVALID' });
    expect(verifier.identify(forged, state.nowMs)).toBeInstanceOf(Promise);
  });

  test('signatures that are verified at a time are bounded', async () => {
    const { state, verifier } = createIssuer();
    const tokens = await Promise.all(Array.from({ length: 66 }, (_, at) => sign({ sub: `u${at}` })));
    const results = await Promise.all(tokens.map((token) => Promise.resolve(verifier.identify(token, state.nowMs))));
    const codes = results.map((result) => (result.isKnown ? 'known' : result.code));
    expect(codes.slice(0, 64)).toEqual(Array(64).fill('known'));
    expect(codes.slice(64)).toEqual(['GATEWAY_IDENTITY_UNAVAILABLE', 'GATEWAY_IDENTITY_UNAVAILABLE']);
  });
});

test('an issuer that does not answer keeps no tokens of others waiting', async () => {
  const hung = 'https://hung.example';
  const verifier = createTokenVerifier({
    issuers: [rules, { ...rules, name: 'hung', issuer: hung }],
    clock: { nowMs: () => NOW_SEC * 1000 },
    toLink: ({ issuer }) => ({
      get: () =>
        issuer === hung ? new Promise(() => undefined) : Promise.resolve(utf8(JSON.stringify({ keys: [jwk] }))),
    }),
  });
  const waiting = await Promise.all(Array.from({ length: 64 }, (_, at) => sign({ iss: hung, sub: `u${at}` })));
  for (const token of waiting) void verifier.identify(token, NOW_SEC * 1000);
  expect(await verifier.identify(await sign({ iss: hung }), NOW_SEC * 1000)).toMatchObject({ isKnown: false });
  expect(await verifier.identify(await sign({}), NOW_SEC * 1000)).toMatchObject({ isKnown: true });
});

describe('keys of the issuer', () => {
  test('are fetched once, and again for a key that is not known, at most twice a minute', async () => {
    const { state, codeFor } = createIssuer();
    for (let at = 0; at < 5; at += 1) await codeFor(await sign({ sub: `u${at}` }));
    expect(state.asked).toHaveLength(1);
    state.keys = [jwk, otherJwk];
    const rotated = await sign({}, { kid: 'k2' }, other);
    expect(await codeFor(rotated)).toBe('GATEWAY_CREDENTIAL_INVALID');
    expect(state.asked).toHaveLength(1);
    state.nowMs += 30_000;
    expect(await codeFor(rotated)).toBe('known');
    for (let at = 0; at < 5; at += 1) await codeFor(await sign({ sub: `v${at}` }, { kid: `x${at}` }));
    expect(state.asked).toHaveLength(2);
  });

  test('a token of a key that is being fetched is told to come again, not that it is bad', async () => {
    const { state, codeFor } = createIssuer();
    expect(await codeFor(await sign({}))).toBe('known');
    state.keys = [jwk, otherJwk];
    state.nowMs += 30_000;
    const tokens = await Promise.all(['a', 'b', 'c'].map((sub) => sign({ sub }, { kid: 'k2' }, other)));
    const codes = await Promise.all(tokens.map(codeFor));
    expect(codes).toEqual(['known', 'GATEWAY_IDENTITY_UNAVAILABLE', 'GATEWAY_IDENTITY_UNAVAILABLE']);
    expect([await codeFor(tokens[1]), state.asked.length]).toEqual(['known', 2]);
  });

  test('serve on while the issuer is away, up to an hour; then nothing is verified, and a good token is not called bad', async () => {
    const { state, codeFor } = createIssuer();
    expect(await codeFor(await sign({}))).toBe('known');
    state.isAway = true;
    state.nowMs += 3_599_000;
    const later = { exp: NOW_SEC + 90_000 };
    expect(await codeFor(await sign({ ...later, sub: 'a' }))).toBe('known');
    state.nowMs += 1000;
    expect(await codeFor(await sign({ ...later, sub: 'b' }))).toBe('GATEWAY_IDENTITY_UNAVAILABLE');
    state.isAway = false;
    state.nowMs += 30_000;
    expect(await codeFor(await sign({ ...later, sub: 'c' }))).toBe('known');
  });

  test('that went are not taken any more once the set was fetched anew', async () => {
    const { state, codeFor } = createIssuer();
    expect(await codeFor(await sign({}))).toBe('known');
    state.keys = [otherJwk];
    state.nowMs += 600_000;
    await codeFor(await sign({ exp: NOW_SEC + 9000, sub: 'a' }));
    await new Promise(setImmediate);
    expect(await codeFor(await sign({ exp: NOW_SEC + 9000, sub: 'b' }))).toBe('GATEWAY_CREDENTIAL_INVALID');
  });

  test("secrets, private and short keys, and those for encryption in the set are nobody's", async () => {
    const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' }) as JWK;
    const secret = { kty: 'oct', k: 'AAAA', kid: 'k1' };
    for (const keys of [
      [secret],
      [{ ...jwk, d: 'AA' }],
      [{ ...weak, kid: 'k1' }],
      [{ ...jwk, use: 'enc' }],
      [],
      [null, 7, []],
    ]) {
      const { state, codeFor } = createIssuer();
      state.keys = keys as JWK[];
      expect(await codeFor(await sign({}))).toBe('GATEWAY_IDENTITY_UNAVAILABLE');
    }
  });

  test('are found by discovery, from the issuer that was asked, over https alone', async () => {
    const { state, codeFor } = createIssuer({ jwksUri: null });
    for (const document of [
      { issuer: 'https://evil.example', jwks_uri: 'https://id.example/k' },
      { issuer: ISSUER, jwks_uri: 'http://id.example/k' },
      { issuer: ISSUER },
    ]) {
      state.document = document;
      expect(await codeFor(await sign({}))).toBe('GATEWAY_IDENTITY_UNAVAILABLE');
      state.nowMs += 30_000;
    }
    state.document = { issuer: ISSUER, jwks_uri: 'https://id.example/k' };
    expect(await codeFor(await sign({}))).toBe('known');
    expect(state.asked.at(-2)).toBe(`${ISSUER}/.well-known/openid-configuration`);
    expect(state.asked.at(-1)).toBe('https://id.example/k');
  });
});

test.each([
  ['name', { name: 'Corp' }],
  ['corp.issuer', { issuer: 'http://id.example' }],
  ['corp.audiences', { audiences: [] }],
  ['corp.algorithms', { algorithms: ['HS256'] as unknown as TokenRules['algorithms'] }],
  ['corp.algorithms', { algorithms: [] }],
  ['corp.jwksUri', { jwksUri: 'file:///keys' }],
  ['corp.tenant', { tenant: { name: '' } }],
  ['corp.grants', { grants: [{ claim: ['a'], value: 'b', scopes: ['root'] }] }],
  ['corp.scopesFrom', { scopesFrom: { claim: [], prefix: '' } }],
])('rules with a wrong %s are refused', (at, changes) => {
  expect(
    codeOf(() =>
      createTokenVerifier({
        issuers: [{ ...rules, ...changes }],
        clock: { nowMs: () => 0 },
        toLink: () => ({ get: () => Promise.reject(new GatewayError('JWKS_UNAVAILABLE')) }),
      }),
    ),
  ).toBe('IDENTITY_RULES_INVALID');
  expect(() =>
    createTokenVerifier({
      issuers: [{ ...rules, ...changes }],
      clock: { nowMs: () => 0 },
      toLink: () => ({ get: () => Promise.reject(new GatewayError('JWKS_UNAVAILABLE')) }),
    }),
  ).toThrow(expect.objectContaining({ fields: { at } }));
});
