/** Whether a server is ready: after how many bad answers it is not, and when it is again. */
import { expect, test } from 'vitest';
import { GatewayError } from '../../core/errors.ts';
import type { UpstreamAnswer } from '../../gateway/ports.ts';
import { watchReadiness } from './readiness.ts';

const request = { method: 'GET', path: '/v2/health/ready', headers: [], body: new Uint8Array(), isStreamed: false };

test('one good answer makes ready, so many bad ones in a row do not any more; a full line says nothing', async () => {
  const answers: (number | GatewayError)[] = [];
  const changes: boolean[] = [];
  const readiness = watchReadiness({
    upstream: {
      send: ({ path }): Promise<UpstreamAnswer> => {
        expect(path).toBe('/v2/health/ready');
        const next = answers.shift() ?? 503;
        return typeof next === 'number'
          ? Promise.resolve({ status: next, headers: [], body: new Uint8Array() })
          : Promise.reject(next);
      },
    },
    ...{
      request,
      intervalMs: 3_600_000,
      timeoutMs: 1000,
      failuresMax: 3,
      onChange: (isReady) => changes.push(isReady),
    },
  });
  expect(readiness.isReady()).toBe(false);
  await readiness.look();
  const seen: boolean[] = [];
  const [lost, full] = [new GatewayError('GATEWAY_UPSTREAM_UNREACHABLE'), new GatewayError('GATEWAY_OVERLOADED')];
  for (const answer of [503, 200, 503, lost, 200, 500, full, lost, full, 200, lost, lost, lost, lost, 200]) {
    answers.push(answer);
    seen.push(await readiness.look());
  }
  expect(seen).toEqual([false, true, true, true, true, true, true, true, true, true, true, true, false, false, true]);
  expect(changes).toEqual([true, false, true]);
  readiness.stop();
});
