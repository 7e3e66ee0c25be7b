/** Client certificates as principals, by rules over their names (RFC 5280 section 4.2.1.6, SPIFFE X.509-SVID). */
import { GatewayError } from '../../core/errors.ts';
import { TOKEN_LIMITS } from '../../core/limits/api-keys.ts';
import type { PeerCertificate } from '../ports.ts';
import type { OutputPolicy, Principal, PrincipalLimits } from '../principal.ts';
import { toIdPart } from './claims.ts';
import { isTenant } from './record.ts';
import { assertScopes } from './scopes.ts';

export interface CertificateRule {
  /** `DNS:…`, `URI:…`, `IP:…` or `email:…`, exactly; a `URI:spiffe://…/` name may end in `/*` for all paths below. */
  readonly name: string;
  readonly tenant: string;
  readonly scopes: readonly string[];
  readonly limits: PrincipalLimits;
  readonly output: OutputPolicy;
}

/** Null for a certificate that no rule knows, or that rules know as more than one. */
export type CertificateMapper = (certificate: PeerCertificate) => Principal | null;

const RULE_NAME = /^(DNS|URI|IP|email):[\x21-\x7e]{1,250}$/;
/** SPIFFE-ID section 2: a trust domain, then segments of these characters. */
const SPIFFE = /^spiffe:\/\/[a-z0-9._-]{1,255}(\/[A-Za-z0-9._-]+)*$/;
const CERTIFICATES_MAX = 4096;

/** @throws GatewayError IDENTITY_RULES_INVALID | APIKEY_SCOPE_INVALID */
export function createCertificateMapper(rules: readonly CertificateRule[]): CertificateMapper {
  rules.forEach((rule, at) => {
    assertRule(rule, at, rules.length);
  });
  const known = new Map<string, Principal | null>();
  return (certificate) => {
    const found = known.get(certificate.sha256Hex);
    if (found !== undefined) return found;
    const principal = toPrincipal(certificate, rules);
    if (known.size >= CERTIFICATES_MAX) known.delete(known.keys().next().value!);
    known.set(certificate.sha256Hex, principal);
    return principal;
  };
}

function assertRule({ name, tenant, scopes }: CertificateRule, at: number, count: number): void {
  const pattern = name.endsWith('/*') ? name.slice(0, -2) : name;
  const isSpiffe = name.startsWith('URI:spiffe://');
  const isName =
    RULE_NAME.test(name) && !pattern.includes('*') && (isSpiffe ? isSpiffeId(pattern.slice(4)) : pattern === name);
  if (!isName || !isTenant(tenant) || count > TOKEN_LIMITS.rulesMax) {
    throw new GatewayError('IDENTITY_RULES_INVALID', { fields: { at: `certificates[${at}]` } });
  }
  assertScopes(scopes);
}

function toPrincipal({ subjectAltNames }: PeerCertificate, rules: readonly CertificateRule[]): Principal | null {
  // X.509-SVID section 2: exactly one URI; a certificate with two ids says nothing.
  const spiffeIds = subjectAltNames.filter((name) => name.startsWith('URI:spiffe:'));
  if (spiffeIds.length > 1 || !spiffeIds.every((name) => isSpiffeId(name.slice(4)))) return null;
  const matches = subjectAltNames.flatMap((name) => {
    const rule = rules.find((one) => isMatch(one.name, name));
    return rule === undefined ? [] : [{ name, rule }];
  });
  const [first] = matches;
  if (matches.length === 0 || matches.some(({ rule }) => rule !== first.rule)) return null;
  const { tenant, scopes, limits, output } = first.rule;
  return { id: `mtls:${toIdPart(first.name)}`, kind: 'mtls', tenant, scopes, limits, output, tagKey: null };
}

function isMatch(pattern: string, name: string): boolean {
  return pattern.endsWith('/*')
    ? name.startsWith(pattern.slice(0, -1)) && name.length >= pattern.length
    : name === pattern;
}

/** Segments "." and ".." are refused, as the standard demands. */
function isSpiffeId(text: string): boolean {
  return SPIFFE.test(text) && !text.split('/').some((segment) => segment === '.' || segment === '..');
}
