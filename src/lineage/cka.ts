/** Linear CKA, debiased: how alike two sets of hidden values are, whatever their axes (docs/spec/lineage.md §7). */

/**
 * @param a,b values of the same n samples in the same order, row-major [n, width]; n ≥ 4
 * @returns 1 for values that are a rotation and a scale of each other, about 0 for independent ones; 0 where either is constant
 * @see S. Kornblith et al., "Similarity of Neural Network Representations Revisited", ICML 2019; the unbiased estimator of
 * HSIC: L. Song et al., "Feature Selection via Dependence Maximization", JMLR 13 (2012), eq. 5
 */
export function toCka(a: Float32Array, b: Float32Array, samples: number): number {
  if (samples < 4) throw new TypeError('debiased CKA needs four samples');
  const [k, l] = [toGram(a, samples), toGram(b, samples)];
  const norm = Math.sqrt(Math.max(0, toHsic(k, k, samples)) * Math.max(0, toHsic(l, l, samples)));
  return norm > 0 ? toHsic(k, l, samples) / norm : 0;
}

/** Products of all pairs of samples, about the mean, with a diagonal of zeros. */
function toGram(values: Float32Array, samples: number): Float64Array {
  const width = values.length / samples;
  const centred = Float64Array.from(values);
  for (let j = 0; j < width; j++) {
    let mean = 0;
    for (let i = 0; i < samples; i++) mean += centred[i * width + j] / samples;
    for (let i = 0; i < samples; i++) centred[i * width + j] -= mean;
  }
  const gram = new Float64Array(samples * samples);
  for (let i = 0; i < samples; i++) {
    for (let j = 0; j < i; j++) {
      let sum = 0;
      for (let t = 0; t < width; t++) sum += centred[i * width + t] * centred[j * width + t];
      gram[i * samples + j] = sum;
      gram[j * samples + i] = sum;
    }
  }
  return gram;
}

/** Up to a factor that all share: tr(KL) + 1ᵀK1 1ᵀL1 / ((n-1)(n-2)) - 2 · 1ᵀKL1 / (n-2). */
function toHsic(k: Float64Array, l: Float64Array, n: number): number {
  const [rowsK, rowsL] = [toRowSums(k, n), toRowSums(l, n)];
  const trace = k.reduce((sum, value, i) => sum + value * l[i], 0);
  const total = (rows: Float64Array): number => rows.reduce((sum, value) => sum + value, 0);
  const cross = rowsK.reduce((sum, value, i) => sum + value * rowsL[i], 0);
  return trace + (total(rowsK) * total(rowsL)) / ((n - 1) * (n - 2)) - (2 * cross) / (n - 2);
}

function toRowSums(gram: Float64Array, n: number): Float64Array {
  const sums = new Float64Array(n);
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) sums[i] += gram[i * n + j];
  return sums;
}
