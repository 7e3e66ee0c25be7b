/** Where the sealed files lie that the envelopes of a folder open: a key that takes over must not lie beside any of them. */
import { findSealPlaces } from '../seal-places.ts';
import type { Services } from '../services.ts';
import { listEnvelopePaths, readEnvelopeFile } from './envelopes.ts';

/**
 * What this home noted when it sealed, and what the user names.
 * @param folder absolute path of the folder with the envelopes
 * @param seals absolute paths
 */
export function listSealPlaces(
  services: Pick<Services, 'storage' | 'home'>,
  folder: string,
  seals: readonly string[],
): string[] {
  const sealIds = listEnvelopePaths(services.storage, folder).flatMap((path) => findSealId(services, path));
  return [...new Set([...findSealPlaces(services, sealIds), ...seals])];
}

/** An envelope that cannot be read is given no key either. */
function findSealId({ storage }: Pick<Services, 'storage'>, path: string): string[] {
  try {
    return [readEnvelopeFile(storage, path).envelope.sealId];
  } catch {
    return [];
  }
}
