import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { expect, test } from 'vitest';
import { LIMITS, WHOLE_OUTPUT } from '../../../test/fakes/api-keys.ts';
import { utf8 } from '../../core/bytes.ts';
import { GatewayError } from '../../core/errors.ts';
import { watchIssuers } from './issuer-watch.ts';
import { openTokenVerifier } from './open-tokens.ts';

const START_SEC = 1_800_000_000;

test('issuers are asked at the start and before their keys are old; one that is away from the start is told, and its tokens wait', async () => {
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  const jwk = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256' };
  const state = { nowMs: START_SEC * 1000, isAway: true, asked: 0 };
  const verifier = await openTokenVerifier({
    issuers: ['one', 'other'].map((name) => ({
      ...{ name, issuer: `https://${name}.example`, audiences: ['modelward'], algorithms: ['ES256'] as const },
      ...{ jwksUri: `https://${name}.example/keys`, type: null, tenant: { name }, scopesFrom: null },
      ...{ grants: [], limits: LIMITS, output: WHOLE_OUTPUT },
    })),
    clock: { nowMs: () => state.nowMs },
    toLink: ({ name }) => ({
      get: () => {
        if (name === 'one') state.asked += 1;
        if (name === 'other' && state.isAway) return Promise.reject(new GatewayError('JWKS_UNAVAILABLE'));
        return Promise.resolve(utf8(JSON.stringify({ keys: [jwk] })));
      },
    }),
  });
  const told: string[] = [];
  const stop = new AbortController();
  let turn = (): void => undefined;
  let paused = (): void => undefined;
  const nextPause = (): Promise<void> => new Promise((done) => (paused = done));
  const first = nextPause();
  const watching = watchIssuers({
    ...{ verifier, signal: stop.signal },
    pause: () =>
      new Promise((done) => {
        turn = done;
        paused();
      }),
    onChange: ({ issuer, code }) => told.push(`${issuer} ${code ?? 'back'}`),
  });
  await first;
  const look = async (afterMs: number): Promise<void> => {
    state.nowMs += afterMs;
    const again = nextPause();
    turn();
    await again;
  };
  const ask = async (name: string): Promise<string> => {
    const claims = { iss: `https://${name}.example`, aud: 'modelward', sub: 'u', exp: START_SEC + 7200 };
    const token = await new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: 'k1' }).sign(privateKey);
    const result = await verifier.identify(token, state.nowMs);
    return result.isKnown ? 'known' : result.code;
  };
  expect(told).toEqual(['other JWKS_UNAVAILABLE']);
  expect(await ask('one')).toBe('known');
  expect(await ask('other')).toBe('GATEWAY_IDENTITY_UNAVAILABLE');
  await look(30_000);
  expect([told.length, state.asked]).toEqual([1, 1]);
  state.isAway = false;
  await look(30_000);
  expect(told.at(-1)).toBe('other back');
  expect(await ask('other')).toBe('known');
  await look(600_000);
  expect(state.asked).toBe(2);
  stop.abort();
  turn();
  await watching;
});
