/** Looks at what flows through the original, so that the mark can keep out of it. */
import { ModelwardError } from '../../core/errors.ts';
import type { Topology } from '../../align/index.ts';
import { findInputs, type LabelledData, readRuntimeModel } from '../../fidelity/index.ts';
import type { Runtime, RuntimeModel } from '../../model/runtime.ts';
import type { Model } from '../../model/types.ts';
import { calibrate, type Calibration, listMarkableLayers, usesAllPositions } from '../../watermark/index.ts';
import type { Services } from '../services.ts';

/** Made-up inputs where there is no data; each shows a layer many rows when it has tokens or places. */
const PROBES = 128;

/**
 * The calibration of a model on the user's inputs, labels unused, or on seeded probes; null when it has no graph, cannot be
 * run, or is so large that the mark takes a choice of its tiles only: the mark then does without.
 * @throws RuntimeError DATA_SHAPE_MISMATCH | DATA_MALFORMED | DATA_TOO_LARGE; SourceError
 */
export async function calibrateOriginal(
  services: Services,
  given: { readonly model: Model; readonly topology: Topology; readonly data: LabelledData | null },
): Promise<Calibration | null> {
  const { model, topology, data } = given;
  const { graph } = model;
  if (graph === null || !usesAllPositions(listMarkableLayers(topology))) return null;
  try {
    const runtime = await services.openRuntime();
    const files = readRuntimeModel(model);
    const { source, words } = await findInputsOnce(runtime, files, { graph, data, probes: PROBES });
    const { progress } = services;
    return await calibrate({ runtime, model: files, graph, feeds: source, words, isProbed: data === null, progress });
  } catch (error) {
    if (error instanceof ModelwardError && error.code.startsWith('RUNTIME_')) return null;
    throw error;
  }
}

async function findInputsOnce(
  runtime: Runtime,
  files: RuntimeModel,
  options: Parameters<typeof findInputs>[1],
): ReturnType<typeof findInputs> {
  const session = await runtime.load(files);
  try {
    return await findInputs(session, options);
  } finally {
    await session.release();
  }
}
