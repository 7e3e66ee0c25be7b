/** Which inputs a model is run on: samples at the scale that suits it, or probes when there are none. */
import type { RuntimeSession } from '../model/runtime.ts';
import type { Graph } from '../model/types.ts';
import { compareRuns } from './compare.ts';
import type { Fit, Scale } from './data/fit.ts';
import type { LabelledData } from './data/types.ts';
import { type FeedSource, feedProbes, feedSamples } from './feeds.ts';

export interface InputOptions {
  /** Graph of the original, for probes; null when unknown. */
  readonly graph: Graph | null;
  /** Labelled samples, or null for probes. The caller closes them. */
  readonly data: LabelledData | null;
  /** Scale of byte images; 'auto' takes the one with which the original is most accurate. */
  readonly scale?: Scale | 'auto';
  /** How many probes, 32 unless told. */
  readonly probes?: number;
  /** Any text; fixes the probes. */
  readonly seed?: string;
}

export interface Inputs {
  readonly source: FeedSource;
  /** For reports: "npz data, values / 255", "seeded probes". */
  readonly words: string;
}

const probesDefault = 32;
/** Samples on which 'auto' compares scales. */
const scaleSamplesMax = 256;

const SCALE_WORDS: Readonly<Record<Scale, string>> = {
  none: '',
  unit: ', values / 255',
  signed: ', values / 127.5 - 1',
  imagenet: ', values scaled by the means and deviations of ImageNet',
};

/**
 * Inputs that run on `session`; they can be fed to any session of the same signature afterwards.
 * @throws RuntimeError RUNTIME_RUN_FAILED when nothing runs; RUNTIME_DTYPE_UNSUPPORTED; DATA_SHAPE_MISMATCH | DATA_MALFORMED
 */
export async function findInputs(session: RuntimeSession, options: InputOptions): Promise<Inputs> {
  const { graph, data, probes = probesDefault, seed = 'default' } = options;
  if (data !== null) return findSamples(session, options, data);
  return { source: await feedProbes(session, graph, { count: probes, seed }), words: 'seeded probes' };
}

async function findSamples(session: RuntimeSession, options: InputOptions, data: LabelledData): Promise<Inputs> {
  const { fit, toSource } = await feedSamples(session, options.graph, data);
  const asked = options.scale ?? 'auto';
  const scale = asked === 'auto' ? await chooseScale(session, fit, toSource, data) : asked;
  return { source: toSource(scale), words: `${data.format} data${SCALE_WORDS[scale]}` };
}

/** The scale with which the original is most accurate on the first samples; the marked model is not asked. */
async function chooseScale(
  original: RuntimeSession,
  fit: Fit,
  toSource: (scale: Scale) => FeedSource,
  data: LabelledData,
): Promise<Scale> {
  let best: { scale: Scale; right: number } = { scale: fit.scales[0], right: -1 };
  if (fit.scales.length === 1) return best.scale;
  for (const scale of fit.scales) {
    const source = toSource(scale);
    const first = { ...source, samples: Math.min(source.samples, scaleSamplesMax) };
    const compared = await compareRuns({ original, marked: original, source: first, labels: data.labels });
    const right = compared.counts?.rightOriginal ?? 0;
    if (right > best.right) best = { scale, right };
  }
  return best.scale;
}
