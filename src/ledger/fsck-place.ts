/** The folder that fsck looks through. */
import { SourceError } from '../core/errors.ts';
import type { Storage } from '../source/ports.ts';

/** The folder of a ledger and the size of its checkpoint. */
export interface Place {
  readonly storage: Storage;
  readonly folder: string;
  readonly size: number;
}

/**
 * Names in a folder, given below the ledger folder; one empty name when it is a file, which is then missed as the folder
 * that it should be.
 */
export function listFolder({ storage, folder }: Place, path: string): readonly string[] {
  try {
    return storage.list(`${folder}/${path}`);
  } catch (error) {
    if (error instanceof SourceError) return [''];
    throw error;
  }
}
