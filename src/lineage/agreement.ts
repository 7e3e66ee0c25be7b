/** How many neurons of a suspect get the same partner twice, in total and by layer (docs/spec/lineage.md §4). */
import { matchViews, type SkippedSpace, type ViewMatch } from '../align/index.ts';
import type { Progress } from '../core/ports.ts';
import { type Frame, knowsNeurons } from './pairs.ts';
import { isLayerPlaced } from './placed.ts';

export interface Agreement {
  readonly layers: readonly ViewMatch[];
  readonly skipped: readonly SkippedSpace[];
  /** Neurons that were matched twice, those that got the same partner, and their share (0 without neurons). */
  readonly neurons: number;
  readonly agreed: number;
  readonly share: number;
  /** Neurons that could not be told from another one of their own model; they do not count above. */
  readonly alike: number;
  /** Neurons that have their place by design in one of the models: any two of the design agree in them, and they do not count. */
  readonly placed: number;
}

/**
 * Null when nothing says which neurons could change places, in neither model.
 * @throws FormatError | SourceError from the readers
 */
export function measureAgreement(original: Frame, suspect: Frame, progress: Progress): Agreement | null {
  const [frame, other] = knowsNeurons(original) ? [original, suspect] : [suspect, original];
  if (!knowsNeurons(frame)) return null;
  const found = matchViews({ topology: frame.topology, original: frame.model, suspect: other.model, progress });
  const names = new Set([...frame.layers, ...other.layers].filter(isLayerPlaced).flatMap(({ layer }) => [layer.name]));
  const matches = found.matches.filter(({ layer }) => !names.has(layer));
  const total = (of: (match: ViewMatch) => number, some: readonly ViewMatch[] = matches): number =>
    some.reduce((sum, match) => sum + of(match), 0);
  const [neurons, agreed] = [total((match) => match.neurons), total((match) => match.agreed)];
  return {
    ...{ layers: matches, skipped: found.skipped, neurons, agreed, share: neurons > 0 ? agreed / neurons : 0 },
    alike: total((match) => match.alike),
    placed: total((match) => match.neurons, found.matches) - neurons,
  };
}
