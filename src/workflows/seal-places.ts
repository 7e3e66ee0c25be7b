/**
 * Where the sealed files of this home were written, kept in the home alone: a key that is given to them later must not lie beside
 * them either. A file that was moved since is not followed.
 */
import { join } from 'node:path';
import { utf8 } from '../core/bytes.ts';
import { isObjectAddress } from '../source/object-address.ts';
import type { Services } from './services.ts';
import { makeParent, writeBytes } from './write-bytes.ts';

type Holder = Pick<Services, 'storage' | 'home'>;

/**
 * @param place absolute path, or address without its parameters
 * @throws SourceError WRITE_FAILED
 */
export function rememberSealPlace({ storage, home }: Holder, sealId: string, place: string): void {
  const path = toPath(home, sealId);
  makeParent(storage, path);
  writeBytes(storage, { path, mode: 0o600, bytes: utf8(place) });
}

/** Places of these seals where a file still is; whether an object still is, only its store knows. */
export function findSealPlaces({ storage, home }: Holder, sealIds: readonly string[]): string[] {
  const noted = sealIds.map((sealId) => toPath(home, sealId)).filter((path) => storage.exists(path));
  const places = noted.map((path) => Buffer.from(storage.read(path)).toString('utf8'));
  return [...new Set(places)].filter((place) => isObjectAddress(place) || storage.exists(place));
}

/** A seal id is a UUID: it was checked where it was read. */
function toPath({ placesFolder }: Services['home'], sealId: string): string {
  return join(placesFolder, sealId);
}
