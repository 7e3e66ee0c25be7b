/** Checks coded spaces that came out of a file against the topology that they belong to. */
import type { Topology } from '../../align/index.ts';
import type { CodedSpace } from './places.ts';

/** What is wrong with them, in words, or undefined. */
export function toCodedFault(coded: readonly CodedSpace[], { spaces }: Topology): string | undefined {
  const seen = new Set<number>();
  for (const { space, channels, blocks } of coded) {
    if (seen.has(space)) return 'a space twice';
    seen.add(space);
    if (!spaces.at(space)?.isPermutable) return 'a space that does not move';
    if (spaces[space].channels !== channels) return 'a space of another width';
    if (channels % blocks !== 0) return 'blocks of unequal length';
  }
  return undefined;
}
