/** NumPy's npz archives: one array of samples and one of labels, found by their names. */
import type { ByteSource } from '../../source/ports.ts';
import { RuntimeError } from '../../core/errors.ts';
import { joinArrays } from './array.ts';
import { openNpy } from './npy.ts';
import type { LabelledData } from './types.ts';
import { listZip, openZipEntry, type ZipEntry } from './zip.ts';

/** Names of arrays, test before train, in the order in which they are looked for. */
export const SAMPLE_NAMES = ['x_test', 'test_images', 'x_val', 'x', 'data', 'images', 'inputs', 'input', 'features'];
export const LABEL_NAMES = ['y_test', 'test_labels', 'y_val', 'y', 'labels', 'label', 'targets', 'target', 'classes'];

/**
 * Opens an npz with two arrays, named as SAMPLE_NAMES and LABEL_NAMES say (any case).
 * @throws RuntimeError DATA_UNKNOWN_FORMAT when a name is missing; DATA_MALFORMED | DATA_TOO_LARGE
 */
export function openNpz(source: ByteSource): LabelledData {
  const entries = listZip(source);
  const samples = findEntry(entries, SAMPLE_NAMES);
  const labels = findEntry(entries, LABEL_NAMES);
  if (samples === undefined || labels === undefined) {
    throw new RuntimeError('DATA_UNKNOWN_FORMAT', {
      message: 'The npz has no pair of arrays named as samples and labels, such as x and y.',
      fields: { file: source.label, arrays: entries.slice(0, 20).map((entry) => entry.name.slice(0, 80)) },
    });
  }
  const data = joinArrays('npz', openNpy(openZipEntry(source, samples)), openNpy(openZipEntry(source, labels)));
  return {
    ...data,
    close() {
      source.close();
    },
  };
}

function findEntry(entries: readonly ZipEntry[], names: readonly string[]): ZipEntry | undefined {
  for (const name of names) {
    const found = entries.find((entry) => entry.name.toLowerCase() === `${name}.npy`);
    if (found !== undefined) return found;
  }
  return undefined;
}
