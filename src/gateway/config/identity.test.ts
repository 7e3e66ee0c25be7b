import { describe, expect, test } from 'vitest';
import { ModelwardError } from '../../core/errors.ts';
import { readGatewayConfig, toCertificateRules, toTokenRules } from './index.ts';

const models = [{ name: 'digits', file: '/m.onnx' }];
const tls = { cert: '/c.pem', key: '/k.pem', clientCertificates: 'optional', clientAuthorities: '/ca.pem' };
const token = {
  name: 'corp',
  issuer: 'https://id.example',
  audiences: ['modelward'],
  tenant: { name: 'acme' },
  grants: [{ claim: 'roles', value: 'scorer', scopes: ['infer:digits'] }],
};
const certificate = { name: 'DNS:batch.example', tenant: 'acme', scopes: ['infer:digits'] };
const read = (identity: object, more: object = {}) => readGatewayConfig({ models, listen: { tls }, identity, ...more });

function refuse(identity: object, more: object = {}): string {
  try {
    read(identity, more);
  } catch (error) {
    const { code, fields } = error as ModelwardError;
    return `${code} ${String(fields.at ?? fields.scope)}`;
  }
  return 'taken';
}

describe('rules of a configuration', () => {
  test('for tokens have what was said, then the defaults of the file, then those of the program', () => {
    const { identity } = read({
      tokens: [{ ...token, tenant: { claim: ['org', 'name'] }, limits: { perMinute: 6 }, type: 'at+jwt' }],
      defaults: { limits: { perMinute: 60, burst: 5, daily: 1000 }, output: { topK: 1 } },
    });
    expect(toTokenRules(identity)).toEqual([
      {
        ...{ name: 'corp', issuer: 'https://id.example', audiences: ['modelward'], algorithms: ['RS256'] },
        ...{ jwksUri: null, type: 'at+jwt', tenant: { claim: ['org', 'name'] }, scopesFrom: null },
        grants: [{ claim: ['roles'], value: 'scorer', scopes: ['infer:digits'] }],
        limits: {
          ...{ perMinute: 6, burst: 5, concurrency: 16, daily: 1000 },
          ...{ lifetime: null, bodyBytesMax: null, batchMax: null },
        },
        output: { topK: 1, decimals: null, isLabelOnly: false, hidden: [] },
      },
    ]);
  });

  test('for certificates, too; a limit can be taken off again', () => {
    const { identity } = read({
      certificates: [{ ...certificate, limits: { daily: null } }],
      defaults: { limits: { daily: 5 } },
    });
    expect(toCertificateRules(identity)).toMatchObject([{ ...certificate, limits: { daily: null, perMinute: 120 } }]);
  });

  test.each([
    ['IDENTITY_RULES_INVALID corp.issuer', { tokens: [{ ...token, issuer: 'http://id.example' }] }],
    [
      'IDENTITY_RULES_INVALID corp.grants',
      { tokens: [{ ...token, grants: [{ ...token.grants[0], scopes: ['root'] }] }] },
    ],
    [
      'GATEWAY_CONFIG_MALFORMED identity.tokens.0: neither grants nor scopesFrom',
      { tokens: [{ ...token, grants: [] }] },
    ],
    ['GATEWAY_CONFIG_MALFORMED identity.tokens.1: name or issuer twice', { tokens: [token, { ...token, name: 'b' }] }],
    ['IDENTITY_RULES_INVALID certificates[0]', { certificates: [{ ...certificate, name: 'CN:x' }] }],
    ['GATEWAY_CONFIG_MALFORMED identity.trustedProxies.0: no network', { trustedProxies: ['10.0.0.1/8'] }],
    ['GATEWAY_CONFIG_MALFORMED identity.trustedProxies.1: everybody', { trustedProxies: ['10.0.0.0/8', '::/0'] }],
  ])('%s is refused', (told, identity) => {
    expect(refuse(identity)).toBe(told);
  });

  test.each([
    { tokens: [{ ...token, algorithms: ['HS256'] }] },
    { tokens: [{ ...token, audiences: [] }] },
    { tokens: [{ ...token, secret: 'x' }] },
    { tokens: [{ ...token, limits: { perMinute: 0 } }] },
    { tokens: Array<object>(9).fill(token) },
    { certificates: [{ ...certificate, scopes: [] }] },
    { pepper: 'a secret' },
  ])('%j is refused', (identity) => {
    expect(refuse(identity)).toMatch(/^GATEWAY_CONFIG_MALFORMED identity/);
  });

  test('for certificates that nobody is asked for are refused', () => {
    expect(refuse({ certificates: [certificate] }, { listen: {} })).toContain('asks for none');
  });
});

describe('stores of a configuration', () => {
  const store = { kind: 'redis', url: 'rediss://limits.example', machines: 2 };

  test('are memory and the home, unless they are named', () => {
    const plain = read({});
    expect([plain.limits.store, plain.database]).toEqual([{ kind: 'memory' }, undefined]);
    const { limits, database } = read({}, { limits: { store }, database: { file: 'db.url' } });
    expect(limits.store).toEqual({ ...store, cluster: false, timeoutMs: 250, whenAway: 'share' });
    expect(database).toEqual({ file: 'db.url' });
  });

  test.each([
    { limits: { store: { ...store, cluster: 'yes' } } },
    { limits: { store: { ...store, machines: undefined } } },
    { limits: { store: { ...store, password: 'x' } } },
    { limits: { store: { ...store, whenAway: 'admit' } } },
    { limits: { store: { ...store, timeoutMs: 60_000 } } },
    { limits: { store: { kind: 'memcached' } } },
    { database: { url: 'sqlite:x', file: 'y' } },
    { database: {} },
  ])('%j is refused', (more) => {
    expect(refuse({}, more)).toMatch(/^GATEWAY_CONFIG_MALFORMED (limits\.store|database)/);
  });
});
