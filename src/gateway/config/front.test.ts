import { expect, test } from 'vitest';
import type { ModelwardError } from '../../core/errors.ts';
import { readGatewayConfig, toFrontLimits } from './index.ts';

const models = [{ name: 'digits', file: '/m.onnx' }];
const toLimits = (more: object) => toFrontLimits(readGatewayConfig({ models, ...more }));

test('the front has what the configuration says, and else what is usual', () => {
  expect(toLimits({})).toEqual({
    ...{ bodyBytesMax: 16 * 1024 * 1024, bodiesBytesMax: 512 * 1024 * 1024, connectionsMax: 4096 },
    ...{ requestTimeoutMs: 30_000, idleTimeoutMs: 30_000, answerTimeoutMs: 305_000 },
  });
  const limits = { bodyBytesMax: 1, bodiesBytesMax: 2, connections: 20_000, requestTimeoutMs: 300, idleTimeoutMs: 400 };
  expect(toLimits({ limits })).toMatchObject({
    ...{ bodyBytesMax: 1, bodiesBytesMax: 2, connectionsMax: 20_000, requestTimeoutMs: 300, idleTimeoutMs: 400 },
  });
});

test('its patience for an answer is longer than that of every model and every server', () => {
  expect(toLimits({ models: [{ ...models[0], runTimeoutMs: 600_000 }] }).answerTimeoutMs).toBeGreaterThan(600_000);
  const slow = { headersTimeoutMs: 900_000, answerTimeoutMs: 1000, waitTimeoutMs: 7000, connectTimeoutMs: 300 };
  const upstream = { name: 'far', url: 'https://h', protocol: 'openai', models: [{ name: 'llm' }], limits: slow };
  expect(toLimits({ upstreams: [upstream] }).answerTimeoutMs).toBeGreaterThan(907_300);
});

test('bodies together that have no room for one are refused', () => {
  const told = (): unknown => {
    try {
      return readGatewayConfig({ models, limits: { bodyBytesMax: 2000, bodiesBytesMax: 1999 } });
    } catch (error) {
      return (error as ModelwardError).fields;
    }
  };
  expect(told()).toEqual({ at: ['limits.bodiesBytesMax: less than limits.bodyBytesMax'] });
});
