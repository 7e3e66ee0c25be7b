/** All API keys in memory, by the hash of their text: what each request is looked up in. */
import { GatewayError } from '../../core/errors.ts';
import { API_KEY_LIMITS } from '../../core/limits/api-keys.ts';
import type { IdentifyResult } from '../ports.ts';
import type { Principal } from '../principal.ts';
import { isKeyFormed, KEY_CHARS } from './key-form.ts';
import type { KeyHasher } from './key-hash.ts';
import { createNetworkCheck, type NetworkCheck } from './networks.ts';
import type { ApiKeyRecord, ApiKeySecret } from './ports.ts';
import { toRefusal } from './refusals.ts';
import { deriveTagKey } from './tag-key.ts';

/** One secret of one record, with what is worked out once. */
interface Entry {
  readonly record: ApiKeyRecord;
  readonly networks: NetworkCheck | null;
  readonly fromMs: number;
  readonly untilMs: number;
  usedMs: number;
  /** Made on first use: only the text of the key gives the tag's key. */
  known: (IdentifyResult & { readonly isKnown: true }) | null;
}

export interface KeyUse {
  readonly hashHex: string;
  readonly usedMs: number;
}

/** What a look-up needs of a text that was sent as a key; the text itself is not in it. */
export interface HashedKey {
  readonly isFormed: boolean;
  readonly hash: string;
}

/** Hashed instead of what is no key, so that every refusal takes the same work. */
const NO_KEY = 'x'.repeat(KEY_CHARS);

/**
 * Look-ups are one hash and one `Map.get`, whether a key is known, unknown or mistyped; the caller's text is in no query, and
 * the map is by hash, so that how long a look-up takes tells nothing about keys that exist.
 */
export class KeyIndex {
  readonly #hasher: KeyHasher;
  readonly #entries = new Map<string, Entry>();
  readonly #hashes = new Map<string, readonly string[]>();
  readonly #used = new Map<string, Entry>();
  #trustedUntilMs = -Infinity;

  constructor(hasher: KeyHasher) {
    this.#hasher = hasher;
  }

  /** Records that are known, revoked ones not counted. */
  get size(): number {
    return this.#hashes.size;
  }

  /** Nobody is let in before the table was read, nor after the time up to which it is believed without a look at it. */
  trustUntil(timeMs: number): void {
    this.#trustedUntilMs = timeMs;
  }

  /** Takes over a record that was added or changed; secrets of another scheme cannot be recognised here and are left out. */
  put(record: ApiKeyRecord): void {
    this.remove(record.id);
    if (record.revokedMs !== null) return;
    const networks = record.networks.length === 0 ? null : createNetworkCheck(record.networks);
    const secrets = record.secrets.filter(({ scheme }) => scheme === this.#hasher.scheme);
    for (const secret of secrets) this.#entries.set(secret.hashHex, toEntry(record, secret, networks));
    this.#hashes.set(
      record.id,
      secrets.map(({ hashHex }) => hashHex),
    );
  }

  /** Before the table is read anew. */
  clear(): void {
    this.#entries.clear();
    this.#hashes.clear();
  }

  /** Derived keys are left to the collector: wiped, they would make a tag of zeros for a request that is still at work. */
  remove(id: string): void {
    for (const hash of this.#hashes.get(id) ?? []) this.#entries.delete(hash);
    this.#hashes.delete(id);
  }

  toHashed(text: string): HashedKey {
    const isFormed = isKeyFormed(text);
    return { isFormed, hash: this.#hasher.toHash(isFormed ? text : NO_KEY) };
  }

  /** @param text what was sent as a key @param address of the peer @param hashed of that text */
  identify(text: string, address: string, nowMs: number, hashed = this.toHashed(text)): IdentifyResult {
    const { isFormed, hash } = hashed;
    const entry = this.#entries.get(hash);
    if (nowMs >= this.#trustedUntilMs) return toRefusal('GATEWAY_IDENTITY_UNAVAILABLE');
    if (entry === undefined || !isFormed) return toRefusal('GATEWAY_CREDENTIAL_INVALID');
    if (nowMs < entry.fromMs || nowMs >= entry.untilMs) return toRefusal('GATEWAY_CREDENTIAL_EXPIRED');
    if (entry.networks !== null && !entry.networks(address)) return toRefusal('GATEWAY_ADDRESS_REFUSED');
    entry.known ??= { isKnown: true, principal: toPrincipal(entry.record, text) };
    if (entry.usedMs < nowMs) {
      if (entry.usedMs <= 0) this.#used.set(hash, entry);
      entry.usedMs = nowMs;
    }
    return entry.known;
  }

  /** Uses since the last call; times are of the newest use of each. */
  takeUses(): KeyUse[] {
    const uses = [...this.#used].map(([hashHex, { usedMs }]) => ({ hashHex, usedMs }));
    for (const entry of this.#used.values()) entry.usedMs = 0;
    this.#used.clear();
    return uses;
  }
}

function toEntry(record: ApiKeyRecord, secret: ApiKeySecret, networks: NetworkCheck | null): Entry {
  return {
    record,
    networks,
    fromMs: record.notBeforeMs ?? 0,
    untilMs: Math.min(record.expiresMs ?? Infinity, secret.endsMs ?? Infinity),
    usedMs: 0,
    known: null,
  };
}

function toPrincipal({ id, tenant, scopes, limits, output }: ApiKeyRecord, text: string): Principal {
  return { id: `key:${id}`, kind: 'api-key', tenant, scopes, limits, output, tagKey: deriveTagKey(text, id) };
}

/** @throws GatewayError APIKEY_TOO_MANY */
export function assertRoom(count: number): void {
  if (count >= API_KEY_LIMITS.keysMax) {
    throw new GatewayError('APIKEY_TOO_MANY', { fields: { most: API_KEY_LIMITS.keysMax } });
  }
}
