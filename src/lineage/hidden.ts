/** Hidden values of two models on the same inputs, compared layer by layer: a picture of what they compute, never a test. */
import { listLayerUses } from '../align/index.ts';
import { type ErrorCode, RuntimeError } from '../core/errors.ts';
import { LINEAGE_LIMITS } from '../core/limits/lineage.ts';
import { type Progress, silentProgress } from '../core/ports.ts';
import { findInputs, type Inputs, type LabelledData, readRuntimeModel, toValues } from '../fidelity/index.ts';
import { exposeValues } from '../formats/index.ts';
import type { Runtime, RuntimeModel, RuntimeSession } from '../model/runtime.ts';
import type { Model } from '../model/types.ts';
import { toCka } from './cka.ts';
import { spreadIndices } from './sample.ts';

export interface HiddenOptions {
  readonly runtime: Runtime;
  readonly original: Model;
  readonly suspect: Model;
  /** Null for seeded probes. The caller closes it. */
  readonly data: LabelledData | null;
  readonly progress?: Progress;
}

export interface HiddenLayer {
  /** The original's weight tensor whose layer makes the values. */
  readonly name: string;
  /** Linear CKA, debiased; null where the suspect has no such layer. */
  readonly cka: number | null;
}

export type HiddenComparison =
  | {
      readonly kind: 'compared';
      readonly samples: number;
      readonly words: string;
      readonly layers: readonly HiddenLayer[];
    }
  /** The engine does not run one of the two, or not on the same inputs. */
  | { readonly kind: 'not-run'; readonly code: ErrorCode };

/** Fewer tell nothing of CKA. */
const SAMPLES_MIN = 8;
const PROBES = 256;

/**
 * Runs both models on the original's inputs and compares what their layers make. No bound comes with it: models of one task
 * compute alike, and CKA of independent ones can be high. It does not depend on the order of neurons.
 * @throws FormatError | SourceError from the readers
 */
export async function compareHidden(options: HiddenOptions): Promise<HiddenComparison> {
  const { runtime, original, suspect, data, progress = silentProgress } = options;
  try {
    const layers = pairLayers(original, suspect);
    const first = await openShown(
      runtime,
      original,
      layers.map(({ ours }) => ours),
    );
    let inputs: Inputs;
    let own: readonly Float32Array[];
    try {
      inputs = await findInputs(first, { graph: original.graph, data, probes: PROBES, seed: 'lineage' });
      own = await collect(
        first,
        inputs,
        layers.map(({ ours }) => ours),
        progress,
      );
    } finally {
      await first.release();
    }
    const theirNames = layers.flatMap(({ theirs }) => (theirs === null ? [] : [theirs]));
    const second = await openShown(runtime, suspect, theirNames);
    try {
      const theirs = new Map((await collect(second, inputs, theirNames, progress)).map((v, i) => [theirNames[i], v]));
      const samples = toSamples(inputs);
      const compared = layers.map(({ name, theirs: value }, i): HiddenLayer => {
        const other = value === null ? undefined : theirs.get(value);
        return { name, cka: other === undefined ? null : toCka(own[i], other, samples) };
      });
      return { kind: 'compared', samples, words: inputs.words, layers: compared };
    } finally {
      await second.release();
    }
  } catch (error) {
    if (error instanceof RuntimeError) return { kind: 'not-run', code: error.code };
    throw error;
  }
}

interface LayerValues {
  readonly name: string;
  /** What the layer makes in the original, and in the suspect. */
  readonly ours: string;
  readonly theirs: string | null;
}

/** By place where both graphs have as many layers, else by the names of their weights. */
function pairLayers(original: Model, suspect: Model): LayerValues[] {
  const [ours, theirs] = [original, suspect].map((model) => {
    if (model.graph === null) throw new RuntimeError('RUNTIME_NO_GRAPH', { fields: { format: model.format } });
    return listLayerUses(model.graph).map(({ node, weight }) => ({ name: weight.tensor.name, value: node.outputs[0] }));
  });
  const named = new Map(theirs.map(({ name, value }) => [name, value]));
  return ours.map(({ name, value }, i) => {
    const other = ours.length === theirs.length ? theirs[i].value : (named.get(name) ?? null);
    return { name, ours: value, theirs: other };
  });
}

function openShown(runtime: Runtime, model: Model, names: readonly string[]): Promise<RuntimeSession> {
  const whole: RuntimeModel = readRuntimeModel(model);
  const visible = new Set([...model.graph!.inputs, ...model.graph!.outputs].map(({ name }) => name));
  const hidden = [...new Set(names)].filter((name) => !visible.has(name));
  return runtime.load({ ...whole, main: exposeValues(whole.main, hidden) });
}

const toSamples = ({ source }: Inputs): number => Math.min(source.samples, LINEAGE_LIMITS.activationSamplesMax);

/** Row-major [samples, width] of each value; of wide values, an even part. */
async function collect(
  session: RuntimeSession,
  inputs: Inputs,
  names: readonly string[],
  progress: Progress,
): Promise<Float32Array[]> {
  const { source } = inputs;
  const samples = toSamples(inputs);
  if (samples < SAMPLES_MIN || !source.hasBatchAxis) throw new RuntimeError('RUNTIME_RUN_FAILED');
  const found = names.map((): Float32Array | null => null);
  progress.step('hidden values', samples, 'items');
  for (let start = 0; start < samples; ) {
    const count = Math.min(source.step, samples - start);
    const results = await session.run(source.make(start, count));
    for (const [at, name] of names.entries()) {
      const tensor = results.get(name);
      if (tensor === undefined) throw new RuntimeError('RUNTIME_RUN_FAILED', { fields: { name } });
      const values = toValues(tensor);
      const width = values.length / source.toRows(count);
      if (!Number.isInteger(width)) throw new RuntimeError('DATA_SHAPE_MISMATCH', { fields: { name } });
      const kept = spreadIndices(width, LINEAGE_LIMITS.activationWidthMax);
      const into = (found[at] ??= new Float32Array(samples * kept.length));
      if (into.length !== samples * kept.length) throw new RuntimeError('DATA_SHAPE_MISMATCH', { fields: { name } });
      for (let row = 0; row < count; row++) {
        kept.forEach((from, to) => {
          const value = values[row * width + from];
          into[(start + row) * kept.length + to] = Number.isFinite(value) ? value : 0;
        });
      }
    }
    start += count;
    progress.advance(count);
  }
  progress.done();
  return found.map((values) => values ?? new Float32Array(0));
}
