/** Opens a model from a path, plain or sealed; a sealed one through its envelope and a recorded key use. */
import { basename, dirname, join } from 'node:path';
import { type ErrorCode, ModelwardError, WorkflowError } from '../core/errors.ts';
import { zeroize } from '../core/bytes.ts';
import { openModel, openModelPath } from '../formats/registry.ts';
import type { Model } from '../model/types.ts';
import {
  isSeal,
  type OpenedSeal,
  type KeyEnvelope,
  openSeal,
  parseEnvelope,
  readSealHeader,
  type SealInfo,
  unwrapDek,
} from '../seal/index.ts';
import { openFileSource } from '../source/index.ts';
import { isObjectAddress } from '../source/object-address.ts';
import type { ByteSource } from '../source/ports.ts';
import { openLocation, toLocationName } from './locations.ts';
import type { Recorder } from './recorder.ts';
import type { Services } from './services.ts';

export interface OpenAnyOptions {
  /** Absolute path, or address, of a model file or a sealed model. */
  readonly path: string;
  /** Absolute; links below it are followed. Links are refused without it. */
  readonly dataRoot?: string;
  /** Absolute path of the key envelope; the home is searched without it. */
  readonly envelopePath?: string | undefined;
  readonly keyUri?: string | null;
}

export interface OpenedModel {
  readonly model: Model;
  /** Base name of the model inside; of the seal for a sealed one. */
  readonly name: string;
  readonly isSealed: boolean;
  readonly sealId: string | null;
}

/** True when the file begins like a sealed model. */
export function isSealedPath(path: string): boolean {
  const source = openFileSource(path);
  try {
    return isSeal(source);
  } finally {
    source.close();
  }
}

/**
 * Opens a plain model that a changed copy is made of. A sealed one is refused: its copy would lie in the clear, or need a
 * seal of its own; to open and to seal use keys, and are recorded, so they stay steps of their own.
 * @throws WorkflowError MODEL_SEALED; FormatError | SourceError
 */
export function openPlainModel(path: string, dataRoot?: string): Model {
  if (isSealedPath(path)) throw new WorkflowError('MODEL_SEALED', { fields: { file: basename(path) } });
  return openModelPath(path, { dataRoot });
}

export interface PlainModels {
  /** @throws as `openPlainModel` */
  readonly open: (path: string) => Model;
  /** Closes all that were opened. */
  readonly close: () => void;
}

/** Plain models that are worked with together; data that lies outside of them is in one folder. */
export function gatherPlainModels(dataRoot?: string): PlainModels {
  const opened: Model[] = [];
  return {
    open: (path) => {
      const model = openPlainModel(path, dataRoot);
      opened.push(model);
      return model;
    },
    close: () => {
      for (const model of opened) model.close();
    },
  };
}

/**
 * Opens a model for reading. For a sealed one the key is asked for through `recorder`, which is not called otherwise.
 * @throws FormatError | SourceError | SealError
 * @throws WorkflowError ENVELOPE_NOT_FOUND
 */
export async function openAnyModel(
  services: Services,
  recorder: () => Pick<Recorder, 'writer' | 'actor'>,
  options: OpenAnyOptions,
): Promise<OpenedModel> {
  const { path } = options;
  if (!isObjectAddress(path) && !isSealedPath(path)) {
    const model = openModelPath(path, options.dataRoot === undefined ? {} : { dataRoot: options.dataRoot });
    return { model, name: basename(path), isSealed: false, sealId: null };
  }
  const source = await openLocation(services, path);
  try {
    if (!isSeal(source)) return await openPlainObject(services, source, path);
    return await countDamage(recorder, source.label, async () => {
      const dek = await unwrapForSeal(services, recorder, readSealHeader(source), options);
      try {
        return openInside(openSeal({ source, dek }));
      } finally {
        zeroize(dek);
      }
    });
  } catch (error) {
    source.close();
    throw error;
  }
}

/** The data of a model lie beside it, under its prefix. */
async function openPlainObject(services: Services, source: ByteSource, path: string): Promise<OpenedModel> {
  const name = toLocationName(path);
  const folder = (await services.openObjects()).openFolder(path);
  return { model: openModel({ source, name, folder }), name, isSealed: false, sealId: null };
}

/** The model inside an open seal; a model that cannot be opened closes the seal, so that no key stays in memory. */
function openInside(opened: OpenedSeal): OpenedModel {
  const { sealId, files } = opened.header;
  const { name } = files[0];
  try {
    const model = openModel({ source: opened.main, name, folder: opened.folder });
    return { model, name, isSealed: true, sealId };
  } catch (error) {
    opened.close();
    throw error;
  }
}

/**
 * The data key of a seal; the caller wipes it. A refusal before any provider is asked is counted in the ledger, too.
 * @throws WorkflowError ENVELOPE_NOT_FOUND; SealError; LedgerError when a refusal cannot be recorded
 */
export async function unwrapForSeal(
  services: Services,
  recorder: () => Pick<Recorder, 'writer' | 'actor'>,
  seal: SealInfo,
  options: Pick<OpenAnyOptions, 'envelopePath' | 'keyUri'>,
): Promise<Uint8Array> {
  const { writer, actor } = recorder();
  try {
    const envelope = readEnvelope(services, seal, options.envelopePath);
    const ask = { uri: options.keyUri ?? null, create: false, apartFrom: null, ledger: writer, actor };
    const keys = await services.openKeys(ask);
    const { dek } = await unwrapDek({ envelope, unwrappers: [keys.provider], clock: services.clock, seal });
    return dek;
  } catch (error) {
    if (error instanceof ModelwardError && REFUSALS.has(error.code)) {
      await writer.refuse({ actor, subject: seal.header.sealId, cause: error.code });
    }
    throw error;
  }
}

/** Faults of the sealed file itself. */
const DAMAGES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'SEAL_VERSION_UNKNOWN',
  'SEAL_HEADER_INVALID',
  'SEAL_SIZE_MISMATCH',
  'SEAL_AUTH_FAILED',
]);

/**
 * Runs `work`, and counts in the ledger that a sealed file was refused for what it is: cut, altered, of another version.
 * @param label name of the file: what its header says of it may be wrong
 * @throws what `work` throws; LedgerError when the refusal cannot be recorded
 */
export async function countDamage<T>(
  recorder: () => Pick<Recorder, 'writer' | 'actor'>,
  label: string,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ModelwardError && DAMAGES.has(error.code)) {
      const { writer, actor } = recorder();
      await writer.refuse({ actor, subject: label.slice(0, 512) || '?', cause: error.code });
    }
    throw error;
  }
}

/** Reasons to give no key that leave no key use in the ledger, because no provider was asked or none was concerned. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'ENVELOPE_NOT_FOUND',
  'ENVELOPE_INVALID',
  'KEY_STORE_MISSING',
  'ENVELOPE_MISMATCH',
  'ENVELOPE_AUTH_FAILED',
  'KEY_NOT_FOUND',
  'KEY_EXPIRED',
]);

/** Where the envelope of a seal lies in the home. */
export function toEnvelopePath(services: Pick<Services, 'home'>, sealId: string): string {
  return join(services.home.envelopesFolder, `${sealId}.keys.json`);
}

function readEnvelope(services: Services, seal: SealInfo, envelopePath: string | undefined): KeyEnvelope {
  const path = envelopePath ?? toEnvelopePath(services, seal.header.sealId);
  if (envelopePath === undefined && !services.storage.exists(path)) {
    throw new WorkflowError('ENVELOPE_NOT_FOUND', { fields: { sealId: seal.header.sealId, folder: dirname(path) } });
  }
  return parseEnvelope(services.storage.read(path));
}
