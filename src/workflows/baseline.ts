/** Writes the signed baseline of a model as it is now, and the model signature about the same files. */
import { toHex } from '../core/bytes.ts';
import { SourceError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { ownerSigner } from '../sign/index.ts';
import { openAnyModel, type OpenAnyOptions } from './open-model.ts';
import type { Services } from './services.ts';
import type { Session } from './session.ts';
import { describeModel } from './signed-baseline.ts';
import { assertNoInput, makeParent, writeBytes } from './write-bytes.ts';

export interface BaselineModelOptions extends OpenAnyOptions {
  /** Absolute path of the baseline to write. */
  readonly out: string;
  readonly force: boolean;
}

export interface BaselineResult {
  readonly baseline: { readonly path: string; readonly sha256: string };
  /** The model signature of the same files (OMS v1.0), for those who have no modelward. */
  readonly signature: { readonly path: string; readonly sha256: string };
  readonly rawRoot: string;
  readonly tensors: number;
  readonly leafIndex: number;
}

/** @throws FormatError | SourceError for the model; SourceError WRITE_EXISTS; TamperError */
export async function writeBaseline(
  services: Services,
  session: Session,
  options: BaselineModelOptions,
): Promise<BaselineResult> {
  const signaturePath = options.out.replace(/(\.json)?$/, '.sig');
  assertNoInput([options.out, signaturePath], [options.path]);
  // Both or none: the second is not found to be there after the first was written.
  const taken = [options.out, signaturePath].find((path) => !options.force && services.storage.exists(path));
  if (taken !== undefined) throw new SourceError('WRITE_EXISTS', { fields: { file: taken } });
  const { storage, progress } = services;
  const recorder = session.recorder;
  const { model, name } = await openAnyModel(services, () => session.recorder, options);
  try {
    const signer = ownerSigner(session.owner);
    const { baseline, envelope, signature, originalDigest } = await describeModel({ model, signer, progress });
    makeParent(storage, options.out);
    writeBytes(storage, { path: options.out, mode: 0o644, bytes: envelope, replace: options.force });
    writeBytes(storage, { path: signaturePath, mode: 0o644, bytes: signature, replace: options.force });
    const digest = toHex(sha256(envelope));
    const digests = { model: originalDigest, baseline: digest, signature: toHex(sha256(signature)) };
    const receipt = await recorder.record([
      { type: 'baseline', actor: recorder.actor, subject: name, digests, detail: {} },
    ]);
    return {
      baseline: { path: options.out, sha256: digest },
      signature: { path: signaturePath, sha256: digests.signature },
      rawRoot: baseline.rawRoot,
      tensors: baseline.tensors.length,
      leafIndex: receipt.firstIndex,
    };
  } finally {
    model.close();
  }
}
