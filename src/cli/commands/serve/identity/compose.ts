/** Puts the ways to issuers of tokens in. */
import type { IdentityConfig } from '../../../../gateway/index.ts';
import type { JwksLink } from '../../../../gateway/ports.ts';
import type { CliContext } from '../../../context.ts';

/** @throws SourceError of a file with an authority */
export async function openIssuerLinks(
  { services }: CliContext,
  { tokens }: IdentityConfig,
): Promise<(rules: string) => JwksLink> {
  if (tokens.length === 0) return findLink(new Map());
  const { openJwksLink } = await import('../../../../adapters/jwks/index.ts');
  const toLink = ({ authority }: IdentityConfig['tokens'][number]): JwksLink =>
    openJwksLink({ caPem: authority === undefined ? undefined : services.storage.read(authority) });
  return findLink(new Map(tokens.map((rules) => [rules.name, toLink(rules)])));
}

function findLink(links: ReadonlyMap<string, JwksLink>): (rules: string) => JwksLink {
  return (rules) => {
    const link = links.get(rules);
    if (link === undefined) throw new TypeError('internal error: rules without a way to their issuer');
    return link;
  };
}
