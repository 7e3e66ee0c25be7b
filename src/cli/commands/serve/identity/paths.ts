/** Paths of what says who asks. */
import type { IdentityConfig } from '../../../../gateway/index.ts';

/** @param at makes a path absolute */
export function toAbsoluteIdentity(identity: IdentityConfig, at: (path: string) => string): IdentityConfig {
  const { pepperFile, tokens } = identity;
  return {
    ...identity,
    ...(pepperFile !== undefined && { pepperFile: at(pepperFile) }),
    tokens: tokens.map((rules) => ({
      ...rules,
      ...(rules.authority !== undefined && { authority: at(rules.authority) }),
    })),
  };
}
