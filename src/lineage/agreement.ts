/** How many neurons of a suspect get the same partner twice, in total and by layer (docs/spec/lineage.md §4). */
import { matchViews, type SkippedSpace, type ViewMatch } from '../align/index.ts';
import type { Progress } from '../core/ports.ts';
import { type Frame, knowsNeurons } from './pairs.ts';

export interface Agreement {
  readonly layers: readonly ViewMatch[];
  readonly skipped: readonly SkippedSpace[];
  /** Neurons that were matched twice, those that got the same partner, and their share (0 without neurons). */
  readonly neurons: number;
  readonly agreed: number;
  readonly share: number;
  /** Neurons that could not be told from another one of their own model; they do not count above. */
  readonly alike: number;
}

/**
 * Null when nothing says which neurons could change places, in neither model.
 * @throws FormatError | SourceError from the readers
 */
export function measureAgreement(original: Frame, suspect: Frame, progress: Progress): Agreement | null {
  const [frame, other] = knowsNeurons(original) ? [original, suspect] : [suspect, original];
  if (!knowsNeurons(frame)) return null;
  const found = matchViews({ topology: frame.topology, original: frame.model, suspect: other.model, progress });
  const neurons = found.matches.reduce((sum, match) => sum + match.neurons, 0);
  const agreed = found.matches.reduce((sum, match) => sum + match.agreed, 0);
  const alike = found.matches.reduce((sum, match) => sum + match.alike, 0);
  const share = neurons > 0 ? agreed / neurons : 0;
  return { layers: found.matches, skipped: found.skipped, neurons, agreed, share, alike };
}
