import { expect, test } from 'vitest';
import { readGatewayConfig, toAbsoluteOperations } from './index.ts';

const models = [{ name: 'digits', file: '/m.onnx' }];
const tls = { cert: 'c.pem', key: 'k.pem' };

test('the admin listener is off unless it is named, and on loopback unless it is covered', () => {
  expect(readGatewayConfig({ models }).admin).toBeUndefined();
  expect(readGatewayConfig({ models, admin: {} }).admin).toMatchObject({
    host: '127.0.0.1',
    port: 8444,
    openMetrics: false,
  });
  const toCode = (admin: object) => () => readGatewayConfig({ models, admin });
  expect(toCode({ host: '0.0.0.0' })).toThrow(expect.objectContaining({ code: 'GATEWAY_CONFIG_EXPOSED' }));
  expect(toCode({ host: '0.0.0.0', tls })()).toMatchObject({ admin: { host: '0.0.0.0' } });
  expect(toCode({ host: '0.0.0.0', tls, openMetrics: true })).toThrow(
    expect.objectContaining({
      code: 'GATEWAY_CONFIG_MALFORMED',
      fields: { at: ['admin.openMetrics: on loopback alone'] },
    }),
  );
});

test('numbers and names are bounded, and unknown members refused', () => {
  for (const [place, wrong] of [
    ['metrics.topCallers', { metrics: { topCallers: 101 } }],
    ['telemetry.sampleRatio', { telemetry: { url: 'https://c', sampleRatio: 1.1 } }],
    ['telemetry.everyMs', { telemetry: { url: 'https://c', everyMs: 1 } }],
    ['telemetry.resource.A B', { telemetry: { url: 'https://c', resource: { 'A B': 'x' } } }],
    ['journal.lines', { journal: { lines: 'some' } }],
    ['log.retentionDays', { log: { retentionDays: 0 } }],
    ['limits.drainDelayMs', { limits: { drainDelayMs: -1 } }],
    ['log', { log: { hashKey: 'ab' } }],
  ] as const) {
    let at: readonly string[] = [];
    try {
      readGatewayConfig({ models, ...wrong });
    } catch (error) {
      at = (error as { fields: { at: readonly string[] } }).fields.at;
    }
    expect(at.map((line) => line.slice(0, line.indexOf(':')))).toEqual([place]);
  }
});

test('paths count from the folder of the configuration', () => {
  const config = readGatewayConfig({
    models,
    ...{ admin: { tls }, journal: { file: 'j' }, log: { hashKeyFile: 'h' } },
    telemetry: { url: 'https://c', headersFile: 't', authority: 'a' },
  });
  expect(toAbsoluteOperations(config, (path) => `/x/${path}`)).toMatchObject({
    admin: { tls: { cert: '/x/c.pem', key: '/x/k.pem' } },
    journal: { file: '/x/j' },
    log: { hashKeyFile: '/x/h' },
    telemetry: { url: 'https://c', headersFile: '/x/t', authority: '/x/a' },
  });
});
