/** `apikey create`, `rotate`, `revoke`, `list`: who may ask the gateway. Every change is in the ledger before it holds. */
import { toBase64Url } from '../../core/base64url.ts';
import { toHex, utf8, zeroize } from '../../core/bytes.ts';
import { toCanonicalJsonBytes } from '../../core/canonical-json.ts';
import { GatewayError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import { API_KEY_LIMITS } from '../../core/limits/api-keys.ts';
import type { Clock, Random } from '../../core/ports.ts';
import {
  assertRoom,
  deriveTagKey,
  drawBase62,
  drawKeyText,
  type KeyHasher,
  toApiKeyRecord,
} from '../../gateway/index.ts';
import type { ApiKeyRecord, ApiKeySecret, ApiKeyStore, ApiKeyTransaction } from '../../gateway/ports.ts';
import type { Recorder } from '../recorder.ts';

/** What the work with API keys needs. */
export interface ApiKeyDesk {
  readonly store: ApiKeyStore;
  readonly hasher: KeyHasher;
  readonly recorder: Pick<Recorder, 'record' | 'actor'>;
  readonly clock: Clock;
  readonly random: Random;
}

export type ApiKeyTerms = Pick<
  ApiKeyRecord,
  'name' | 'tenant' | 'scopes' | 'limits' | 'networks' | 'output' | 'notBeforeMs' | 'expiresMs'
>;

/** A key with its text, which is kept nowhere else: the customer's file. */
export interface IssuedApiKey {
  readonly record: ApiKeyRecord;
  readonly apiKey: string;
  /** 32 bytes, base64url: by which the customer checks the tags of his answers. */
  readonly tagKey: string;
}

/** Puts the key where its owner finds it; what it throws stops the change. */
export type Deliver = (issued: IssuedApiKey) => void;

export interface ApiKeyChange {
  readonly record: ApiKeyRecord;
  readonly leafIndex: number;
}

/**
 * Draws a key of these terms. It is delivered before it holds: a key that nobody has would be of no use.
 * @throws GatewayError APIKEY_FIELD_INVALID | APIKEY_SCOPE_INVALID | APIKEY_CIDR_INVALID | APIKEY_TOO_MANY; DatabaseError;
 *   LedgerError; what `deliver` throws: nothing was made
 */
export async function createApiKey(desk: ApiKeyDesk, terms: ApiKeyTerms, deliver: Deliver): Promise<ApiKeyChange> {
  const { store, clock, random } = desk;
  const createdMs = clock.nowMs();
  const id = `k_${drawBase62(random, 16)}`;
  const drawn = drawSecret(desk, id);
  const record = toApiKeyRecord({ ...terms, id, createdMs, revokedMs: null, secrets: [drawn.secret] });
  return store.transact(async (transaction) => {
    assertRoom(await transaction.count());
    deliver({ record, ...drawn.issued });
    return keep(desk, transaction, record, 'create');
  });
}

/**
 * A second secret for a key; the first one ends after the overlap, or at once.
 * @throws GatewayError APIKEY_UNKNOWN | APIKEY_REVOKED | APIKEY_ROTATING | APIKEY_FIELD_INVALID; others as `createApiKey`
 */
export async function rotateApiKey(
  desk: ApiKeyDesk,
  { id, overlapSec }: { readonly id: string; readonly overlapSec: number },
  deliver: Deliver,
): Promise<ApiKeyChange> {
  if (!Number.isInteger(overlapSec) || overlapSec < 0 || overlapSec > API_KEY_LIMITS.overlapSecMax) {
    throw new GatewayError('APIKEY_FIELD_INVALID', { fields: { at: 'overlap', most: API_KEY_LIMITS.overlapSecMax } });
  }
  const drawn = drawSecret(desk, id);
  return desk.store.transact(async (transaction) => {
    const before = await findAlive(transaction, id);
    const nowMs = desk.clock.nowMs();
    const alive = before.secrets.filter(({ endsMs }) => endsMs === null || endsMs > nowMs);
    if (overlapSec > 0 && alive.length >= API_KEY_LIMITS.secretsMax) {
      throw new GatewayError('APIKEY_ROTATING', { fields: { key: id } });
    }
    const endsMs = nowMs + overlapSec * 1000;
    const old = overlapSec === 0 ? [] : alive.map((secret) => ({ ...secret, endsMs }));
    const record = toApiKeyRecord({ ...before, secrets: [...old, drawn.secret] });
    deliver({ record, ...drawn.issued });
    return keep(desk, transaction, record, 'rotate');
  });
}

/** Ends a key for good, on every machine within a second. @throws GatewayError APIKEY_UNKNOWN | APIKEY_REVOKED; LedgerError */
export function revokeApiKey(desk: ApiKeyDesk, id: string): Promise<ApiKeyChange> {
  return desk.store.transact(async (transaction) => {
    const before = await findAlive(transaction, id);
    return keep(desk, transaction, { ...before, revokedMs: desk.clock.nowMs() }, 'revoke');
  });
}

/** All of them, by id. */
export async function listApiKeys(store: ApiKeyStore): Promise<ApiKeyRecord[]> {
  const all: ApiKeyRecord[] = [];
  for (let afterId = ''; ; afterId = all.at(-1)!.id) {
    const page = await store.list({ afterId, count: API_KEY_LIMITS.pageMax });
    all.push(...page);
    if (page.length < API_KEY_LIMITS.pageMax) return all;
  }
}

/** @throws GatewayError APIKEY_UNKNOWN */
export function findApiKey(store: ApiKeyStore, id: string): Promise<ApiKeyRecord> {
  return store.transact((transaction) => findKnown(transaction, id));
}

export type ApiKeyStanding = 'active' | 'rotating' | 'pending' | 'expired' | 'revoked';

export function toStanding(record: ApiKeyRecord, nowMs: number): ApiKeyStanding {
  const { revokedMs, notBeforeMs, expiresMs, secrets } = record;
  if (revokedMs !== null) return 'revoked';
  if (expiresMs !== null && expiresMs <= nowMs) return 'expired';
  if (notBeforeMs !== null && notBeforeMs > nowMs) return 'pending';
  return secrets.some(({ endsMs }) => endsMs !== null && endsMs > nowMs) ? 'rotating' : 'active';
}

interface Drawn {
  readonly secret: ApiKeySecret;
  readonly issued: Pick<IssuedApiKey, 'apiKey' | 'tagKey'>;
}

function drawSecret({ hasher, clock, random }: ApiKeyDesk, id: string): Drawn {
  const apiKey = drawKeyText(random);
  const tagKey = deriveTagKey(apiKey, id);
  const times = { createdMs: clock.nowMs(), endsMs: null, usedMs: null };
  const secret = { hashHex: hasher.toHash(apiKey), scheme: hasher.scheme, last4: apiKey.slice(-4), ...times };
  const issued = { apiKey, tagKey: toBase64Url(tagKey) };
  zeroize(tagKey);
  return { secret, issued };
}

async function findKnown(transaction: ApiKeyTransaction, id: string): Promise<ApiKeyRecord> {
  const record = await transaction.find(id);
  if (record === null) throw new GatewayError('APIKEY_UNKNOWN', { fields: { key: id } });
  return record;
}

async function findAlive(transaction: ApiKeyTransaction, id: string): Promise<ApiKeyRecord> {
  const record = await findKnown(transaction, id);
  if (record.revokedMs !== null) throw new GatewayError('APIKEY_REVOKED', { fields: { key: id } });
  return record;
}

/** The entry is durable before the transaction ends: what holds is in the ledger. */
async function keep(
  { recorder }: ApiKeyDesk,
  transaction: ApiKeyTransaction,
  record: ApiKeyRecord,
  action: 'create' | 'rotate' | 'revoke',
): Promise<ApiKeyChange> {
  const { firstIndex } = await recorder.record([
    {
      type: 'api-key',
      actor: recorder.actor,
      subject: record.id,
      digests: { record: toRecordDigest(record) },
      detail: { action, tenant: record.tenant, secrets: action === 'revoke' ? 0 : record.secrets.length },
    },
  ]);
  await transaction.save(record);
  return { record, leafIndex: firstIndex };
}

/** SHA-256, hex, of the record as canonical JSON, without hashes of secrets and times of use. */
function toRecordDigest({ secrets, limits, output, ...rest }: ApiKeyRecord): string {
  const shown = secrets.map(({ last4, createdMs, endsMs }) => ({ last4, createdMs, endsMs }));
  return toHex(sha256(toCanonicalJsonBytes({ ...rest, limits: { ...limits }, output: { ...output }, secrets: shown })));
}

/** The customer's file: JSON with the key, to be kept like a password. */
export function toApiKeyFile({ record, apiKey, tagKey }: IssuedApiKey): Uint8Array {
  const { id: keyId, name, tenant, scopes, limits, output } = record;
  const times = { notBefore: toIsoOrNull(record.notBeforeMs), expires: toIsoOrNull(record.expiresMs) };
  const file = { v: 1, keyId, name, tenant, apiKey, tagKey, scopes, limits, output, ...times };
  return utf8(`${JSON.stringify(file, null, 2)}\n`);
}

function toIsoOrNull(timeMs: number | null): string | null {
  return timeMs === null ? null : new Date(timeMs).toISOString();
}
