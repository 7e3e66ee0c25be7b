/** The port of an optimizer, and the cosine schedule that both follow. */

/** Changes parameters by their gradients. It holds the moments of the parameters that it was made for. */
export interface Optimizer {
  step(learningRate: number): void;
}

/** Falls from `peak` to zero along half a cosine; the first twentieth of the steps rises linearly. */
export function cosineRate(peak: number, step: number, steps: number): number {
  const warmUp = Math.max(1, Math.floor(steps / 20));
  if (step < warmUp) return (peak * (step + 1)) / warmUp;
  return (peak / 2) * (1 + Math.cos((Math.PI * (step - warmUp)) / Math.max(1, steps - warmUp)));
}
