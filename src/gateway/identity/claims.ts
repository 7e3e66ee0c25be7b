/** Claims of a verified token as a principal: tenant and scopes by the rules alone. */
import { hash } from 'node:crypto';
import { API_KEY_LIMITS, TOKEN_LIMITS } from '../../core/limits/api-keys.ts';
import type { Principal } from '../principal.ts';
import { isTenant } from './record.ts';
import { isScope } from './scopes.ts';
import type { ClaimPath, TokenRules } from './token-rules.ts';

type Claims = Readonly<Record<string, unknown>>;

/** Null where the claims do not say whose token it is, or for which tenant. */
export function toTokenPrincipal(claims: Claims, rules: TokenRules): Principal | null {
  const tenant = 'name' in rules.tenant ? rules.tenant.name : findClaim(claims, rules.tenant.claim);
  if (typeof claims.sub !== 'string' || claims.sub === '') return null;
  if (typeof tenant !== 'string' || !isTenant(tenant)) return null;
  return {
    id: `jwt:${rules.name}:${toIdPart(claims.sub)}`,
    kind: 'jwt',
    tenant,
    scopes: toScopes(claims, rules),
    limits: rules.limits,
    output: rules.output,
    tagKey: null,
  };
}

/** Names that are short printable ASCII stand for themselves, all others by their hash; "~" begins no other. */
export function toIdPart(name: string): string {
  if (/^[\x21-\x7d]{1,120}$/.test(name)) return name;
  return `~${hash('sha256', name, 'base64url')}`;
}

function toScopes(claims: Claims, { grants, scopesFrom }: TokenRules): string[] {
  const scopes = new Set<string>();
  for (const { claim, value, scopes: granted } of grants) {
    if (listWords(findClaim(claims, claim)).includes(value)) for (const scope of granted) scopes.add(scope);
  }
  if (scopesFrom !== null) {
    for (const word of listWords(findClaim(claims, scopesFrom.claim))) {
      const scope = word.startsWith(scopesFrom.prefix) ? word.slice(scopesFrom.prefix.length) : '';
      // The control plane is never opened by the words of a token, only by a rule that names its scope.
      if ((scope.startsWith('infer:') || scope.startsWith('meta:')) && isScope(scope)) scopes.add(scope);
    }
  }
  return [...scopes].slice(0, API_KEY_LIMITS.scopesMax);
}

/** Own members only: a claim "__proto__" or "constructor" finds nothing that the token does not hold. */
function findClaim(claims: Claims, path: ClaimPath): unknown {
  let value: unknown = claims;
  for (const name of path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, name)) {
      return undefined;
    }
    value = (value as Claims)[name];
  }
  return value;
}

/** A text with spaces is a list (RFC 8693 section 4.2), and so is an array of texts. */
function listWords(value: unknown): readonly string[] {
  const words: readonly unknown[] = typeof value === 'string' ? value.split(' ') : Array.isArray(value) ? value : [];
  return words
    .slice(0, TOKEN_LIMITS.claimCharsMax)
    .filter(
      (word): word is string => typeof word === 'string' && word !== '' && word.length <= TOKEN_LIMITS.claimCharsMax,
    );
}
