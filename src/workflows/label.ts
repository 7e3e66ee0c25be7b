/** Writes a fragile label into a copy of a model, and reads one back. A label identifies an unchanged file, no more. */
import { embedLabel, LABEL_STATEMENT, readLabel } from '../watermark/label.ts';
import { openAnyModel, type OpenAnyOptions, openPlainModel } from './open-model.ts';
import type { Services } from './services.ts';
import type { Session } from './session.ts';
import { writeCopy, type WrittenCopy } from './write-copy.ts';

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
  readonly labelled: WrittenCopy;
  readonly payloadBytes: number;
  readonly capacityBytes: number;
  readonly statement: string;
}

/** @throws WorkflowError MODEL_SEALED; WatermarkError WATERMARK_LABEL_TOO_LONG; FormatError | SourceError */
export function writeLabel(services: Services, options: WriteLabelOptions): WriteLabelResult {
  const model = openPlainModel(options.path, options.dataRoot);
  try {
    const { edits, record } = embedLabel({ model, payload: options.payload });
    const labelled = writeCopy(services, options, model.plan(edits));
    const { payloadBytes, capacityBytes } = record;
    return { labelled, payloadBytes, capacityBytes, statement: LABEL_STATEMENT };
  } finally {
    model.close();
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
