/** The file of a TPM key: KEKs that only one TPM can open, and which PCRs have to be as they were. No secret is in it. */
import { z } from 'zod';
import { findBase64Bytes, findHexBytes, toBase64, toHex, utf8 } from '../../../core/bytes.ts';
import { toCanonicalJson } from '../../../core/canonical-json.ts';
import { SealError } from '../../../core/errors.ts';
import { SEAL_LIMITS } from '../../../core/limits/seal.ts';
import { TPM_LIMITS } from '../../../core/limits/tpm.ts';
import type { TpmBlob } from '../../../tpm/index.ts';
import type { Ring, RingVersion } from '../keyring.ts';

/** Bytes of a sealed object's parts: some 80 and 190 for 32 bytes of data. */
const PART_BYTES_MAX = 512;
/** SHA-256, and which algorithm that is. */
const NAME_BYTES = 34;

export interface TpmVersion extends RingVersion {
  /** Ascending; empty: no policy. */
  readonly pcrs: readonly number[];
  readonly blob: TpmBlob;
}

export interface TpmRing extends Ring<TpmVersion> {
  /** Name of the TPM's storage root key: which TPM it is. */
  readonly root: Uint8Array;
}

const partSchema = z
  .string()
  .max(2 * PART_BYTES_MAX)
  .transform((text) => findBase64Bytes(text) ?? new Uint8Array())
  .refine(({ length }) => length > 0 && length <= PART_BYTES_MAX);

const versionSchema = z.strictObject({
  version: z.int().min(1),
  createdAt: z.iso.datetime({ precision: 3 }),
  pcrs: z
    .array(
      z
        .int()
        .min(0)
        .max(TPM_LIMITS.pcrsMax - 1),
    )
    .max(TPM_LIMITS.pcrsMax)
    .refine(isAscending),
  area: partSchema,
  privatePart: partSchema,
});

const fileSchema = z.strictObject({
  v: z.literal(1),
  type: z.literal('modelward-tpm2-key'),
  keyId: z.string().regex(/^[0-9a-f]{32}$/),
  root: z
    .string()
    .max(2 * NAME_BYTES)
    .transform((hex) => findHexBytes(hex) ?? new Uint8Array())
    .refine(({ length }) => length === NAME_BYTES),
  versions: z.array(versionSchema).min(1).max(SEAL_LIMITS.keyVersionsMax),
});

export function encodeTpmFile({ keyId, root, versions }: TpmRing): Uint8Array {
  const parts = versions.map(({ version, createdAt, pcrs, blob }) => {
    return { version, createdAt, pcrs: [...pcrs], area: toBase64(blob.area), privatePart: toBase64(blob.privatePart) };
  });
  return utf8(`${toCanonicalJson({ v: 1, type: 'modelward-tpm2-key', keyId, root: toHex(root), versions: parts })}\n`);
}

/** @throws SealError KEY_STORE_INVALID */
export function parseTpmFile(bytes: Uint8Array): TpmRing {
  try {
    const { keyId, root, versions } = fileSchema.parse(
      JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)),
    );
    if (isAscending(versions.map(({ version }) => version))) {
      const rows = versions.map(({ area, privatePart, ...rest }) => ({ ...rest, blob: { area, privatePart } }));
      return { keyId, root, versions: rows };
    }
  } catch {
    // No cause: JSON.parse quotes its input.
  }
  throw new SealError('KEY_STORE_INVALID');
}

function isAscending(numbers: readonly number[]): boolean {
  return numbers.every((each, at) => at === 0 || each > numbers[at - 1]);
}
