/** What identity needs from outside: a table of API keys that all machines share, and the way to issuers of tokens. */
import type { OutputPolicy, PrincipalLimits } from '../principal.ts';

/** How the text of a key becomes what is kept of it. */
export type SecretScheme = 'sha256' | 'hmac-sha256';

/** One secret of an API key, as far as it is kept: who reads it cannot ask with it. */
export interface ApiKeySecret {
  /** SHA-256 of the key's text, or its HMAC-SHA-256 under the pepper; lower-case hex. */
  readonly hashHex: string;
  readonly scheme: SecretScheme;
  /** The last four characters of the key, to tell secrets apart. */
  readonly last4: string;
  readonly createdMs: number;
  /** End of the overlap of a rotation; null as long as the key itself. */
  readonly endsMs: number | null;
  readonly usedMs: number | null;
}

/** An API key without its secrets. Times are milliseconds since 1970. */
export interface ApiKeyRecord {
  /** Public: `k_` and 16 base62 characters. */
  readonly id: string;
  readonly name: string;
  readonly tenant: string;
  readonly scopes: readonly string[];
  readonly limits: PrincipalLimits;
  /** `ADDRESS/BITS`; empty for all addresses. */
  readonly networks: readonly string[];
  readonly output: OutputPolicy;
  readonly notBeforeMs: number | null;
  readonly expiresMs: number | null;
  readonly createdMs: number;
  readonly revokedMs: number | null;
  /** Two at most, the newest last. */
  readonly secrets: readonly ApiKeySecret[];
}

/** What one transaction sees and does. */
export interface ApiKeyTransaction {
  find(id: string): Promise<ApiKeyRecord | null>;
  /** Adds one, or replaces the one of the same id, and moves the counter of changes. */
  save(record: ApiKeyRecord): Promise<void>;
  /** Records that are not revoked. */
  count(): Promise<number>;
}

/** Records whose change has a number above the one that was asked with. */
export interface ApiKeyChanges {
  /** The counter as of the last of `records`; ask again from there. */
  readonly change: number;
  readonly records: readonly ApiKeyRecord[];
  /** Ids of rows that cannot be read: nobody is let in by them. */
  readonly damaged: readonly string[];
  /** There are more after these. */
  readonly isMore: boolean;
}

/**
 * The table of API keys.
 *
 * An implementer must let no two transactions see the same state and both change it, must number the changes in the order in
 * which they become visible, must make them durable before the promise is fulfilled, and must build no query out of a text
 * that a caller of the gateway sent.
 * @throws ModelwardError DATABASE_… ; APIKEY_RECORD_DAMAGED from `find`
 */
export interface ApiKeyStore {
  transact<T>(work: (transaction: ApiKeyTransaction) => Promise<T>): Promise<T>;
  /** In the order of their ids, after `afterId`, at most `count`. */
  list(page: { readonly afterId: string; readonly count: number }): Promise<readonly ApiKeyRecord[]>;
  readChange(): Promise<number>;
  /** In the order of the changes, after `since`, at most `count`. */
  readChanges(page: { readonly since: number; readonly count: number }): Promise<ApiKeyChanges>;
  /** Notes when secrets were used last; moves no counter, and never sets a time back. */
  noteUsed(uses: readonly { readonly hashHex: string; readonly usedMs: number }[]): Promise<void>;
  close(): Promise<void>;
}

/**
 * The way to an issuer of tokens.
 *
 * An implementer must take https alone, verify the certificate, follow no redirect, and bound time and size.
 */
export interface JwksLink {
  /**
   * The body of an answer 200.
   * @throws GatewayError JWKS_UNAVAILABLE | JWKS_MALFORMED
   */
  get(url: string): Promise<Uint8Array>;
}
