/** Writes a fragile label into a copy of a model, and reads one back. A label identifies an unchanged file, no more. */
import { join } from 'node:path';
import { openModelPath, writeModel } from '../formats/index.ts';
import { stageFile, stageFolder } from '../source/index.ts';
import { applyRewrite, type RewritePlan } from '../source/rewrite.ts';
import { embedLabel, LABEL_STATEMENT, readLabel } from '../watermark/index.ts';
import { toHashingSink } from './digests.ts';
import { openAnyModel, type OpenAnyOptions } from './open-model.ts';
import type { Services } from './services.ts';
import type { Session } from './session.ts';
import { makeParent } from './write-bytes.ts';

export interface WriteLabelOptions {
  /** Absolute path of the model. */
  readonly path: string;
  /** Absolute path of the labelled copy: a file, or a folder for a model of several files. */
  readonly out: string;
  readonly payload: Uint8Array;
  readonly force: boolean;
  readonly dataRoot?: string | undefined;
}

export interface WriteLabelResult {
  readonly labelled: { readonly path: string; readonly sha256: string | null };
  readonly payloadBytes: number;
  readonly capacityBytes: number;
  readonly statement: string;
}

/** @throws WatermarkError WATERMARK_LABEL_TOO_LONG; FormatError | SourceError */
export function writeLabel(services: Services, options: WriteLabelOptions): WriteLabelResult {
  const model = openModelPath(options.path, { dataRoot: options.dataRoot });
  try {
    const { edits, record } = embedLabel({ model, payload: options.payload });
    const plan = model.plan(edits);
    const isSingle = plan.files.length === 1;
    const labelled = isSingle ? writeFile(services, options, plan) : writeFolder(services, options, plan);
    const { payloadBytes, capacityBytes } = record;
    return { labelled, payloadBytes, capacityBytes, statement: LABEL_STATEMENT };
  } finally {
    model.close();
  }
}

function writeFile(
  { storage }: Services,
  { out, force }: WriteLabelOptions,
  plan: RewritePlan,
): WriteLabelResult['labelled'] {
  makeParent(storage, out);
  const staged = stageFile({ storage, path: out, mode: 0o644, replace: force });
  try {
    const sink = toHashingSink(staged);
    applyRewrite(plan.files[0].ops, sink);
    staged.commit();
    return { path: out, sha256: sink.sha256() };
  } catch (error) {
    staged.abort();
    throw error;
  }
}

function writeFolder(
  { storage, progress }: Services,
  { out, force }: WriteLabelOptions,
  plan: RewritePlan,
): WriteLabelResult['labelled'] {
  const staged = stageFolder({ storage, target: out, replace: force });
  try {
    writeModel(plan, staged, progress);
    staged.commit();
    return { path: join(out, plan.files[0].name), sha256: null };
  } catch (error) {
    staged.abort();
    throw error;
  }
}

/**
 * The payload of the label in a model, plain or sealed.
 * @throws WatermarkError WATERMARK_LABEL_ABSENT
 */
export async function findLabel(
  services: Services,
  openSession: () => Session,
  options: OpenAnyOptions,
): Promise<Uint8Array> {
  let session: Session | undefined;
  const recorder = () => {
    session ??= openSession();
    return session.recorder;
  };
  try {
    const { model } = await openAnyModel(services, recorder, options);
    try {
      return readLabel({ model });
    } finally {
      model.close();
    }
  } finally {
    session?.close();
  }
}
