/** One model that is asked by several protocols, each of them answered by a line of its own. */
import type { Target } from './ports.ts';

/** @param parts of that model, one for each protocol; callers of a protocol that none of them speaks are told that there is no such model */
export function createJointTarget(model: string, parts: readonly Target[]): Target {
  if (parts.length === 1) return parts[0];
  const having = (version: string | null): readonly Target[] =>
    version === null ? parts : parts.filter((part) => part.versions().includes(version));
  return {
    model,
    versions: () => [...new Set(parts.flatMap((part) => part.versions()))],
    isAskedBy: (protocol) => parts.some((part) => part.isAskedBy(protocol)),
    isReady: (version) => {
      const asked = having(version);
      return asked.length > 0 && asked.every((part) => part.isReady(version));
    },
    findSignature: (version) => {
      for (const part of parts) {
        const signature = part.findSignature(version);
        if (signature !== null) return signature;
      }
      return null;
    },
    prepare: (asked) => {
      for (const part of parts) {
        const prepared = part.prepare(asked);
        if (prepared !== null) return prepared;
      }
      return null;
    },
  };
}
