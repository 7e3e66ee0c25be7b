/** Loads what verifies tokens: only gateways with an issuer need it. */
import type { IssuerState, TokenVerifier, TokenVerifierOptions } from './token.ts';

export type { IssuerState, TokenVerifier, TokenVerifierOptions };

/** @throws GatewayError IDENTITY_RULES_INVALID */
export async function openTokenVerifier(options: TokenVerifierOptions): Promise<TokenVerifier> {
  return (await import('./token.ts')).createTokenVerifier(options);
}
