/** Null models: what models that have nothing to do with ours answer to the probes. */
import { basename } from 'node:path';
import { toHex } from '../../core/bytes.ts';
import { RemoteError } from '../../core/errors.ts';
import { readRuntimeModel } from '../../fidelity/index.ts';
import { openModelPath } from '../../formats/index.ts';
import type { RuntimeSession } from '../../model/runtime.ts';
import {
  type Answer,
  type Claim,
  KINSHIP_MIN,
  type NullAnswers,
  RARE_NULLS_MIN,
  toKinship,
  toOriginalDigest,
} from '../../watermark/index.ts';
import type { Services } from '../services.ts';
import { askModel, type AskModelOptions } from './ask-model.ts';

/** A model that was loaded for asking, and what identifies it. */
export interface LoadedModel {
  readonly name: string;
  /** Format-neutral digest of its tensors, hex. */
  readonly digest: string;
  readonly session: RuntimeSession;
}

/**
 * Loads a plain model; the caller releases the session.
 * @param path absolute
 * @throws RuntimeError; FormatError | SourceError
 */
export async function loadForAsking(
  { openRuntime, progress }: Pick<Services, 'openRuntime' | 'progress'>,
  path: string,
): Promise<LoadedModel> {
  const model = openModelPath(path, {});
  try {
    const digest = toHex(toOriginalDigest(model, progress));
    const session = await (await openRuntime()).load(readRuntimeModel(model));
    return { name: basename(path), digest, session };
  } finally {
    model.close();
  }
}

export interface AskNullsOptions extends Pick<AskModelOptions, 'plan' | 'probe' | 'count'> {
  readonly claim: Pick<Claim, 'commitment'>;
  /** Absolute paths. */
  readonly paths: readonly string[];
  /** What our model answers to all of them. */
  readonly ours: readonly (Answer | null)[];
}

/**
 * Asks each null model all probes, one model in memory at a time. So many that they could carry a flag must have learned the
 * task: beside models that did not, every model of the task looks like a copy.
 * @throws RemoteError PROBES_NULL_OURS for the original or the marked model of the claim; PROBES_NULL_UNFIT;
 *   PROBES_NULL_OTHER_TASK; RuntimeError;
 *   FormatError | SourceError
 */
export async function askNulls(services: Services, options: AskNullsOptions): Promise<NullAnswers[]> {
  const { claim, paths, plan, probe, count, ours } = options;
  const { originalDigest, markedDigest } = claim.commitment.preimage;
  const found = new Map<string, NullAnswers>();
  for (const path of paths) {
    const { name, digest, session } = await loadForAsking(services, path);
    try {
      if (digest === originalDigest || digest === markedDigest) {
        throw new RemoteError('PROBES_NULL_OURS', { fields: { name } });
      }
      // The same model twice would count its answers twice.
      if (found.has(digest)) continue;
      const step = `null model ${found.size + 1} of ${paths.length}`;
      const answers = await askModel(session, { plan, probe, count, progress: services.progress, step });
      found.set(digest, { name, digest, answers });
    } finally {
      await session.release();
    }
  }
  const nulls = [...found.values()];
  if (nulls.length >= RARE_NULLS_MIN) for (const one of nulls) assertOfTask(one, ours);
  return nulls;
}

function assertOfTask({ name, answers }: NullAnswers, ours: readonly (Answer | null)[]): void {
  const kinship = toKinship(ours, answers);
  if (kinship >= KINSHIP_MIN) return;
  throw new RemoteError('PROBES_NULL_OTHER_TASK', {
    fields: { name, kinship: Number(kinship.toFixed(3)), kinshipMin: KINSHIP_MIN },
  });
}
