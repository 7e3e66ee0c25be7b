/** What a model is, signed twice from one reading: the baseline of ours, and the model signature for everybody else. */
import { toHex } from '../core/bytes.ts';
import type { Progress } from '../core/ports.ts';
import { encodeSignatureStatement, signStatement, SINGLE_FILE, toSorted } from '../model-signing/index.ts';
import type { Model } from '../model/types.ts';
import type { MessageSigner } from '../sign/index.ts';
import { createBaseline } from '../tamper/baseline.ts';
import type { Baseline } from '../tamper/manifest.ts';
import { createModelDigester } from '../watermark/digest.ts';

export interface SignedBaseline {
  readonly baseline: Baseline;
  /** DSSE envelope of the baseline's statement, JSON in UTF-8. */
  readonly envelope: Uint8Array;
  /** The model signature of the same files (OMS v1.0): a Sigstore bundle, JSON in UTF-8. */
  readonly signature: Uint8Array;
}

export interface SignBaselineOptions {
  readonly model: Model;
  readonly signer: MessageSigner;
  readonly progress: Progress;
}

/** @throws TamperError TAMPER_BASELINE_TOO_LARGE; FormatError | SourceError from the model's readers */
export async function signBaseline(
  options: SignBaselineOptions & {
    /** Digests that are known, by index of the model's files, hex; a file without one is hashed. */
    readonly fileSha256?: readonly (string | undefined)[];
    readonly originalDigest: () => string;
    readonly onTensorBytes?: (tensor: number, bytes: Uint8Array) => void;
  },
): Promise<SignedBaseline> {
  const { baseline, envelope } = await createBaseline(options);
  return { baseline, envelope, signature: await signFiles(baseline, options.signer) };
}

/** As `signBaseline`, with the originalDigest in it: each stored byte is read once for all digests. */
export async function describeModel(
  options: SignBaselineOptions,
): Promise<SignedBaseline & { readonly originalDigest: string }> {
  const digester = createModelDigester(options.model);
  const toDigest = (): string => toHex(digester.digest().digest);
  const onTensorBytes = (tensor: number, bytes: Uint8Array): void => {
    digester.update(tensor, bytes);
  };
  const made = await signBaseline({ ...options, onTensorBytes, originalDigest: toDigest });
  return { ...made, originalDigest: toDigest() };
}

/** The model signature over the digests that the baseline has already: no byte is read again. */
function signFiles({ files }: Baseline, signer: MessageSigner): Promise<Uint8Array> {
  const isOne = files.length === 1;
  const resources = toSorted(files.map(({ name, sha256: digest }) => ({ name: isOne ? SINGLE_FILE : name, digest })));
  const serialization = { hashType: 'sha256', shardBytes: null, allowSymlinks: false, ignorePaths: [] } as const;
  const payload = encodeSignatureStatement({ modelName: files[0].name, resources, serialization });
  return signStatement(payload, { signer, certificates: [], stamp: null });
}
