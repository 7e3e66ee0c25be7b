/** A folder of images: one subfolder per class, named by its number or by any text. */
import { FIDELITY_LIMITS } from '../../core/limits/fidelity.ts';
import type { SourceFolder } from '../../source/ports.ts';
import { toCsvLabels } from './csv.ts';
import { decodeImage, type Pixels, resizeByArea } from './pixels.ts';
import { type LabelledData, malformed, tooLarge } from './types.ts';

const IMAGE_NAME = /^(?:.*\/)?([^/]+)\/[^/]+\.(?:png|jpe?g)$/i;

/** Names of the form …/class/file.png (or jpg, jpeg), sorted. */
export function findImageNames(names: readonly string[]): readonly string[] {
  return names.filter((name) => IMAGE_NAME.test(name)).sort();
}

/**
 * Opens images lazily: a file is read and decoded when its sample is asked for.
 * @param names relative names of the form class/file.png
 * @throws RuntimeError DATA_MALFORMED | DATA_TOO_LARGE
 */
export function openImages(folder: SourceFolder, names: readonly string[]): LabelledData {
  if (names.length > FIDELITY_LIMITS.samplesMax) {
    throw tooLarge(folder.label, 'samples', names.length, FIDELITY_LIMITS.samplesMax);
  }
  const decode = (index: number): Pixels => {
    const source = folder.open(names[index]);
    try {
      return decodeImage(source);
    } finally {
      source.close();
    }
  };
  return {
    format: 'images',
    count: names.length,
    sampleShape: null,
    isBytes: true,
    labels: toCsvLabels(names.map((name) => IMAGE_NAME.exec(name)?.[1] ?? '')),
    read: () => {
      throw malformed(folder.label, 'images are read by size');
    },
    readImage: (index, size) => resizeByArea(decode(index), size),
    findImageSize: (index) => decode(index),
    close() {
      // Every image was closed after its decoding.
    },
  };
}
