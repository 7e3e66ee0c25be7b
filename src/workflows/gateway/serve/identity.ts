/** Who may ask: API keys of the table, which is looked at while the gateway runs; tokens and certificates by rules. */
import { isDeepStrictEqual } from 'node:util';
import { GatewayError } from '../../../core/errors.ts';
import {
  createCertificateMapper,
  createIdentifier,
  type GatewayConfig,
  type IdentityConfig,
  KeyIndex,
  openKeyWatch,
  openTokenVerifier,
  toCertificateRules,
  toTokenRules,
  type TokenVerifier,
  watchIssuers,
} from '../../../gateway/index.ts';
import type { Identifier } from '../../../gateway/ports.ts';
import type { GatewayHost } from './host.ts';
import { withPlatform } from './platform.ts';
import type { Follower } from './reload.ts';

export interface OpenedIdentity extends Follower<'identity'> {
  /** By the rules in force. */
  readonly identifier: () => Identifier;
  /** Fulfilled when nobody looks at the table any more. */
  readonly ended: Promise<void>;
}

/** As much of the outside as is needed to know who asks. */
export type IdentityHost = Pick<GatewayHost, 'clock' | 'pause' | 'keys' | 'hasher' | 'shared' | 'onTrouble'>;

/** @throws DatabaseError: the table could not be read; GatewayError of rules that cannot be used */
export async function openIdentity(
  config: GatewayConfig,
  host: IdentityHost,
  signal: AbortSignal,
): Promise<OpenedIdentity> {
  const keys = new KeyIndex(host.hasher);
  let [of, tokens] = [config.identity, await openTokens(config.identity, host)];
  const toIdentifier = (identity: IdentityConfig, { verifier }: Tokens): Identifier => {
    const rules = toCertificateRules(identity);
    const certificates = rules.length === 0 ? null : createCertificateMapper(rules);
    return withPlatform(createIdentifier({ keys, tokens: verifier, certificates, clock: host.clock }), config);
  };
  let identifier = toIdentifier(of, tokens);
  const { ended } = await watchKeys(host, keys, signal);
  tokens.watch(signal);
  return {
    identifier: () => identifier,
    ended,
    prepare: async ({ identity: next }) => {
      const made = isDeepStrictEqual(toTokenTerms(of), toTokenTerms(next)) ? tokens : await openAsked(next, host);
      const other = toIdentifier(next, made);
      return {
        commit: () => {
          if (made !== tokens) {
            tokens.end();
            made.watch(signal);
          }
          [of, tokens, identifier] = [next, made, other];
        },
        discard: () => Promise.resolve(),
      };
    },
  };
}

/** What tokens are verified by. */
function toTokenTerms({ tokens, defaults }: IdentityConfig): unknown {
  return { tokens, defaults };
}

interface Tokens {
  /** Null without an issuer. */
  readonly verifier: TokenVerifier | null;
  /** Keeps the keys of issuers fresh, until `end` or the end of the gateway. */
  watch(signal: AbortSignal): void;
  end(): void;
}

const NO_TOKENS: Tokens = { verifier: null, watch: () => undefined, end: () => undefined };

/** Nobody waits for issuers: until one has answered, its tokens are refused, and keys and certificates are not. */
async function openTokens(identity: IdentityConfig, host: IdentityHost): Promise<Tokens> {
  if (identity.tokens.length === 0) return NO_TOKENS;
  const { clock, pause, onTrouble, shared } = host;
  const toLink = await shared.openIssuerLinks(identity);
  const issuers = toTokenRules(identity);
  const verifier = await openTokenVerifier({ issuers, toLink: ({ name }) => toLink(name), clock });
  const ending = new AbortController();
  return {
    verifier,
    watch: (signal) => {
      void watchIssuers({
        ...{ verifier, pause, signal: AbortSignal.any([signal, ending.signal]) },
        onChange: ({ issuer, code }) => {
          if (code === null) shared.onRecovered(toPart(issuer));
          else onTrouble(code, toPart(issuer));
        },
      });
    },
    end: () => {
      ending.abort();
    },
  };
}

/**
 * With the keys of all issuers: those whose tokens hold now are not to be refused because rules are read anew.
 * @throws GatewayError JWKS_UNAVAILABLE | JWKS_MALFORMED of an issuer that is away
 */
async function openAsked(identity: IdentityConfig, host: IdentityHost): Promise<Tokens> {
  const tokens = await openTokens(identity, host);
  for (const { issuer, code } of (await tokens.verifier?.refresh()) ?? []) {
    if (code !== null) throw new GatewayError(code === 'UNKNOWN' ? 'JWKS_UNAVAILABLE' : code, { fields: { issuer } });
  }
  return tokens;
}

const toPart = (issuer: string): string => `tokens of ${issuer}`;

/** Fulfilled when the table was read; `ended` is when nobody looks at it any more. */
async function watchKeys(host: IdentityHost, index: KeyIndex, signal: AbortSignal): Promise<{ ended: Promise<void> }> {
  const { keys: store, clock, pause, onTrouble } = host;
  const { run } = await openKeyWatch({
    ...{ store, index, clock, pause, signal },
    onTrouble: (code) => {
      onTrouble(code, 'API keys');
    },
  });
  return { ended: run() };
}
