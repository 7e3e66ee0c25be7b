/** The folder of a witness: its key, the logs that it knows, and what it cosigned of each (docs/spec/witness.md §5). */
import { allocSecret, concatBytes, toHex, utf8, zeroize } from '../../core/bytes.ts';
import { LedgerError, SourceError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import type { Random } from '../../core/ports.ts';
import type { Storage } from '../../source/ports.ts';
import { type Cosigner, createCosigner } from '../cosigner-key.ts';
import { DurableFiles, findFile, toParent } from '../durable-files.ts';
import { encodeVerifierKey, isKeyName, parseVerifierKey, type VerifierKey } from '../note-key.ts';

const KEY_FILE = 'key';
const LOGS_FOLDER = 'logs';
const LOG_FILE = 'log';
const MAGIC = 'modelward witness key v1\n';
const SEED_BYTES = 32;

export interface WitnessPlace {
  readonly storage: Storage;
  /** Absolute path. */
  readonly folder: string;
}

/** A log whose checkpoints a witness takes. */
export interface WitnessedLog {
  readonly origin: string;
  /** Any of them may sign; of those that do, all must be right. */
  readonly keys: readonly VerifierKey[];
}

/**
 * Makes a witness with a key of its own, durably.
 * @param options.name such as "witness.example/w1"
 * @throws LedgerError WITNESS_EXISTS | LEDGER_KEY_MALFORMED for a name that a key cannot have
 */
export function createWitnessFolder(options: WitnessPlace & { readonly name: string; readonly random: Random }): void {
  const { storage, folder, name, random } = options;
  if (!isKeyName(name)) throw new LedgerError('LEDGER_KEY_MALFORMED', { fields: { name } });
  if (!storage.exists(folder)) storage.makeFolder(folder, 0o700);
  const seed = allocSecret(SEED_BYTES);
  random.fill(seed);
  const bytes = concatBytes(utf8(`${MAGIC}${name}\n`), seed);
  try {
    createOnce(options, KEY_FILE, bytes);
    storage.syncFolder(toParent(folder));
  } finally {
    zeroize(seed, bytes);
  }
}

/** @throws LedgerError WITNESS_NOT_FOUND | WITNESS_KEY_MALFORMED */
export function readCosigner({ storage, folder }: WitnessPlace): Cosigner {
  const bytes = findFile(storage, `${folder}/${KEY_FILE}`);
  if (bytes === undefined) throw new LedgerError('WITNESS_NOT_FOUND');
  try {
    const [, name = ''] = /^modelward witness key v1\n([^\n]+)\n$/.exec(toText(bytes.subarray(0, -SEED_BYTES))) ?? [];
    if (!isKeyName(name)) throw new LedgerError('WITNESS_KEY_MALFORMED');
    return createCosigner({ name, seed: bytes.subarray(-SEED_BYTES) });
  } finally {
    zeroize(bytes);
  }
}

/**
 * Lets the witness take checkpoints of a log, from the next request on.
 * @throws LedgerError WITNESS_NOT_FOUND | WITNESS_EXISTS when it knows a log of this origin
 */
export function addLog(place: WitnessPlace, { origin, keys }: WitnessedLog): void {
  const { storage, folder } = place;
  if (!storage.exists(`${folder}/${KEY_FILE}`)) throw new LedgerError('WITNESS_NOT_FOUND');
  createOnce(
    place,
    `${toLogFolder(origin)}/${LOG_FILE}`,
    utf8([origin, ...keys.map(encodeVerifierKey), ''].join('\n')),
  );
}

/** The log of an origin, which may be any text. @throws LedgerError WITNESS_STATE_CORRUPT */
export function findLog(place: WitnessPlace, origin: string): WitnessedLog | undefined {
  const log = readLog(place, toLogFolder(origin));
  if (log !== undefined && log.origin !== origin) throw corrupt(LOG_FILE);
  return log;
}

/** All logs, in no order that means something. @throws LedgerError WITNESS_STATE_CORRUPT */
export function listLogs(place: WitnessPlace): WitnessedLog[] {
  const names = place.storage.list(`${place.folder}/${LOGS_FOLDER}`).filter((name) => /^[0-9a-f]{64}$/.test(name));
  return names.map((name) => readLog(place, `${LOGS_FOLDER}/${name}`)).filter((log) => log !== undefined);
}

/** Folder of a log below that of the witness: origins may have any character. */
export function toLogFolder(origin: string): string {
  return `${LOGS_FOLDER}/${toHex(sha256(utf8(origin)))}`;
}

export function corrupt(file: string): LedgerError {
  return new LedgerError('WITNESS_STATE_CORRUPT', { fields: { file } });
}

function readLog({ storage, folder }: WitnessPlace, at: string): WitnessedLog | undefined {
  const bytes = findFile(storage, `${folder}/${at}/${LOG_FILE}`);
  if (bytes === undefined) return undefined;
  const [origin, ...lines] = toText(bytes).split('\n');
  if (origin === '' || lines.pop() !== '' || lines.length === 0) throw corrupt(LOG_FILE);
  return { origin, keys: lines.map(parseVerifierKey) };
}

/** A new file under a name that must be free; of two processes one succeeds. */
function createOnce({ storage, folder }: WitnessPlace, name: string, bytes: Uint8Array): void {
  const path = `${folder}/${name}`;
  const staged = `${path}.new`;
  const files = new DurableFiles(storage, folder);
  try {
    if (storage.exists(staged)) storage.remove(staged);
    files.create(staged, bytes);
    files.flush();
    storage.renameToFree(staged, path);
    storage.syncFolder(toParent(path));
  } catch (error) {
    files.close();
    if (!(error instanceof SourceError && error.code === 'WRITE_EXISTS')) throw error;
    if (storage.exists(staged)) storage.remove(staged);
    throw new LedgerError('WITNESS_EXISTS', { fields: { file: name } });
  }
}

function toText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8');
}
