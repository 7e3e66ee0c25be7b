/** New files in bulk, made durable together: write all, then sync all files, then all folders that got a name. */
import { SourceError } from '../core/errors.ts';
import type { Storage, StorageFile } from '../source/ports.ts';

const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;

/** Bytes of a file, or undefined when there is none. */
export function findFile(storage: Storage, path: string): Uint8Array | undefined {
  try {
    return storage.read(path);
  } catch (error) {
    if (error instanceof SourceError && error.code === 'SOURCE_NOT_FOUND') return undefined;
    throw error;
  }
}

/** Collects new files; nothing is promised to be on disk before `flush` returns. */
export class DurableFiles {
  readonly #storage: Storage;
  readonly #knownFolders = new Set<string>();
  readonly #openFiles: StorageFile[] = [];
  readonly #changedFolders = new Set<string>();

  /** @param root an existing folder whose own name is durable */
  constructor(storage: Storage, root: string) {
    this.#storage = storage;
    this.#knownFolders.add(root);
  }

  /** Creates `path` (it must not exist) with the folders above it, inside a folder that exists. */
  create(path: string, bytes: Uint8Array): void {
    const folder = toParent(path);
    this.makeFolders(folder);
    const file = this.#storage.create(path, FILE_MODE);
    this.#openFiles.push(file);
    this.#changedFolders.add(folder);
    file.write(0, bytes);
  }

  makeFolders(folder: string): void {
    if (this.#knownFolders.has(folder)) return;
    const parent = toParent(folder);
    this.makeFolders(parent);
    if (!this.#storage.exists(folder)) this.#storage.makeFolder(folder, FOLDER_MODE);
    // Also when it exists: a writer that was killed may have made the folder and not synced the one above it.
    this.#changedFolders.add(parent);
    this.#knownFolders.add(folder);
  }

  /** Removes a file, and asks the next flush to make that durable. */
  remove(path: string): void {
    this.#storage.remove(path);
    this.#changedFolders.add(toParent(path));
  }

  /** Removes a folder of files, whose coming back after a crash would do no harm. */
  dropFolder(folder: string): void {
    for (const name of this.#storage.list(folder)) this.#storage.remove(`${folder}/${name}`);
    this.#storage.removeFolder(folder);
    this.#knownFolders.delete(folder);
  }

  flush(): void {
    try {
      for (const file of this.#openFiles) file.sync();
    } finally {
      this.close();
    }
    for (const folder of this.#changedFolders) this.#storage.syncFolder(folder);
    this.#changedFolders.clear();
  }

  /** Lets go of open files without syncing. */
  close(): void {
    for (const file of this.#openFiles.splice(0)) file.close();
  }
}

/**
 * Replaces `path` whole: after a crash it holds the old bytes or the new ones.
 * @param isNameDurable also sync the folder, so that the new bytes are there when this returns
 */
export function replaceFile(options: {
  readonly storage: Storage;
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly isNameDurable: boolean;
}): void {
  const { storage, path, bytes, isNameDurable } = options;
  const staged = `${path}.tmp`;
  if (storage.exists(staged)) storage.remove(staged);
  const file = storage.create(staged, FILE_MODE);
  try {
    file.write(0, bytes);
    file.sync();
  } finally {
    file.close();
  }
  storage.rename(staged, path);
  if (isNameDurable) storage.syncFolder(toParent(path));
}

/** The folder that holds `path`. */
export function toParent(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}
