import { describe, expect, test } from 'vitest';
import { makeKey } from '../../../test/fakes/api-keys.ts';
import { codeOf } from '../../../test/error-code.ts';
import { createKeyHasher } from './key-hash.ts';
import { createNetworkCheck } from './networks.ts';
import { toApiKeyRecord } from './record.ts';
import { assertScopes, isScope, mayAdminister, mayUseModel } from './scopes.ts';

const { record } = makeKey(createKeyHasher(null));

describe('a record', () => {
  test('is taken as it is', () => {
    expect(toApiKeyRecord(JSON.parse(JSON.stringify(record)))).toEqual(record);
  });

  test.each([
    ['id', { id: 'k_1' }],
    ['name', { name: 'line\nend' }],
    ['name', { name: '' }],
    ['tenant', { tenant: 'a b' }],
    ['limits.perMinute', { limits: { ...record.limits, perMinute: 0 } }],
    ['limits.perMinute', { limits: { ...record.limits, perMinute: 1.5 } }],
    ['limits.burst', { limits: { ...record.limits, burst: 1e9 } }],
    ['limits.daily', { limits: { ...record.limits, daily: -1 } }],
    ['limits.concurrency', { limits: { ...record.limits, concurrency: 0 } }],
    // A row of the log has four bytes for it.
    ['limits.batchMax', { limits: { ...record.limits, batchMax: 2 ** 32 } }],
    ['output.decimals', { output: { ...record.output, decimals: 16 } }],
    ['secrets', { secrets: [] }],
    ['secrets', { secrets: Array.from({ length: 3 }, () => record.secrets[0]) }],
    ['secrets.0.hashHex', { secrets: [{ ...record.secrets[0], hashHex: 'x' }] }],
    ['expiresMs', { notBeforeMs: 5, expiresMs: 5 }],
  ])('with a wrong %s is refused, and the member is named', (at, changes) => {
    expect(() => toApiKeyRecord({ ...record, ...changes })).toThrow(
      expect.objectContaining({ code: 'APIKEY_FIELD_INVALID', fields: { at } }),
    );
  });

  test('with wrong scopes or networks is refused by their codes', () => {
    expect(codeOf(() => toApiKeyRecord({ ...record, scopes: ['infer'] }))).toBe('APIKEY_SCOPE_INVALID');
    expect(codeOf(() => toApiKeyRecord({ ...record, networks: ['10.0.0.1/8'] }))).toBe('APIKEY_CIDR_INVALID');
  });
});

describe('scopes', () => {
  test.each([
    'infer:fraud',
    'meta:team/fraud',
    'infer:*',
    'meta:*',
    'keys:read',
    'keys:write',
    'audit:read',
    'metrics:read',
    'admin',
  ])('%s is one', (scope) => {
    expect(isScope(scope)).toBe(true);
  });

  test.each([
    '',
    '*',
    'infer',
    'infer:',
    'infer:**',
    'infer:a*',
    'infer: a',
    'Infer:a',
    'keys:*',
    'admin:*',
    '__proto__',
    'infer:../x',
    `infer:${'a'.repeat(129)}`,
  ])('"%s" is none', (scope) => {
    expect(isScope(scope)).toBe(false);
    expect(
      codeOf(() => {
        assertScopes([scope]);
      }),
    ).toBe('APIKEY_SCOPE_INVALID');
  });

  test('nothing is allowed that no scope names, and none implies another', () => {
    expect(mayUseModel([], 'infer', 'fraud')).toBe(false);
    expect(mayUseModel(['infer:fraud'], 'infer', 'fraud')).toBe(true);
    expect(mayUseModel(['infer:*'], 'infer', 'anything')).toBe(true);
    for (const model of ['Fraud', 'fraud2', 'frau', '', '*', 'x:fraud', ' fraud']) {
      expect(mayUseModel(['infer:fraud', 'admin', 'keys:write'], 'infer', model), model).toBe(false);
    }
    expect(mayUseModel(['infer:*'], 'meta', 'fraud')).toBe(false);
    expect(mayUseModel(['meta:fraud'], 'infer', 'fraud')).toBe(false);
    expect(mayAdminister(['admin'], 'keys:write')).toBe(false);
    expect(mayAdminister(['keys:write'], 'keys:write')).toBe(true);
    expect(mayAdminister(['infer:*'], 'admin')).toBe(false);
  });

  test('too many are refused', () => {
    expect(
      codeOf(() => {
        assertScopes(Array.from({ length: 65 }, (_, at) => `infer:m${at}`));
      }),
    ).toBe('APIKEY_SCOPE_INVALID');
  });
});

describe('networks', () => {
  test.each([
    [['0.0.0.0/0'], ['1.2.3.4'], ['::1']],
    [['::/0'], ['2001:db8::1', '::1'], ['1.2.3.4']],
    [
      ['10.0.0.0/8', '192.0.2.7/32'],
      ['10.255.255.255', '192.0.2.7'],
      ['11.0.0.0', '192.0.2.8', '9.255.255.255'],
    ],
    [['2001:db8:1::/48'], ['2001:db8:1:ffff::1'], ['2001:db8:2::1']],
    [['fe80::1/128'], ['fe80::1', 'FE80:0:0:0:0:0:0:1'], ['fe80::2']],
  ])('%j hold %j and not %j', (networks, inside, outside) => {
    const isIn = createNetworkCheck(networks);
    for (const address of inside) expect(isIn(address), address).toBe(true);
    for (const address of outside) expect(isIn(address), address).toBe(false);
  });

  test.each([
    '10.0.0.0',
    '10.0.0.0/33',
    '10.0.0.1/24',
    '2001:db8::1/64',
    '::/129',
    '10.0.0.0/8 ',
    '10.0.0/8',
    '::ffff:10.0.0.0/104',
    'host/8',
    '/8',
    '10.0.0.0/-1',
    '010.0.0.0/8',
  ])('"%s" is refused', (network) => {
    expect(codeOf(() => createNetworkCheck([network]))).toBe('APIKEY_CIDR_INVALID');
  });
});
