/** Who is refused before his body is read. */
import { expect, test } from 'vitest';
import { createAddressLimiter } from '../limits/index.ts';
import type { GatewayRequest, IdentifyResult } from '../ports.ts';
import { createGreeter } from './greet.ts';

const request = { peer: { address: '192.0.2.1', certificate: null }, headers: {} } as unknown as GatewayRequest;
const known = { isKnown: true, principal: { id: 'key:k_1' } } as IdentifyResult;
const unknown: IdentifyResult = { isKnown: false, code: 'GATEWAY_CREDENTIAL_MISSING' };

function open(results: readonly (IdentifyResult | Promise<IdentifyResult>)[]) {
  const addresses = createAddressLimiter({ policy: { perMinute: 2, burst: 2 }, nowUs: () => 0 });
  let at = 0;
  return createGreeter({ addresses, identifier: { identify: () => results[at++] } });
}

test('those who are known go on, at once or once it is known', async () => {
  const greet = open([known, Promise.resolve(known)]);
  expect([greet(request), await greet(request)]).toEqual([{ id: 'key:k_1' }, { id: 'key:k_1' }]);
});

test('others are told why, and their address is not listened to any more after so many failures', async () => {
  const greet = open([unknown, Promise.resolve(unknown), known]);
  expect([greet(request), await greet(request), greet(request)]).toEqual([
    'GATEWAY_CREDENTIAL_MISSING',
    'GATEWAY_CREDENTIAL_MISSING',
    'GATEWAY_RATE_LIMITED',
  ]);
});

test('whose credential cannot be looked up has not failed: his address is listened to on', async () => {
  const away: IdentifyResult = { isKnown: false, code: 'GATEWAY_IDENTITY_UNAVAILABLE' };
  const greet = open([away, Promise.resolve(away), away, known]);
  const told = [greet(request), await greet(request), greet(request), greet(request)];
  expect(told).toEqual([...Array<string>(3).fill('GATEWAY_IDENTITY_UNAVAILABLE'), { id: 'key:k_1' }]);
});
