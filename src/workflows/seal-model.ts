/** Seals a model: files into one sealed file, the key wrapped into an envelope kept away from it, both recorded. */
import { allocSecret, toHex, zeroize } from '../core/bytes.ts';
import { ModelwardError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { openModel, openModelPath } from '../formats/registry.ts';
import type { EntryInput } from '../ledger/ports.ts';
import type { Model } from '../model/types.ts';
import { createEnvelope, encodeEnvelope, type FileToSeal, sealFilesInTurns, type SealedFile } from '../seal/index.ts';
import { openFileSource, type StagedOutput, stageFile } from '../source/index.ts';
import { isObjectAddress } from '../source/object-address.ts';
import type { ByteSink, ByteSource, StagedObject } from '../source/ports.ts';
import { toHashingSink } from './digests.ts';
import { assertNoInputLocation, openLocation, toBarePlace, toLocationFolder, toLocationName } from './locations.ts';
import { toEnvelopePath } from './open-model.ts';
import { rememberSealPlace } from './seal-places.ts';
import type { OpenedKeys, Services } from './services.ts';
import type { Session } from './session.ts';
import { withStaged } from './staged.ts';
import { makeParent, writeBytes } from './write-bytes.ts';

export interface SealIntoOptions {
  readonly files: readonly FileToSeal[];
  readonly modelName: string;
  readonly format: string;
  readonly keys: OpenedKeys;
  readonly sink: ByteSink;
}

export interface SealedRecord {
  readonly seal: SealedFile;
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly envelopePath: string;
  readonly envelopeSha256: string;
  readonly envelopeSizeBytes: number;
}

/**
 * Seals into `sink`; the envelope is durable in the home when this returns, so a sealed file never gets its name before
 * its key can be found.
 * @throws SealError from the provider; SourceError from the sources and the envelope's folder
 */
export async function sealInto(services: Services, options: SealIntoOptions): Promise<SealedRecord> {
  const { clock, random, progress } = services;
  const dek = allocSecret(32);
  random.fill(dek);
  try {
    const sink = toHashingSink(options.sink);
    const { files, modelName, format } = options;
    const model = { name: modelName };
    const seal = await sealFilesInTurns({ files, sink, dek, model, format, clock, random, progress });
    const envelope = await createEnvelope({ seal, dek, wrapper: options.keys.provider, clock });
    const envelopePath = toEnvelopePath(services, seal.header.sealId);
    const bytes = encodeEnvelope(envelope);
    writeBytes(services.storage, { path: envelopePath, mode: 0o600, replace: false, bytes });
    return {
      seal,
      sha256: sink.sha256(),
      sizeBytes: sink.sizeBytes(),
      envelopePath,
      envelopeSha256: toHex(sha256(bytes)),
      envelopeSizeBytes: bytes.length,
    };
  } finally {
    zeroize(dek);
  }
}

/** The ledger entry of one sealing. */
export function toSealEntry(actor: string, record: SealedRecord): EntryInput {
  const { sealId, model } = record.seal.header;
  return {
    type: 'seal',
    actor,
    subject: model.name,
    digests: { sealed: record.sha256 },
    detail: { sealId, bytes: record.sizeBytes },
  };
}

export interface SealModelOptions {
  /** Absolute path, or address, of a model or of any other file. */
  readonly path: string;
  /** Absolute path, or address, of the sealed file. */
  readonly out: string;
  readonly keyUri: string | null;
  readonly force: boolean;
  readonly dataRoot?: string | undefined;
}

export interface SealModelResult {
  readonly sealed: { readonly path: string; readonly sha256: string; readonly sizeBytes: number };
  readonly envelope: { readonly path: string; readonly sha256: string };
  readonly sealId: string;
  readonly key: { readonly scheme: string; readonly note: string | null };
  readonly leafIndex: number;
  /** The plaintext files that stay where they were. */
  readonly plaintextLeft: readonly string[];
}

/**
 * Seals the model at `path` with its external data or shards; a file that is no model is sealed alone, as bytes.
 * @throws SealError KEY_NOT_APART when the key would lie beside the sealed file
 * @throws SourceError WRITE_EXISTS
 */
export async function sealModel(
  services: Services,
  session: Session,
  options: SealModelOptions,
): Promise<SealModelResult> {
  assertNoInputLocation(options.out, [options.path]);
  const recorder = session.recorder;
  const { writer, actor } = recorder;
  const ask = { uri: options.keyUri, create: true, apartFrom: toBarePlace(options.out), ledger: writer, actor };
  const keys = await services.openKeys(ask);
  const input = await openFiles(services, options);
  try {
    const record = await sealToPlace(services, { ...options, modelName: toLocationName(options.path) }, keys, input);
    const receipt = await recorder.record([toSealEntry(actor, record)]);
    return {
      sealed: { path: options.out, sha256: record.sha256, sizeBytes: record.sizeBytes },
      envelope: { path: record.envelopePath, sha256: record.envelopeSha256 },
      sealId: record.seal.header.sealId,
      key: { scheme: keys.scheme, note: keys.note },
      leafIndex: receipt.firstIndex,
      plaintextLeft: input.files.map(({ name }) => `${toLocationFolder(options.path)}/${name}`),
    };
  } finally {
    input.close();
  }
}

/** What is sealed: files, the first of which is the model's main one, and what they are. */
export interface InputFiles {
  readonly files: readonly FileToSeal[];
  readonly format: string;
  close(): void;
}

async function openFiles(services: Services, { path, dataRoot }: SealModelOptions): Promise<InputFiles> {
  if (isObjectAddress(path)) return openObjects(services, path);
  try {
    return toInput(openModelPath(path, { dataRoot }));
  } catch (error) {
    if (!isUnknown(error)) throw error;
    return toBytesInput(openFileSource(path), toLocationName(path));
  }
}

async function openObjects(services: Services, address: string): Promise<InputFiles> {
  const source = await openLocation(services, address);
  const name = toLocationName(address);
  try {
    const folder = (await services.openObjects()).openFolder(address);
    return toInput(openModel({ source, name, folder }));
  } catch (error) {
    if (isUnknown(error)) return toBytesInput(source, name);
    source.close();
    throw error;
  }
}

function isUnknown(error: unknown): boolean {
  return error instanceof ModelwardError && error.code === 'FORMAT_UNKNOWN';
}

function toInput(model: Model): InputFiles {
  return {
    files: model.files,
    format: model.format,
    close: () => {
      model.close();
    },
  };
}

function toBytesInput(source: ByteSource, name: string): InputFiles {
  return {
    files: [{ name, source }],
    format: 'bytes',
    close: () => {
      source.close();
    },
  };
}

/** Writes without the final name, and gives it when segments, tags and envelope are all durable. */
export async function sealToPlace(
  services: Services,
  options: Pick<SealModelOptions, 'out' | 'force'> & { readonly modelName: string },
  keys: OpenedKeys,
  input: Pick<InputFiles, 'files' | 'format'>,
): Promise<SealedRecord> {
  const { files, format } = input;
  const { modelName } = options;
  const staged = await stageOutput(services, options, files);
  return withStaged(services, staged, async () => {
    const record = await sealInto(services, { files, modelName, format, keys, sink: staged });
    // Noted first: a place without a file is nothing, a file without its place is not looked at when a key is added.
    rememberSealPlace(services, record.seal.header.sealId, toBarePlace(options.out));
    staged.commit();
    return record;
  });
}

async function stageOutput(
  services: Services,
  { out, force }: Pick<SealModelOptions, 'out' | 'force'>,
  files: readonly FileToSeal[],
): Promise<StagedOutput | StagedObject> {
  if (isObjectAddress(out)) {
    const sizeBytes = files.reduce((sum, { source }) => sum + source.size, 0);
    return (await services.openObjects()).stage(out, { replace: force, sizeBytes });
  }
  const { storage } = services;
  makeParent(storage, out);
  return stageFile({ storage, path: out, mode: 0o644, replace: force });
}
