/** By which rules tokens of an issuer are taken (docs/spec/api-keys.md section 6). */
import { GatewayError } from '../../core/errors.ts';
import { TOKEN_LIMITS } from '../../core/limits/api-keys.ts';
import type { OutputPolicy, PrincipalLimits } from '../principal.ts';
import { isTenant } from './record.ts';
import { isScope } from './scopes.ts';

/** Signatures by a private key alone: with HMAC, who knows what a token is verified with could make one. */
export const TOKEN_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'EdDSA',
] as const;
export type TokenAlgorithm = (typeof TOKEN_ALGORITHMS)[number];

/** Where a value stands in the claims: names from the outside in, so that names with dots need no escape. */
export type ClaimPath = readonly string[];

export interface TokenRules {
  /** Of ids and messages: lower-case letters, digits and "-". */
  readonly name: string;
  /** `iss`, exactly. */
  readonly issuer: string;
  /** `aud` must be, or hold, one of them. */
  readonly audiences: readonly string[];
  readonly algorithms: readonly TokenAlgorithm[];
  /** https; null to ask the issuer's `/.well-known/openid-configuration`. */
  readonly jwksUri: string | null;
  /** Demanded `typ`, such as `at+jwt`, so that an identity token is not taken for an access token; null takes any. */
  readonly type: string | null;
  /** Of all tokens of this issuer, or as a claim says. */
  readonly tenant: { readonly name: string } | { readonly claim: ClaimPath };
  /** Scopes for those whose claim is, or holds, the value. */
  readonly grants: readonly {
    readonly claim: ClaimPath;
    readonly value: string;
    readonly scopes: readonly string[];
  }[];
  /** Scopes of models that stand in a claim themselves, after a prefix; null for none. */
  readonly scopesFrom: { readonly claim: ClaimPath; readonly prefix: string } | null;
  readonly limits: PrincipalLimits;
  readonly output: OutputPolicy;
}

/** @throws GatewayError IDENTITY_RULES_INVALID */
export function assertTokenRules(rules: TokenRules): void {
  const refuse = (at: string): never => {
    throw new GatewayError('IDENTITY_RULES_INVALID', { fields: { at: `${rules.name}.${at}` } });
  };
  if (!/^[a-z0-9-]{1,32}$/.test(rules.name))
    throw new GatewayError('IDENTITY_RULES_INVALID', { fields: { at: 'name' } });
  if (!isHttps(rules.issuer)) refuse('issuer');
  if (rules.audiences.length === 0 || rules.audiences.includes('')) refuse('audiences');
  const isKnown = (name: string): boolean => (TOKEN_ALGORITHMS as readonly string[]).includes(name);
  if (rules.algorithms.length === 0 || !rules.algorithms.every(isKnown)) refuse('algorithms');
  if (rules.jwksUri !== null && !isHttps(rules.jwksUri)) refuse('jwksUri');
  if ('name' in rules.tenant ? !isTenant(rules.tenant.name) : !isPath(rules.tenant.claim)) refuse('tenant');
  if (rules.grants.length > TOKEN_LIMITS.rulesMax) refuse('grants');
  for (const { claim, value, scopes } of rules.grants) {
    if (!isPath(claim) || value === '' || scopes.length === 0 || !scopes.every(isScope)) refuse('grants');
  }
  if (rules.scopesFrom !== null && !isPath(rules.scopesFrom.claim)) refuse('scopesFrom');
}

function isHttps(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : null;
  return url?.protocol === 'https:' && url.username === '' && url.password === '' && url.hash === '';
}

function isPath(path: ClaimPath): boolean {
  return path.length > 0 && path.length <= TOKEN_LIMITS.claimDepthMax && !path.includes('');
}
