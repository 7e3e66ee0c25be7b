/** Keyed probes in docs/lab.md: agreement of copies and of independent models, against the bars. */
import { PROBE_FAMILIES } from '../../../src/watermark/index.ts';
import {
  PROBE_COUNT,
  PROBE_POOLS,
  PROBED_COPIES,
  PROBED_MODELS,
  PROBED_SEED,
  type ProbedModel,
} from '../rows/probes.ts';
import { type Figures, type Results, toRowId } from '../types.ts';

/** Agreement that the design asks for on probes as they come. */
const BARS: Readonly<Partial<Record<string, number>>> = {
  ...{ int8: 0.95, int4: 0.85, 'int4-channel': 0.85, 'prune-50': 0.85, 'fine-tune': 0.9, 'fine-tune-gentle': 0.9 },
};
const NOT_FOUND = new Set(['distill', 'extract']);

const line = (...cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;

export function describeProbes(results: Results): readonly string[] {
  const copyRows = PROBED_MODELS.flatMap((model) =>
    Object.keys(PROBED_COPIES).flatMap((copy) => {
      const figures = results.get(toRowId(model, PROBED_SEED, `probes-${copy}`));
      return figures === undefined ? [] : [describeCopy(model, copy, figures)];
    }),
  );
  const nullRows = PROBED_MODELS.flatMap((model) =>
    PROBE_FAMILIES.flatMap((family) =>
      ['', '-rare'].flatMap((suffix) => {
        const figures = results.get(toRowId(model, PROBED_SEED, `probes-null-${family}${suffix}`));
        return figures === undefined ? [] : [describeNulls(model, `${family}${suffix}`, figures)];
      }),
    ),
  );
  if (copyRows.length + nullRows.length === 0) return [];
  return [
    '## Keyed probes',
    `Agreement of arg-max answers with the marked model's. "All": ${PROBE_COUNT} probes as they come, of the family that suits the model. "Rare": up to ${PROBE_COUNT} of ${PROBE_POOLS.mlp} (mlp) or ${PROBE_POOLS.cnn} (cnn) on which few null models agree (uniform noise); each null model is measured on what the others chose. Nulls are trained on the same data as the model, which is the hardest case. Bits are taken above the rate of strangers, and are calibrated evidence: never alone a claim.`,
    [
      line('copy', 'model', 'all: agreement', 'bits', 'rare: agreement', 'bits', 'bar'),
      line(...Array<string>(7).fill('---')),
      ...copyRows,
    ].join('\n'),
    [
      line('null models', 'probes', 'number', 'mean', 'deviation', 'largest', 'counted above', 'nulls above'),
      line(...Array<string>(8).fill('---')),
      ...nullRows,
    ].join('\n'),
  ];
}

function describeCopy(model: ProbedModel, copy: string, figures: Figures): string {
  const bar = BARS[copy];
  const agreement = Number(figures.allAgreement);
  const met = bar === undefined ? '' : `at least ${bar} on all: ${agreement >= bar ? 'met' : '**missed**'}`;
  const verdict = NOT_FOUND.has(copy) ? 'need not be found' : met === '' ? 'reported' : met;
  const cells = ['allAgreement', 'allBits', 'rareAgreement', 'rareBits'].map((key) => String(figures[key]));
  return line(copy, model, ...cells, verdict);
}

function describeNulls(model: ProbedModel, family: string, figures: Figures): string {
  const cells = ['nulls', 'mean', 'deviation', 'largest', 'chance', 'above'].map((key) => String(figures[key]));
  return line(model, `${family} (${String(figures.probes)})`, ...cells);
}
