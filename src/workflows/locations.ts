/** Where users keep things: paths of this machine, and objects in stores (`s3://…`, `gs://…`). */
import { basename, dirname } from 'node:path';
import { SourceError } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import { openFileSource } from '../source/index.ts';
import { isObjectAddress, parseObjectAddress, toObjectName } from '../source/object-address.ts';
import type { ByteSource } from '../source/ports.ts';
import type { Services } from './services.ts';
import { assertNoInput } from './write-bytes.ts';

type Stores = Pick<Services, 'openObjects'>;

/**
 * A file that the user named, or an object.
 * @throws SourceError as `openFileSource`; those of `ObjectStore` (source/ports.ts)
 */
export async function openLocation({ openObjects }: Stores, location: string): Promise<ByteSource> {
  return isObjectAddress(location) ? (await openObjects()).open(location) : openFileSource(location);
}

/** Base name of the file, last part of the key. */
export function toLocationName(location: string): string {
  return isObjectAddress(location) ? toObjectName(parseObjectAddress(location)) : basename(location);
}

/** Folder of the file; the prefix of the object as an address, without its parameters. */
export function toLocationFolder(location: string): string {
  if (!isObjectAddress(location)) return dirname(location);
  const place = toBarePlace(location);
  return place.slice(0, place.lastIndexOf('/'));
}

/** The place of what lies there, without how it is reached: an address without its parameters. */
export function toBarePlace(location: string): string {
  if (!isObjectAddress(location)) return location;
  const { scheme, bucket, key } = parseObjectAddress(location);
  return `${scheme}://${bucket}/${key}`;
}

/**
 * A small document, whole.
 * @throws SourceError as {@link openLocation}; SOURCE_UNREADABLE when it is no small one
 */
export async function readLocation(
  services: Stores & Pick<Services, 'storage'>,
  location: string,
): Promise<Uint8Array> {
  if (!isObjectAddress(location)) return services.storage.read(location);
  const source = await openLocation(services, location);
  try {
    if (source.size > LIMITS.wholeFileBytesMax) {
      const fields = { file: source.label, size: source.size, max: LIMITS.wholeFileBytesMax };
      throw new SourceError('SOURCE_UNREADABLE', { fields });
    }
    const bytes = new Uint8Array(source.size);
    source.read(0, bytes);
    return bytes;
  } finally {
    source.close();
  }
}

/**
 * As {@link assertNoInput}, where both may be objects: an address is never a path.
 * @throws SourceError WRITE_OVER_INPUT
 */
export function assertNoInputLocation(output: string, inputs: readonly (string | undefined)[]): void {
  if (!isObjectAddress(output)) {
    assertNoInput(
      [output],
      inputs.filter((input) => input === undefined || !isObjectAddress(input)),
    );
    return;
  }
  const { bucket, key } = parseObjectAddress(output);
  for (const input of inputs) {
    if (input === undefined || !isObjectAddress(input)) continue;
    const other = parseObjectAddress(input);
    if (other.bucket !== bucket || other.key !== key) continue;
    throw new SourceError('WRITE_OVER_INPUT', { fields: { file: toObjectName(other) } });
  }
}
