/** Public keys of an issuer, fetched, checked and kept for a time (RFC 7517, OpenID Connect Discovery 1.0 section 4). */
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWK, type JWTVerifyGetKey } from 'jose';
import { findJson } from '../../core/base64url.ts';
import { GatewayError } from '../../core/errors.ts';
import { TOKEN_LIMITS as CAPS } from '../../core/limits/api-keys.ts';
import type { Clock } from '../../core/ports.ts';
import type { JwksLink } from './ports.ts';
import type { TokenRules } from './token-rules.ts';

export interface KeySetOptions {
  readonly rules: Pick<TokenRules, 'issuer' | 'jwksUri'>;
  readonly link: JwksLink;
  readonly clock: Clock;
}

interface Held {
  readonly find: JWTVerifyGetKey;
  readonly fetchedMs: number;
}

export interface KeySet {
  /** For `jwtVerify`. @throws GatewayError JWKS_UNAVAILABLE | JWKS_MALFORMED */
  readonly find: JWTVerifyGetKey;
  /** Fetches the set where there is none that is fresh, whoever asks for its keys. @throws as `find` */
  refresh(): Promise<void>;
}

/**
 * Keys of one issuer. A set is fetched when it is first needed, when it is not fresh any more (the old one serves meanwhile),
 * and when a token names a key that is not in it, at most once in a cooldown. When the issuer cannot be reached, the old set
 * serves up to a bound, and then nothing is verified.
 */
export function createKeySet(options: KeySetOptions): KeySet {
  const { clock } = options;
  let held: Held | null = null;
  let triedMs = -Infinity;
  let fetching: Promise<Held> | null = null;
  const fetchAnew = (): Promise<Held> => {
    triedMs = clock.nowMs();
    fetching ??= fetchKeys(options)
      .then((keys) => (held = { find: createLocalJWKSet(keys), fetchedMs: clock.nowMs() }))
      .finally(() => {
        fetching = null;
      });
    return fetching;
  };
  const toAge = (): number => (held === null ? Infinity : Math.abs(clock.nowMs() - held.fetchedMs));
  const mayTry = (): boolean => Math.abs(clock.nowMs() - triedMs) >= CAPS.jwksCooldownMs;
  const current = async (): Promise<Held> => {
    const age = toAge();
    if (held !== null && age < CAPS.jwksFreshMs) return held;
    if (held !== null && age < CAPS.jwksStaleMs) {
      // Whoever asks now does not wait; a failure leaves the old set to its bound.
      if (mayTry()) fetchAnew().catch(() => undefined);
      return held;
    }
    if (fetching === null && !mayTry()) throw new GatewayError('JWKS_UNAVAILABLE', { fields: { reason: 'cooldown' } });
    return fetching ?? fetchAnew();
  };
  const find: JWTVerifyGetKey = async (header, token) => {
    const keys = await current();
    try {
      return await keys.find(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      // Not waited for: tokens of keys that nobody has would keep others out for as long as an issuer takes.
      if (fetching !== null) throw new GatewayError('JWKS_UNAVAILABLE', { fields: { reason: 'under way' } });
      if (!mayTry()) throw error;
      return (await fetchAnew()).find(header, token);
    }
  };
  return {
    find,
    refresh: async () => {
      if (toAge() >= CAPS.jwksFreshMs) await (fetching ?? fetchAnew());
    },
  };
}

async function fetchKeys({ rules, link }: KeySetOptions): Promise<JSONWebKeySet> {
  const set = findJson(await link.get(rules.jwksUri ?? (await discover(rules.issuer, link))));
  const listed: unknown = isObject(set) ? set.keys : undefined;
  if (!Array.isArray(listed) || listed.length > CAPS.jwksKeysMax) {
    throw new GatewayError('JWKS_MALFORMED', { fields: { at: 'keys' } });
  }
  const keys = listed.filter(isPublicKey);
  if (keys.length === 0) throw new GatewayError('JWKS_MALFORMED', { fields: { at: 'keys', count: 0 } });
  return { keys };
}

async function discover(issuer: string, link: JwksLink): Promise<string> {
  const found = findJson(await link.get(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`));
  // Section 4.3: the issuer must be the one that was asked, or another's keys would be taken for its own.
  if (!isObject(found) || found.issuer !== issuer) {
    throw new GatewayError('JWKS_MALFORMED', { fields: { at: 'issuer' } });
  }
  const address = found.jwks_uri;
  if (typeof address !== 'string' || !address.startsWith('https://') || !URL.canParse(address)) {
    throw new GatewayError('JWKS_MALFORMED', { fields: { at: 'jwks_uri' } });
  }
  return address;
}

/** Public keys that verify, and are long enough; secrets and private keys in a public place are nobody's. */
function isPublicKey(value: unknown): value is JWK {
  if (!isObject(value) || 'd' in value || 'k' in value) return false;
  if (value.use !== undefined && value.use !== 'sig') return false;
  if (value.kty === 'RSA') {
    return typeof value.n === 'string' && Buffer.from(value.n, 'base64url').length * 8 >= CAPS.rsaBitsMin;
  }
  return value.kty === 'EC' || value.kty === 'OKP';
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
