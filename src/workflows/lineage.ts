/** Compares the weights of a suspect with originals, calibrated on independent models, and records the finding. */
import { toHex } from '../core/bytes.ts';
import { ModelwardError } from '../core/errors.ts';
import { compareHidden, compareLineage, type HiddenComparison, type LineageResult } from '../lineage/index.ts';
import type { Model } from '../model/types.ts';
import { toOriginalDigest } from '../watermark/digest.ts';
import { openAnyModel, type OpenAnyOptions, openPlainModel } from './open-model.ts';
import { openEvalData } from './protect/eval-data.ts';
import type { Services } from './services.ts';
import type { Session } from './session.ts';

export interface LineageFileOptions extends OpenAnyOptions {
  /** Absolute paths, at least one; plain models. */
  readonly originalPaths: readonly string[];
  /** Absolute paths of independent models of the same architecture; plain models. */
  readonly nullPaths: readonly string[];
  /** Whether layers are to be compared one by one, needed for the verdict or not. */
  readonly layers: boolean;
  /** Whether both models are to be run, so that hidden values are compared; never needed for the verdict. */
  readonly activations: boolean;
  /** Absolute path of data to run them on; seeded probes without it. */
  readonly evalPath?: string | undefined;
}

export interface LineageReport extends LineageResult {
  readonly name: string;
  /** One for each original; [] when it was not asked for. */
  readonly hidden: readonly HiddenComparison[];
  /** Independent models that were given. */
  readonly nullsGiven: number;
  /** Index in the ledger, or null with `notRecorded` saying why. */
  readonly leafIndex: number | null;
  readonly notRecorded: string | null;
}

/**
 * @param openSession the owner of the home; called when it has one, and for a sealed suspect
 * @throws FormatError | SourceError | SealError; WorkflowError MODEL_SEALED for a sealed original or independent model
 */
export async function findLineage(
  services: Services,
  openSession: () => Session,
  options: LineageFileOptions,
): Promise<LineageReport> {
  const { originalPaths, nullPaths, dataRoot } = options;
  const opened: Model[] = [];
  const suspect = await openAnyModel(services, () => openSession().recorder, options);
  opened.push(suspect.model);
  try {
    for (const path of originalPaths) opened.push(openPlainModel(path, dataRoot));
    const [, ...originals] = opened;
    const nulls = nullPaths.map((path) => () => openPlainModel(path, dataRoot));
    const result = compareLineage({
      ...{ suspect: suspect.model, originals, nulls, progress: services.progress },
      detail: options.layers ? 'layers' : 'verdict',
    });
    const hidden = options.activations ? await compareAllHidden(services, opened, options) : [];
    const about = { name: suspect.name, hidden, nullsGiven: nullPaths.length };
    return { ...result, ...about, ...(await record(services, openSession, opened, { ...result, ...about })) };
  } finally {
    for (const model of opened) model.close();
  }
}

async function compareAllHidden(
  services: Services,
  [suspect, ...originals]: readonly Model[],
  options: LineageFileOptions,
): Promise<HiddenComparison[]> {
  const runtime = await services.openRuntime();
  const data = openEvalData(services, options);
  try {
    const found: HiddenComparison[] = [];
    for (const original of originals) {
      found.push(await compareHidden({ runtime, original, suspect, data, progress: services.progress }));
    }
    return found;
  } finally {
    data?.close();
  }
}

/** Nobody becomes an owner by comparing two files: it is recorded where there is one. */
async function record(
  { home, storage, progress }: Services,
  openSession: () => Session,
  [suspect, ...originals]: readonly Model[],
  { name, verdict, rule, nullsGiven }: LineageResult & Pick<LineageReport, 'name' | 'nullsGiven'>,
): Promise<Pick<LineageReport, 'leafIndex' | 'notRecorded'>> {
  if (!storage.exists(home.ownerSecretsPath)) return { leafIndex: null, notRecorded: 'this home has no owner' };
  try {
    const { recorder } = openSession();
    const digest = (model: Model): string => toHex(toOriginalDigest(model, progress));
    const originalDigests = originals.map((model, index) => [`original${index === 0 ? '' : index + 1}`, digest(model)]);
    const receipt = await recorder.record([
      {
        type: 'lineage',
        actor: recorder.actor,
        subject: name,
        digests: { suspect: digest(suspect), ...(Object.fromEntries(originalDigests) as Record<string, string>) },
        detail: { verdict, ...(rule === null ? {} : { rule }), originals: originals.length, nulls: nullsGiven },
      },
    ]);
    return { leafIndex: receipt.firstIndex, notRecorded: null };
  } catch (error) {
    // Comparing must work where the ledger cannot be written; the report says so.
    if (error instanceof ModelwardError) return { leafIndex: null, notRecorded: error.code };
    throw error;
  }
}
