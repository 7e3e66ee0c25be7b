/** Whom budgets are for: a name that nobody has bounds nothing, and is most often a slip of the fingers. */
import { findClosest } from '../../core/closest.ts';
import { GatewayError } from '../../core/errors.ts';
import type { IdentityConfig } from './identity.ts';
import type { PlatformConfig } from './platform.ts';

interface Budgeted {
  readonly models: readonly Named[];
  readonly upstreams: readonly { readonly models: readonly Named[] }[];
  /** By name of the model. */
  readonly budgets: object;
}

interface Named {
  readonly name: string;
}

/** @throws GatewayError GATEWAY_CONFIG_MALFORMED for budgets of models that are not served */
export function assertBudgets({ models, upstreams, budgets }: Budgeted): void {
  const served = [...models, ...upstreams.flatMap((upstream) => upstream.models)].map(({ name }) => name);
  const strangers = Object.keys(budgets).filter((name) => !served.includes(name));
  if (strangers.length === 0) return;
  const at = strangers.slice(0, 16).map((name) => `budgets.${name}: no model of this name is served`);
  const didYouMean = strangers.slice(0, 16).flatMap((name) => findClosest(name, served).slice(0, 1));
  throw new GatewayError('GATEWAY_CONFIG_MALFORMED', { fields: { at, didYouMean } });
}

/** A budget of a tenant to whom no caller belongs. */
export interface UnseenTenant {
  readonly name: string;
  /** A tenant that is there, and spelled nearly so. */
  readonly nearest: string | null;
}

/**
 * Budgets of tenants of whom there is neither an API key nor a rule. Keys may come later, so that this is no fault; and where
 * tokens bring the names of tenants, any of them may be right.
 * @param keyTenants of the API keys that hold
 */
export function findUnseenTenants(
  {
    tenants,
    identity,
    platform,
  }: { readonly tenants: object; readonly identity: IdentityConfig; readonly platform?: PlatformConfig },
  keyTenants: Iterable<string>,
): readonly UnseenTenant[] {
  const ofTokens = identity.tokens.map(({ tenant }) => tenant);
  if (ofTokens.some((tenant) => 'claim' in tenant)) return [];
  const seen = [
    ...keyTenants,
    ...ofTokens.flatMap((tenant) => ('name' in tenant ? [tenant.name] : [])),
    ...identity.certificates.map(({ tenant }) => tenant),
    ...(platform === undefined ? [] : [platform.anonymous.tenant]),
  ];
  return Object.keys(tenants)
    .filter((name) => !seen.includes(name))
    .map((name) => ({ name, nearest: findClosest(name, seen)[0] ?? null }));
}
