/** Which channels belong together: every set that one permutation must move as a whole (docs/spec/watermark.md §5.3). */
import type { ChannelAxis, ChannelVector, Space } from './ports.ts';
import type { Scope, WeightUse } from './weights.ts';

/** Channel sets of a graph, and how tensors are indexed by them. */
export interface ChannelMap {
  readonly spaces: readonly Space[];
  readonly vectors: readonly ChannelVector[];
  readonly layers: ReadonlyMap<string, { readonly in: ChannelAxis | null; readonly out: ChannelAxis | null }>;
}

export function toChannels(_scope: Scope, _uses: readonly WeightUse[]): ChannelMap {
  return { spaces: [], vectors: [], layers: new Map() };
}
