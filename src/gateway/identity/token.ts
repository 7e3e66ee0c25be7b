/** Tokens of identity providers: JWT (RFC 7519), verified with pinned algorithms (RFC 8725), remembered for a minute. */
import { hash } from 'node:crypto';
import { decodeJwt, errors, jwtVerify } from 'jose';
import { type ErrorCode, ModelwardError } from '../../core/errors.ts';
import { TOKEN_LIMITS as CAPS } from '../../core/limits/api-keys.ts';
import type { Clock } from '../../core/ports.ts';
import type { IdentifyResult } from '../ports.ts';
import { toTokenPrincipal } from './claims.ts';
import { createKeySet, type KeySet } from './jwks.ts';
import type { JwksLink } from './ports.ts';
import { toRefusal } from './refusals.ts';
import { assertTokenRules, type TokenRules } from './token-rules.ts';

export interface TokenVerifier {
  /** A value for a token that is remembered, or is none. Never throws. */
  identify(token: string, nowMs: number): IdentifyResult | Promise<IdentifyResult>;
  /** Fetches the keys of issuers that are not fresh any more, and says of each issuer how that ended. Never rejects. */
  refresh(): Promise<readonly IssuerState[]>;
}

export interface IssuerState {
  /** Of the rules. */
  readonly issuer: string;
  /** Why its keys cannot be fetched; null when they are fresh. */
  readonly code: ErrorCode | 'UNKNOWN' | null;
}

export interface TokenVerifierOptions {
  readonly issuers: readonly TokenRules[];
  /** The way to the issuer of these rules, asked for once. */
  readonly toLink: (rules: TokenRules) => JwksLink;
  readonly clock: Clock;
}

interface Issuer {
  readonly rules: TokenRules;
  readonly keys: KeySet;
  /** Tokens that are verified, or wait for its keys: of one that does not answer they are in nobody else's way. */
  pending: number;
}

interface Remembered {
  readonly result: IdentifyResult;
  readonly untilMs: number;
}

const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

/** @throws GatewayError IDENTITY_RULES_INVALID */
export function createTokenVerifier({ issuers, toLink, clock }: TokenVerifierOptions): TokenVerifier {
  const byIssuer = new Map<string, Issuer>();
  for (const rules of issuers) {
    assertTokenRules(rules);
    byIssuer.set(rules.issuer, { rules, keys: createKeySet({ rules, link: toLink(rules), clock }), pending: 0 });
  }
  const remembered = new Map<string, Remembered>();
  const verify = async (token: string, issuer: Issuer, digest: string): Promise<IdentifyResult> => {
    issuer.pending += 1;
    try {
      const { result, expSec } = await verifyToken(token, issuer, clock);
      const nowMs = clock.nowMs();
      if (result.isKnown)
        remember(remembered, digest, { result, untilMs: Math.min(nowMs + CAPS.cachedMs, expSec * 1000) });
      return result;
    } finally {
      issuer.pending -= 1;
    }
  };
  return {
    identify: (token, nowMs) => {
      const digest = hash('sha256', token, 'base64');
      const known = findRemembered(remembered, digest, nowMs);
      if (known !== null) return known;
      const issuer = COMPACT.test(token) ? byIssuer.get(readIssuer(token)) : undefined;
      if (issuer === undefined) return toRefusal('GATEWAY_CREDENTIAL_INVALID');
      // Signatures cost a thousand look-ups each: a flood of tokens is not to queue up.
      if (issuer.pending >= CAPS.pendingMax) return toRefusal('GATEWAY_IDENTITY_UNAVAILABLE');
      return verify(token, issuer, digest);
    },
    refresh: () => Promise.all(Array.from(byIssuer.values(), refreshKeys)),
  };
}

async function refreshKeys({ rules: { name: issuer }, keys }: Issuer): Promise<IssuerState> {
  try {
    await keys.refresh();
    return { issuer, code: null };
  } catch (error) {
    return { issuer, code: error instanceof ModelwardError ? error.code : 'UNKNOWN' };
  }
}

/** What an unverified token says of its issuer: it only chooses whose keys and rules the token is held against. */
function readIssuer(token: string): string {
  try {
    return decodeJwt(token).iss ?? '';
  } catch {
    return '';
  }
}

async function verifyToken(
  token: string,
  { rules, keys }: Issuer,
  clock: Clock,
): Promise<{ readonly result: IdentifyResult; readonly expSec: number }> {
  try {
    const { payload } = await jwtVerify(token, keys.find, {
      algorithms: [...rules.algorithms],
      issuer: rules.issuer,
      audience: [...rules.audiences],
      requiredClaims: ['exp', 'sub'],
      clockTolerance: CAPS.skewSec,
      currentDate: new Date(clock.nowMs()),
      ...(rules.type === null ? {} : { typ: rules.type }),
    });
    const principal = toTokenPrincipal(payload, rules);
    const result = principal === null ? toRefusal('GATEWAY_CREDENTIAL_INVALID') : { isKnown: true as const, principal };
    return { result, expSec: payload.exp ?? 0 };
  } catch (error) {
    return { result: toRefusal(toCode(error)), expSec: 0 };
  }
}

function toCode(
  error: unknown,
): 'GATEWAY_CREDENTIAL_EXPIRED' | 'GATEWAY_CREDENTIAL_INVALID' | 'GATEWAY_IDENTITY_UNAVAILABLE' {
  if (error instanceof errors.JWTExpired) return 'GATEWAY_CREDENTIAL_EXPIRED';
  if (error instanceof errors.JWTClaimValidationFailed && error.claim === 'nbf') return 'GATEWAY_CREDENTIAL_EXPIRED';
  // The token may be good: its bearer is not to throw it away because an issuer is not there.
  return error instanceof ModelwardError ? 'GATEWAY_IDENTITY_UNAVAILABLE' : 'GATEWAY_CREDENTIAL_INVALID';
}

/** The one that was used last is the last of the map. */
function findRemembered(remembered: Map<string, Remembered>, digest: string, nowMs: number): IdentifyResult | null {
  const found = remembered.get(digest);
  if (found === undefined) return null;
  remembered.delete(digest);
  // A clock that was set back by more than a minute ends it, too.
  if (nowMs >= found.untilMs || found.untilMs - nowMs > CAPS.cachedMs) return null;
  remembered.set(digest, found);
  return found.result;
}

function remember(remembered: Map<string, Remembered>, digest: string, entry: Remembered): void {
  if (remembered.size >= CAPS.cachedMax) remembered.delete(remembered.keys().next().value!);
  remembered.set(digest, entry);
}
