/** Who may ask beside API keys: tokens of identity providers, client certificates; and behind which proxies callers are. */
import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import { API_KEY_LIMITS, RATE_LIMITS, TOKEN_LIMITS } from '../../core/limits/api-keys.ts';
import { GATEWAY_LIMITS } from '../../core/limits/gateway.ts';
import { type CertificateRule, createCertificateMapper } from '../identity/certificate.ts';
import { createNetworkCheck } from '../identity/networks.ts';
import { limitsShape, outputShape } from '../identity/record.ts';
import { assertTokenRules, TOKEN_ALGORITHMS, type TokenRules } from '../identity/token-rules.ts';
import type { OutputPolicy, PrincipalLimits } from '../principal.ts';
import type { listenSchema } from './listen.ts';
import { path } from './words.ts';

const CLAIM_CHARS_MAX = 256;

const text = z.string().min(1).max(1024);
const claimName = z.string().min(1).max(CLAIM_CHARS_MAX);
/** Name of a claim, or the names from the outside in. */
const claim = z
  .union([claimName, z.array(claimName).min(1).max(TOKEN_LIMITS.claimDepthMax)])
  .transform((names) => (typeof names === 'string' ? [names] : names));
const tenant = z.string().min(1).max(API_KEY_LIMITS.tenantCharsMax);
const scopes = z
  .array(z.string().max(GATEWAY_LIMITS.nameCharsMax + 8))
  .min(1)
  .max(API_KEY_LIMITS.scopesMax);

/** Members that are left out are those of `defaults`; null stands for none, or for what the gateway has. */
const allowed = { limits: limitsShape.partial().default({}), output: outputShape.partial().default({}) };

const issuer = z.strictObject({
  /** Of ids and messages. */
  name: z.string().max(32),
  issuer: text,
  audiences: z.array(text).min(1).max(16),
  algorithms: z.array(z.enum(TOKEN_ALGORITHMS)).min(1).default(['RS256']),
  /** Without it the issuer's `/.well-known/openid-configuration` is asked. */
  jwksUri: text.optional(),
  /** `typ`, such as `at+jwt`. */
  type: text.optional(),
  tenant: z.union([z.strictObject({ name: tenant }), z.strictObject({ claim })]),
  grants: z
    .array(z.strictObject({ claim, value: text, scopes }))
    .max(TOKEN_LIMITS.rulesMax)
    .default([]),
  scopesFrom: z.strictObject({ claim, prefix: z.string().max(CLAIM_CHARS_MAX).default('') }).optional(),
  /** PEM: the authority of the issuer's own certificate; those of the system without. */
  authority: path.optional(),
  ...allowed,
});

const certificate = z.strictObject({ name: text, tenant, scopes, ...allowed });

export const identitySchema = z
  .strictObject({
    /** Secret by which the hashes of API keys were made, mode 600. */
    pepperFile: path.optional(),
    /** `ADDRESS/BITS` of proxies whose `x-forwarded-for` says who asks. */
    trustedProxies: z.array(z.string().max(64)).max(API_KEY_LIMITS.cidrsMax).default([]),
    tokens: z.array(issuer).max(TOKEN_LIMITS.issuersMax).default([]),
    certificates: z.array(certificate).max(TOKEN_LIMITS.rulesMax).default([]),
    /** Of tokens and certificates whose rules say nothing else. */
    defaults: z.strictObject(allowed).prefault({}),
  })
  .prefault({});

export type IdentityConfig = z.infer<typeof identitySchema>;

const LIMITS: PrincipalLimits = {
  perMinute: RATE_LIMITS.defaultPerMinute,
  burst: RATE_LIMITS.defaultBurst,
  concurrency: RATE_LIMITS.defaultConcurrency,
  ...{ daily: null, lifetime: null, bodyBytesMax: null, batchMax: null },
};
const OUTPUT: OutputPolicy = { topK: null, decimals: null, isLabelOnly: false, hidden: [] };

type Allowed = IdentityConfig['defaults'];

function toAllowed(rule: Allowed, { limits, output }: Allowed): Pick<CertificateRule, 'limits' | 'output'> {
  return { limits: { ...LIMITS, ...limits, ...rule.limits }, output: { ...OUTPUT, ...output, ...rule.output } };
}

export function toTokenRules({ tokens, defaults }: IdentityConfig): readonly TokenRules[] {
  return tokens.map((rule) => {
    const { name, issuer: iss, audiences, algorithms, jwksUri = null, type = null, scopesFrom = null } = rule;
    const terms = { audiences, algorithms, jwksUri, type, scopesFrom, tenant: rule.tenant, grants: rule.grants };
    return { name, issuer: iss, ...terms, ...toAllowed(rule, defaults) };
  });
}

export function toCertificateRules({ certificates, defaults }: IdentityConfig): readonly CertificateRule[] {
  return certificates.map((rule) => ({
    ...{ name: rule.name, tenant: rule.tenant, scopes: rule.scopes },
    ...toAllowed(rule, defaults),
  }));
}

/** @throws GatewayError IDENTITY_RULES_INVALID | APIKEY_SCOPE_INVALID | GATEWAY_CONFIG_MALFORMED */
export function assertIdentity(identity: IdentityConfig, { tls }: z.infer<typeof listenSchema>): void {
  const rules = toTokenRules(identity);
  rules.forEach(assertTokenRules);
  rules.forEach(({ name, issuer: iss, grants, scopesFrom }, at) => {
    const isTwice = rules.slice(0, at).some((other) => other.name === name || other.issuer === iss);
    if (isTwice) refuse(`identity.tokens.${at}: name or issuer twice`);
    if (grants.length === 0 && scopesFrom === null) refuse(`identity.tokens.${at}: neither grants nor scopesFrom`);
  });
  createCertificateMapper(toCertificateRules(identity));
  const asksClients = tls !== undefined && tls.clientCertificates !== 'none';
  if (identity.certificates.length > 0 && !asksClients) {
    refuse('identity.certificates: listen.tls.clientCertificates asks for none');
  }
  identity.trustedProxies.forEach(assertProxies);
}

/** Everybody is no proxy: then any caller could say whose address is counted. */
function assertProxies(network: string, at: number): void {
  try {
    createNetworkCheck([network]);
  } catch {
    refuse(`identity.trustedProxies.${at}: no network`);
  }
  if (network.endsWith('/0')) refuse(`identity.trustedProxies.${at}: everybody`);
}

function refuse(at: string): never {
  throw new GatewayError('GATEWAY_CONFIG_MALFORMED', { fields: { at: [at] } });
}
