import { describe, expect, test } from 'vitest';
import { LIMITS, makeKey, makePrincipal, makeRequest, WHOLE_OUTPUT } from '../../../test/fakes/api-keys.ts';
import type { GatewayRequest, IdentifyResult } from '../ports.ts';
import { createCertificateMapper } from './certificate.ts';
import { createIdentifier } from './identifier.ts';
import { createKeyHasher } from './key-hash.ts';
import { KeyIndex } from './key-index.ts';

const hasher = createKeyHasher(null);
const keys = new KeyIndex(hasher);
keys.trustUntil(Infinity);
const [mine, theirs] = [makeKey(hasher), makeKey(hasher, { tenant: 'globex' })];
keys.put(mine.record);
keys.put(theirs.record);

const certificates = createCertificateMapper([
  { name: 'DNS:batch.example', tenant: 'acme', scopes: ['infer:fraud'], limits: LIMITS, output: WHOLE_OUTPUT },
]);
const token: IdentifyResult = { isKnown: true, principal: makePrincipal({ id: 'jwt:corp:u', kind: 'jwt' }) };
const tokens = {
  identify: (text: string): IdentifyResult =>
    text === 'a.b.c' ? token : { isKnown: false, code: 'GATEWAY_CREDENTIAL_INVALID' },
};
const clock = { nowMs: () => 1000 };
const all = createIdentifier({ keys, tokens, certificates, clock });
const bare = createIdentifier({ keys, tokens: null, certificates: null, clock });

const cert = (name: string, endsMs = 2000) => ({ subjectAltNames: [name], sha256Hex: name, endsMs });
const known = cert('DNS:batch.example');

function tell(result: IdentifyResult | Promise<IdentifyResult>): string {
  if (result instanceof Promise) throw new TypeError('known at once');
  return result.isKnown ? result.principal.id : result.code;
}

const ask = (headers: GatewayRequest['headers'], certificate: GatewayRequest['peer']['certificate'] = null): string =>
  tell(all.identify(makeRequest(headers, { certificate })));

const MINE = `key:${mine.record.id}`;

describe('one credential', () => {
  test('a key in either header, a token, or a certificate', () => {
    expect(ask({ authorization: `Bearer ${mine.text}` })).toBe(MINE);
    expect(ask({ authorization: `bEARER ${mine.text}` })).toBe(MINE);
    expect(ask({ 'x-api-key': mine.text })).toBe(MINE);
    expect(ask({ authorization: 'Bearer a.b.c' })).toBe('jwt:corp:u');
    expect(ask({}, known)).toBe('mtls:DNS:batch.example');
    expect(tell(bare.identify(makeRequest({ authorization: `Bearer ${mine.text}` })))).toBe(MINE);
  });

  test('none is told apart from a wrong one', () => {
    expect(ask({})).toBe('GATEWAY_CREDENTIAL_MISSING');
    expect(tell(bare.identify(makeRequest({}, { certificate: known })))).toBe('GATEWAY_CREDENTIAL_MISSING');
    expect(ask({}, cert('DNS:other.example'))).toBe('GATEWAY_CREDENTIAL_INVALID');
  });

  test.each([
    '',
    'Bearer',
    'Bearer ',
    `Basic ${mine.text}`,
    `Bearer  ${mine.text}`,
    `Bearer ${mine.text} `,
    `Bearer\t${mine.text}`,
    mine.text,
    `Bearer ${mine.text}, Bearer ${mine.text}`,
    `Bearer ${mine.text.toUpperCase()}`,
    "Bearer ' OR '1'='1' --",
    "Bearer mwk_live_'; DROP TABLE apikey; --",
    'Bearer mwk_live_%27%20OR%201=1',
    `Bearer ${'mwk_live_'.padEnd(45, '*')}`,
    `Bearer ${'a'.repeat(8193)}`,
    'Bearer __proto__',
    'Bearer \0',
  ])('authorization "%s" is refused', (authorization) => {
    expect(ask({ authorization })).toBe('GATEWAY_CREDENTIAL_INVALID');
    expect(tell(bare.identify(makeRequest({ authorization })))).toBe('GATEWAY_CREDENTIAL_INVALID');
  });

  test('x-api-key takes keys alone', () => {
    for (const text of ['a.b.c', '', `Bearer ${mine.text}`, `${mine.text}, ${mine.text}`]) {
      expect(ask({ 'x-api-key': text })).toBe('GATEWAY_CREDENTIAL_INVALID');
    }
  });
});

describe('more than one', () => {
  test('that agree are the narrower one', () => {
    expect(ask({ authorization: `Bearer ${mine.text}`, 'x-api-key': mine.text })).toBe(MINE);
    expect(ask({ authorization: `Bearer ${mine.text}` }, known)).toBe(MINE);
    expect(ask({ authorization: 'Bearer a.b.c' }, known)).toBe('jwt:corp:u');
  });

  test('that disagree are refused', () => {
    expect(ask({ authorization: `Bearer ${mine.text}`, 'x-api-key': theirs.text })).toBe('GATEWAY_CREDENTIAL_INVALID');
    expect(ask({ authorization: 'Bearer a.b.c', 'x-api-key': mine.text })).toBe('GATEWAY_CREDENTIAL_INVALID');
    expect(ask({ authorization: `Bearer ${theirs.text}` }, known)).toBe('GATEWAY_CREDENTIAL_INVALID');
    expect(ask({ authorization: 'Bearer wrong' }, known)).toBe('GATEWAY_CREDENTIAL_INVALID');
    expect(ask({ authorization: '' }, known)).toBe('GATEWAY_CREDENTIAL_INVALID');
  });

  test('a certificate that ended while its connection was open is nobody, alone and beside a key', () => {
    const ended = cert('DNS:batch.example', 1000);
    expect(ask({}, ended)).toBe('GATEWAY_CREDENTIAL_EXPIRED');
    expect(ask({ authorization: `Bearer ${mine.text}` }, ended)).toBe('GATEWAY_CREDENTIAL_EXPIRED');
  });

  test('a certificate that no rule knows only secures the line', () => {
    expect(ask({ authorization: `Bearer ${theirs.text}` }, cert('DNS:proxy.example'))).toBe(`key:${theirs.record.id}`);
  });
});

describe('a head that came before', () => {
  test('its key is hashed once, and judged each time', () => {
    let hashes = 0;
    const counted = new KeyIndex({
      scheme: hasher.scheme,
      toHash: (text) => {
        hashes += 1;
        return hasher.toHash(text);
      },
    });
    counted.trustUntil(2000);
    counted.put(mine.record);
    let nowMs = 1000;
    const identifier = createIdentifier({
      ...{ keys: counted, tokens: null, certificates: null },
      clock: { nowMs: () => nowMs },
    });
    const request = makeRequest({ authorization: `Bearer ${mine.text}` });
    const other = makeRequest({ authorization: `Bearer ${theirs.text}` });
    const heads = [{}, {}];
    const again = (): string => tell(identifier.identify({ ...request, knownHead: heads[0] }));
    expect([again(), again(), again(), hashes]).toEqual([MINE, MINE, MINE, 1]);
    expect(tell(identifier.identify({ ...other, knownHead: heads[1] }))).toBe('GATEWAY_CREDENTIAL_INVALID');
    expect([tell(identifier.identify({ ...request, knownHead: null })), hashes]).toEqual([MINE, 3]);
    counted.remove(mine.record.id);
    expect(again()).toBe('GATEWAY_CREDENTIAL_INVALID');
    counted.put(mine.record);
    expect(again()).toBe(MINE);
    nowMs = 2000;
    expect([again(), hashes]).toEqual(['GATEWAY_IDENTITY_UNAVAILABLE', 3]);
  });
});
