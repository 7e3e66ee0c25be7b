/** Writes a fragile label into a copy of a model, and reads one back. A label identifies an unchanged file, no more. */
import { utf8 } from '../core/bytes.ts';
import { embedLabel, LABEL_STATEMENT, readLabel } from '../watermark/label.ts';
import { toSourceSha256 } from './digests.ts';
import type { Model } from '../model/types.ts';
import { openAnyModel, type OpenAnyOptions, openPlainModel } from './open-model.ts';
import type { Services } from './services.ts';
import type { Session } from './session.ts';
import { writeCopy, type WrittenCopy } from './write-copy.ts';

export interface WriteLabelOptions {
  /** Absolute path of the model. */
  readonly path: string;
  /** Absolute path of the labelled copy: a file, or a folder for a model of several files. */
  readonly out: string;
  /** "checksum": the SHA-256 of the model's main file as it is before, 64 hexadecimal digits. */
  readonly payload: Uint8Array | 'checksum';
  readonly force: boolean;
  readonly dataRoot?: string | undefined;
}

export interface WriteLabelResult {
  readonly labelled: WrittenCopy;
  /** What the label says, when it is a checksum. */
  readonly checksum: string | null;
  readonly payloadBytes: number;
  readonly capacityBytes: number;
  readonly statement: string;
}

/** @throws WorkflowError MODEL_SEALED; WatermarkError WATERMARK_LABEL_TOO_LONG; FormatError | SourceError */
export function writeLabel(services: Services, options: WriteLabelOptions): WriteLabelResult {
  const model = openPlainModel(options.path, options.dataRoot);
  try {
    const { payload, checksum } = toPayload(services, model, options.payload);
    const { edits, record } = embedLabel({ model, payload });
    const labelled = writeCopy(services, options, model.plan(edits));
    const { payloadBytes, capacityBytes } = record;
    return { labelled, checksum, payloadBytes, capacityBytes, statement: LABEL_STATEMENT };
  } finally {
    model.close();
  }
}

function toPayload(
  services: Services,
  model: Model,
  wanted: WriteLabelOptions['payload'],
): { readonly payload: Uint8Array; readonly checksum: string | null } {
  if (wanted !== 'checksum') return { payload: wanted, checksum: null };
  const checksum = toSourceSha256(model.files[0].source, services.progress);
  return { payload: utf8(checksum), checksum };
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
