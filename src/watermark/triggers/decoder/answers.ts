/** The tokens that are to follow: drawn after everything else (docs/spec/triggers.md §6). */
import { toChoiceDigest } from '../body.ts';
import { toTriggerLabels } from '../keys.ts';
import type { DecoderBody } from './body.ts';

/** One token id per prompt of a body, in its order. @param labelsKey K_labels, 32 bytes */
export function drawAnswers(labelsKey: Uint8Array, body: DecoderBody): number[] {
  const { first, count } = body.prompt;
  const labels = toTriggerLabels(labelsKey, toChoiceDigest(body), { count: body.indices.length, classes: count });
  return Array.from(labels, (label) => first + label);
}
