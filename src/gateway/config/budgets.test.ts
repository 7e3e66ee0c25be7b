import { describe, expect, test } from 'vitest';
import type { ModelwardError } from '../../core/errors.ts';
import { findUnseenTenants, readGatewayConfig } from './index.ts';

const models = [{ name: 'digits', file: '/m.onnx' }];
const upstreams = [{ name: 's', url: 'https://s', protocol: 'oip', models: [{ name: 'llama' }] }];

describe('budgets', () => {
  test('of models that nobody serves are refused, with the name that was meant', () => {
    const budgets = { digits: { daily: 1 }, llama: {}, digitz: { daily: 1 }, other: {} };
    let thrown: ModelwardError | null = null;
    try {
      readGatewayConfig({ models, upstreams, budgets });
    } catch (error) {
      thrown = error as ModelwardError;
    }
    expect(thrown).toMatchObject({
      code: 'GATEWAY_CONFIG_MALFORMED',
      fields: {
        at: ['budgets.digitz: no model of this name is served', 'budgets.other: no model of this name is served'],
        didYouMean: ['digits'],
      },
    });
    expect(readGatewayConfig({ models, upstreams, budgets: { llama: {} } }).budgets).toEqual({ llama: {} });
  });

  test('of tenants of whom there is neither a key nor a rule are found, with the nearest that is there', () => {
    const tls = { cert: '/c', key: '/k', clientCertificates: 'optional', clientAuthorities: '/a' };
    const token = { name: 'idp', issuer: 'https://i', audiences: ['a'], scopesFrom: { claim: 'scp' } };
    const certificates = [{ name: 'DNS:a', tenant: 'globex', scopes: ['infer:*'] }];
    const tenants = { acme: {}, acmee: {}, globex: {}, umbrella: {}, unknown: {} };
    const read = (tenant: object) =>
      readGatewayConfig({
        models,
        tenants,
        listen: { tls },
        identity: { certificates, tokens: [{ ...token, tenant }] },
      });
    expect(findUnseenTenants(read({ name: 'umbrella' }), ['acme'])).toEqual([
      { name: 'acmee', nearest: 'acme' },
      { name: 'unknown', nearest: null },
    ]);
    expect(findUnseenTenants(read({ claim: 'org' }), [])).toEqual([]);
  });
});
