/** Makes baselines and verifies altered copies of models held in memory, for tests. */
import { FormatError, ModelwardError } from '../../src/core/errors.ts';
import { openModel } from '../../src/formats/index.ts';
import type { Model } from '../../src/model/types.ts';
import { createP256Pkcs8, p256Signer } from '../../src/sign/index.ts';
import { openBufferSource } from '../../src/source/buffer.ts';
import { createBaseline, type Suspect, verifyBaseline, type VerifyReport } from '../../src/tamper/index.ts';
import { memoryFolder } from '../memory-folder.ts';

export const signer = p256Signer(createP256Pkcs8());

/** The first file is the main one; the others lie beside it. */
export type Files = Readonly<Record<string, Uint8Array>>;

export function openFiles(files: Files): Model {
  const [name, bytes] = Object.entries(files)[0];
  return openModel({ source: openBufferSource(name, bytes), name, folder: memoryFolder(files) });
}

export async function baselineOf(files: Files): Promise<Uint8Array> {
  return (await createBaseline({ model: openFiles(files), signer })).envelope;
}

/** A model where the files open as one, else the files and the reason. */
export function toSuspect(files: Files): Suspect {
  try {
    return { kind: 'model', model: openFiles(files) };
  } catch (error) {
    if (!(error instanceof FormatError || error instanceof ModelwardError)) throw error;
    const list = Object.entries(files).map(([name, bytes]) => ({ name, source: openBufferSource(name, bytes) }));
    return { kind: 'files', files: list, refusal: error.code };
  }
}

export function verifyFiles(
  envelope: Uint8Array,
  files: Files,
  options: { reference?: Files; changesMax?: number } = {},
): VerifyReport {
  return verifyBaseline({
    suspect: toSuspect(files),
    envelope,
    publicKeyPem: signer.publicKeyPem,
    ...(options.reference === undefined ? {} : { reference: openFiles(options.reference) }),
    ...(options.changesMax === undefined ? {} : { changesMax: options.changesMax }),
  });
}

/** A copy with one bit flipped. */
export function withFlip(bytes: Uint8Array, offset: number, bit: number): Uint8Array {
  const copy = bytes.slice();
  copy[offset] ^= 1 << bit;
  return copy;
}

/** A safetensors file: header members in the order given, data one after the other. */
export function safetensors(
  tensors: readonly { name: string; dtype: string; shape: readonly number[]; data: Uint8Array }[],
  metadata?: Readonly<Record<string, string>>,
): Uint8Array {
  const header: Record<string, unknown> = metadata === undefined ? {} : { __metadata__: metadata };
  let at = 0;
  for (const { name, dtype, shape, data } of tensors) {
    header[name] = { dtype, shape, data_offsets: [at, at + data.length] };
    at += data.length;
  }
  let text = JSON.stringify(header);
  while (Buffer.byteLength(text) % 8 !== 0) text += ' ';
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(Buffer.byteLength(text)));
  return new Uint8Array(Buffer.concat([prefix, Buffer.from(text), ...tensors.map(({ data }) => data)]));
}
