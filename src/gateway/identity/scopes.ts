/** What a scope allows. Nothing is allowed that no scope names; one scope never implies another. */
import { GatewayError } from '../../core/errors.ts';
import { API_KEY_LIMITS } from '../../core/limits/api-keys.ts';
import { GATEWAY_LIMITS } from '../../core/limits/gateway.ts';

/** Of the control plane. `admin` is a scope of its own: it stands for none of the others. */
export const ADMIN_SCOPES = ['keys:read', 'keys:write', 'audit:read', 'metrics:read', 'admin'] as const;
export type AdminScope = (typeof ADMIN_SCOPES)[number];

/** Rights over models. */
export type ModelRight = 'infer' | 'meta';

/** Names that a scope may hold; "*" stands for all models when it is the whole name, and for itself nowhere. */
const MODEL_NAME = /^[A-Za-z0-9][A-Za-z0-9._/:@+-]*$/;

export function isScope(text: string): boolean {
  if ((ADMIN_SCOPES as readonly string[]).includes(text)) return true;
  const colon = text.indexOf(':');
  const right = text.slice(0, colon);
  const model = text.slice(colon + 1);
  if (colon < 0 || (right !== 'infer' && right !== 'meta')) return false;
  return model === '*' || (model.length <= GATEWAY_LIMITS.nameCharsMax && MODEL_NAME.test(model));
}

/** @throws GatewayError APIKEY_SCOPE_INVALID */
export function assertScopes(scopes: readonly string[]): void {
  if (scopes.length > API_KEY_LIMITS.scopesMax) {
    throw new GatewayError('APIKEY_SCOPE_INVALID', {
      fields: { count: scopes.length, most: API_KEY_LIMITS.scopesMax },
    });
  }
  const at = scopes.findIndex((scope) => !isScope(scope));
  if (at >= 0) throw new GatewayError('APIKEY_SCOPE_INVALID', { fields: { at } });
}

/** @param scopes checked ones @param model as the caller names it: text that is compared, and nothing else */
export function mayUseModel(scopes: readonly string[], right: ModelRight, model: string): boolean {
  for (const scope of scopes) {
    if (!scope.startsWith(right) || scope.charCodeAt(right.length) !== COLON) continue;
    const nameAt = right.length + 1;
    if (scope.length === nameAt + 1 && scope.charCodeAt(nameAt) === STAR) return true;
    if (scope.length === nameAt + model.length && scope.endsWith(model)) return true;
  }
  return false;
}

const COLON = 0x3a;
const STAR = 0x2a;

export function mayAdminister(scopes: readonly string[], scope: AdminScope): boolean {
  return scopes.includes(scope);
}
