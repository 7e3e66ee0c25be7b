import { describe, expect, test } from 'vitest';
import type { ModelwardError } from '../../core/errors.ts';
import { readGatewayConfig, toPlatformPrincipal } from './index.ts';

const anonymous = { scopes: ['infer:digits'] };
const config = (change: object = {}, rest: object = {}): unknown => ({
  models: [{ name: 'digits', file: '/m.seal' }],
  listen: { host: '0.0.0.0', port: 8080 },
  protocols: ['sagemaker'],
  platform: { kind: 'sagemaker', anonymous, ...change },
  ...rest,
});

function refuse(input: unknown): unknown {
  try {
    readGatewayConfig(input);
  } catch (error) {
    const { code, fields } = error as ModelwardError;
    return [code, fields.at];
  }
  throw new Error('was taken');
}

describe('a platform of containers', () => {
  test('opens plaintext beyond loopback to callers without a name, and says what they may', () => {
    const { platform } = readGatewayConfig(config());
    expect(toPlatformPrincipal(platform!)).toMatchObject({
      ...{ id: 'platform:sagemaker', tenant: 'platform', scopes: ['infer:digits'], tagKey: null },
      limits: { perMinute: 120, burst: 20 },
    });
  });

  test('opens nothing that it does not say: without it, neither is taken', () => {
    expect(refuse(config({}, { platform: undefined }))).toEqual(['GATEWAY_CONFIG_EXPOSED', undefined]);
    expect(refuse(config({ anonymous: undefined }))).toMatchObject(['GATEWAY_CONFIG_MALFORMED', [expect.any(String)]]);
    expect(refuse(config({ anonymous: { scopes: [] } }))).toMatchObject([
      'GATEWAY_CONFIG_MALFORMED',
      expect.anything(),
    ]);
  });

  test.each([
    [config({ anonymous: { scopes: ['admin'] } }), 'platform.anonymous.scopes'],
    [config({}, { protocols: ['sagemaker', 'oip'] }), 'protocols'],
    [config({}, { listen: { tls: { cert: '/c', key: '/k' } } }), 'platform'],
    [config({ kind: 'vertex', predictRoute: '/a/../b' }, { protocols: ['vertex'] }), 'platform.predictRoute'],
    [config({ kind: 'other' }), 'platform.kind'],
  ])('is refused where it would open more: %j', (input, place) => {
    const [code, at] = refuse(input) as [string, readonly string[]];
    expect([code, at.some((line) => line.startsWith(`${place}:`))]).toEqual(['GATEWAY_CONFIG_MALFORMED', true]);
  });
});
