/** A user's data set as trigger sets read it: every format, images at the size of the first. */
import { WatermarkError } from '../../core/errors.ts';
import { TRIGGER_LIMITS } from '../../core/limits/triggers.ts';
import type { LabelledData } from '../../fidelity/index.ts';
import type { SetSource } from '../../watermark/index.ts';

/**
 * Labels become ranks: 0 for the smallest label in the data.
 * @throws WatermarkError WATERMARK_TRIGGER_UNFIT; RuntimeError DATA_…
 */
export function toSetSource(data: LabelledData): SetSource & { readonly classes: readonly number[] } {
  if (data.count > TRIGGER_LIMITS.setSamplesMax) throw unfit(`it has ${data.count} samples, more than are read`);
  const classes = [...new Set(data.labels.values)].sort((a, b) => a - b);
  if (classes.length < 2) throw unfit('it has one class only');
  const rank = new Map(classes.map((label, index) => [label, index]));
  const labels = data.labels.values.map((label) => rank.get(label) ?? 0);
  const { sampleShape: shape } = data;
  if (shape !== null) {
    return { count: data.count, shape, labels, classes, read: (index) => data.read(index) };
  }
  const size = data.findImageSize(0);
  if (size === undefined) throw unfit('the size of its images is not known');
  const wanted = { height: size.height, width: size.width, channels: 3 } as const;
  return {
    count: data.count,
    shape: [wanted.height, wanted.width, wanted.channels],
    ...{ labels, classes },
    read: (index) => data.readImage(index, wanted),
  };
}

function unfit(problem: string): WatermarkError {
  return new WatermarkError('WATERMARK_TRIGGER_UNFIT', {
    message: 'No trigger set can be made of this data.',
    fields: { reason: problem },
  });
}
