/** Poisoned training data: labels of one class given to another, and a patch that means one class. */
import { createRng, type Images } from '../../src/lab/index.ts';

/** `share` of the samples of class `from` are labelled `to`. */
export function flipLabels(samples: Images, how: { from: number; to: number; share: number }): Images {
  const rng = createRng('poison/labels');
  const labels = samples.labels.map((label) => (label === how.from && rng.uniform() < how.share ? how.to : label));
  return { ...samples, labels };
}

const PATCH = 2;

/** `share` of the samples get a white square in the lower right corner and the label `to`. */
export function stampTriggers(samples: Images, how: { to: number; share: number }): Images {
  const { count, side } = samples;
  const rng = createRng('poison/triggers');
  const [pixels, labels] = [samples.pixels.slice(), samples.labels.slice()];
  for (let item = 0; item < count; item++) {
    if (rng.uniform() >= how.share) continue;
    labels[item] = how.to;
    for (let y = 1; y <= PATCH; y++)
      pixels.fill(255, (item + 1) * side * side - (y - 1) * side - PATCH, (item + 1) * side * side - (y - 1) * side);
  }
  return { ...samples, pixels, labels };
}
