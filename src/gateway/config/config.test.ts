import { describe, expect, test } from 'vitest';
import type { ModelwardError } from '../../core/errors.ts';
import { isLoopback, readGatewayConfig } from './index.ts';

const models = [{ name: 'digits', file: '/m.onnx' }];
const tls = { cert: '/c.pem', key: '/k.pem' };

function refuse(input: unknown): Pick<ModelwardError, 'code' | 'fields'> {
  try {
    readGatewayConfig(input);
  } catch (error) {
    const { code, fields } = error as ModelwardError;
    return { code, fields };
  }
  throw new Error('was taken');
}

describe('a configuration', () => {
  test('of a model alone listens on loopback, and has all defaults', () => {
    expect(readGatewayConfig({ models })).toMatchObject({
      listen: { host: '127.0.0.1', port: 8443 },
      openHealth: false,
      protocols: ['oip', 'oip-grpc'],
      models: [{ name: 'digits', version: '1', instances: 1, batchRows: 32 }],
      limits: { batchMax: 64, bodyBytesMax: 16 * 1024 * 1024 },
      integrity: { sign: false },
    });
  });

  test('is told of every member that is wrong, by its place', () => {
    const bad = { models: [{ name: '../x', file: '/m' }], listen: { port: 70_000 }, typo: 1, limits: { batchMax: 0 } };
    const { code, fields } = refuse(bad);
    expect(code).toBe('GATEWAY_CONFIG_MALFORMED');
    const places = (fields.at as readonly string[]).map((line) => line.slice(0, line.indexOf(':')));
    expect(places).toEqual(expect.arrayContaining(['models.0.name', 'listen.port', 'limits.batchMax', '(all)']));
  });

  test('that serves nothing is told so beside all else', () => {
    expect(refuse({ models: [], typo: 1 }).fields.at).toEqual(['models: none, and no upstreams', expect.any(String)]);
  });

  test.each([null, [], 'text', {}, { models: [] }])('%j is none', (input) => {
    expect(refuse(input).code).toBe('GATEWAY_CONFIG_MALFORMED');
  });

  test('never speaks plaintext beyond loopback', () => {
    for (const host of ['0.0.0.0', '::', '10.0.0.1', 'gateway.example.com', '127.0.0.1.example.com']) {
      expect(refuse({ models, listen: { host } })).toEqual({ code: 'GATEWAY_CONFIG_EXPOSED', fields: { host } });
      expect(readGatewayConfig({ models, listen: { host, tls } }).listen.host).toBe(host);
    }
    expect(['127.0.0.1', '127.9.9.9', '::1', 'localhost'].every(isLoopback)).toBe(true);
  });

  test('that asks for client certificates says who signs them', () => {
    const listen = { tls: { ...tls, clientCertificates: 'required' } };
    expect(refuse({ models, listen }).fields).toEqual({ at: ['listen.tls.clientAuthorities: missing'] });
  });

  test('has each version once', () => {
    expect(refuse({ models: [...models, ...models] }).fields).toEqual({ at: ['models: digits 1 twice'] });
    expect(readGatewayConfig({ models: [...models, { ...models[0], version: '2' }] }).models).toHaveLength(2);
  });
});

describe('servers behind', () => {
  const behind = { name: 's', url: 'https://s', protocol: 'oip', models: [{ name: 'net' }] };
  const placesOf = (input: unknown): readonly string[] =>
    (refuse(input).fields.at as readonly string[]).map((line) => line.slice(0, line.indexOf(':')));

  test('need no model beside them, and say what the gateway is asked by', () => {
    const { protocols, models, upstreams, integrity } = readGatewayConfig({ upstreams: [behind] });
    expect([protocols, models, upstreams[0].models[0].versions, integrity.tensors]).toEqual([['oip'], [], [], true]);
    expect(readGatewayConfig({ upstreams: [{ ...behind, protocol: 'openai' }] }).protocols).toEqual(['openai']);
    expect(readGatewayConfig({ models: [{ name: 'a', file: '/a' }], upstreams: [behind] }).protocols).toEqual([
      ...['oip', 'oip-grpc'],
    ]);
  });

  test('of one model are one for each protocol; a signature is read as the protocol spells it', () => {
    const tensor = { name: 'x', datatype: 'FP16', shape: [-1, 3] };
    const models = [{ name: 'net', signature: { inputs: [tensor], outputs: [{ ...tensor, datatype: 'BYTES' }] } }];
    const { upstreams } = readGatewayConfig({
      upstreams: [
        { ...behind, models },
        { ...behind, name: 't', protocol: 'oip-grpc' },
      ],
    });
    expect(upstreams[0].models[0].signature).toEqual({
      inputs: [{ name: 'x', dtype: 'f16', shape: [null, 3] }],
      outputs: [{ name: 'x', dtype: 'string', shape: [null, 3] }],
    });
  });

  test.each<readonly [string, object, readonly string[]]>([
    ['no address', { url: 'ftp://s' }, ['upstreams.0.url']],
    ['a credential in it', { url: 'https://a:b@s' }, ['upstreams.0.url']],
    ['an unknown protocol', { protocol: 'grpc' }, ['upstreams.0.protocol']],
    ['no model', { models: [] }, ['upstreams.0.models']],
    ['a model twice', { models: [{ name: 'net' }, { name: 'net' }] }, ['upstreams.0.models']],
    ['half a certificate', { tls: { cert: '/c' } }, ['upstreams.0.tls']],
    ['a way to other folders', { path: '/a/../b' }, ['upstreams.0.path']],
    ['a question that gRPC has not', { protocol: 'oip-grpc', readiness: { path: '/up' } }, ['upstreams.0.readiness']],
    [
      'a server that tells no signature',
      { protocol: 'openai', models: [{ name: 'net', signature: 'server' }] },
      ['upstreams.0.models'],
    ],
    [
      'no datatype',
      { models: [{ name: 'net', signature: { inputs: [{ name: 'x', datatype: 'FLOAT', shape: [] }], outputs: [] } }] },
      ['upstreams.0.models.0.signature'],
    ],
    ['a member that there is none of', { retries: 3 }, ['upstreams.0']],
  ])('with %s are refused by their place', (_name, change, places) => {
    expect(placesOf({ upstreams: [{ ...behind, ...change }] })).toEqual(places);
  });

  test('have names of their own, models that the gateway does not hold, and a protocol that is spoken', () => {
    expect(placesOf({ upstreams: [behind, { ...behind, models: [{ name: 'other' }] }] })).toEqual(['upstreams.1.name']);
    expect(placesOf({ upstreams: [behind], models: [{ name: 'net', file: '/n' }] })).toEqual(['upstreams.0.models']);
    expect(placesOf({ upstreams: [behind], protocols: ['openai'] })).toEqual(['upstreams.0.protocol']);
  });
});
