/** API keys, principals and requests for tests of the gateway. */
import { randomFillSync } from 'node:crypto';
import type { Random } from '../../src/core/ports.ts';
import { drawBase62, drawKeyText, type KeyHasher } from '../../src/gateway/index.ts';
import type { ApiKeyRecord, GatewayRequest, Principal, PrincipalLimits } from '../../src/gateway/ports.ts';

export const chance: Random = {
  fill: (into) => {
    randomFillSync(into);
  },
};

export const LIMITS: PrincipalLimits = {
  perMinute: 120,
  burst: 20,
  daily: null,
  lifetime: null,
  concurrency: 16,
  bodyBytesMax: null,
  batchMax: null,
};

export const WHOLE_OUTPUT = { topK: null, decimals: null, isLabelOnly: false, hidden: [] };

export interface MadeKey {
  readonly text: string;
  readonly record: ApiKeyRecord;
}

/** A key and its record, as `apikey create` makes them. */
export function makeKey(hasher: KeyHasher, changes: Partial<ApiKeyRecord> = {}): MadeKey {
  const text = drawKeyText(chance);
  const times = { createdMs: 0, endsMs: null, usedMs: null };
  const record: ApiKeyRecord = {
    id: `k_${drawBase62(chance, 16)}`,
    name: 'a customer',
    tenant: 'acme',
    scopes: ['infer:fraud', 'meta:fraud'],
    limits: LIMITS,
    networks: [],
    output: WHOLE_OUTPUT,
    notBeforeMs: null,
    expiresMs: null,
    createdMs: 0,
    revokedMs: null,
    secrets: [{ hashHex: hasher.toHash(text), scheme: hasher.scheme, last4: text.slice(-4), ...times }],
    ...changes,
  };
  return { text, record };
}

export function makePrincipal(changes: Partial<Principal> = {}): Principal {
  return {
    ...{ id: 'key:k_0123456789abcdef', kind: 'api-key', tenant: 'acme', scopes: ['infer:fraud'] },
    ...{ limits: LIMITS, output: WHOLE_OUTPUT, tagKey: null },
    ...changes,
  };
}

export function makeRequest(
  headers: GatewayRequest['headers'],
  peer: Partial<GatewayRequest['peer']> = {},
): GatewayRequest {
  return {
    ...{ method: 'POST', path: '/v2/models/fraud/infer', query: '', headers, body: new Uint8Array() },
    peer: { address: '192.0.2.7', certificate: null, ...peer },
    httpVersion: '1.1',
    signal: new AbortController().signal,
  };
}
