/** Keeps the keys of issuers fresh while nobody asks with a token, and tells when an issuer goes away and is back. */
import { TOKEN_LIMITS } from '../../core/limits/api-keys.ts';
import type { Pause } from '../../core/ports.ts';
import type { IssuerState, TokenVerifier } from './open-tokens.ts';

export interface IssuerWatchOptions {
  readonly verifier: Pick<TokenVerifier, 'refresh'>;
  readonly pause: Pause;
  readonly signal: AbortSignal;
  /** Told of each change: of one that is away from the start on, and of one that is back. */
  readonly onChange: (state: IssuerState) => void;
}

/**
 * Asks all issuers at once, then whenever their keys are not fresh any more. Until an issuer has answered, its tokens are refused,
 * and everybody else is let in as ever. Never rejects; ends when it is aborted.
 */
export async function watchIssuers({ verifier, pause, signal, onChange }: IssuerWatchOptions): Promise<void> {
  const away = new Set<string>();
  while (!signal.aborted) {
    for (const state of await verifier.refresh()) {
      const isAway = state.code !== null;
      if (isAway === away.has(state.issuer)) continue;
      if (isAway) away.add(state.issuer);
      else away.delete(state.issuer);
      onChange(state);
    }
    await pause(TOKEN_LIMITS.jwksLookMs, signal);
  }
}
