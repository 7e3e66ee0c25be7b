/** Writes the signed baseline of a model as it is now, and the model signature about the same files. */
import { toHex } from '../core/bytes.ts';
import { SourceError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import type { Progress } from '../core/ports.ts';
import { encodeSignatureStatement, signStatement, SINGLE_FILE, toSorted } from '../model-signing/index.ts';
import type { Model } from '../model/types.ts';
import { type MessageSigner, ownerSigner } from '../sign/index.ts';
import { createBaseline } from '../tamper/baseline.ts';
import type { Baseline } from '../tamper/manifest.ts';
import { createModelDigester } from '../watermark/digest.ts';
import { openAnyModel, type OpenAnyOptions } from './open-model.ts';
import type { Services } from './services.ts';
import type { Session } from './session.ts';
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
    const { baseline, envelope, originalDigest } = await describeModel({ model, signer, progress });
    const signature = await signFiles(baseline, signer);
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

/** The model signature over the digests that the baseline has already: no byte is read again. */
function signFiles({ files }: Baseline, signer: MessageSigner): Promise<Uint8Array> {
  const isOne = files.length === 1;
  const resources = toSorted(files.map(({ name, sha256: digest }) => ({ name: isOne ? SINGLE_FILE : name, digest })));
  const serialization = { hashType: 'sha256', shardBytes: null, allowSymlinks: false, ignorePaths: [] } as const;
  const payload = encodeSignatureStatement({ modelName: files[0].name, resources, serialization });
  return signStatement(payload, { signer, certificates: [], stamp: null });
}

/**
 * The signed baseline of a model with its originalDigest in it; each stored byte is read once for all digests.
 * @throws TamperError TAMPER_BASELINE_TOO_LARGE; FormatError | SourceError from the model's readers
 */
export async function describeModel(options: {
  readonly model: Model;
  readonly signer: MessageSigner;
  readonly progress: Progress;
}): Promise<{ readonly baseline: Baseline; readonly envelope: Uint8Array; readonly originalDigest: string }> {
  const digester = createModelDigester(options.model);
  const toDigest = (): string => toHex(digester.digest().digest);
  const onTensorBytes = (tensor: number, bytes: Uint8Array): void => {
    digester.update(tensor, bytes);
  };
  const made = await createBaseline({ ...options, onTensorBytes, originalDigest: toDigest });
  return { ...made, originalDigest: toDigest() };
}
