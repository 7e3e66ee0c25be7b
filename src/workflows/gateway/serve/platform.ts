/** Callers behind a platform's own front, which says nothing of them. */
import { type GatewayConfig, toPlatformPrincipal } from '../../../gateway/index.ts';
import type { Identifier } from '../../../gateway/ports.ts';

/** Who shows a credential is judged by it; who shows none is the platform's caller, where the configuration names one. */
export function withPlatform(identifier: Identifier, { platform }: GatewayConfig): Identifier {
  if (platform === undefined) return identifier;
  const result = { isKnown: true, principal: toPlatformPrincipal(platform) } as const;
  return {
    identify: (request) => {
      const { authorization, 'x-api-key': apiKey } = request.headers;
      return authorization === undefined && apiKey === undefined ? result : identifier.identify(request);
    },
  };
}
