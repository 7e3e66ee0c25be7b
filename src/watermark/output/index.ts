/** Marks in the outputs of a model (docs/spec/output-marks.md): put in by surgery, read from recordings or the file, taken out again. */
import { WatermarkError } from '../../core/errors.ts';
import type { Model } from '../../model/types.ts';
import { editGraph, type GraphEdit, type Transaction } from '../../surgery/index.ts';
import type { BoxReading } from './box-code.ts';
import { addBoxes, readBoxes } from './boxes.ts';
import { listMarkIds, type MarkId, removeMark, toPrefix } from './builder.ts';
import { addChecksum, type ChecksumReading, readChecksum } from './checksum.ts';
import { addHidden, type HiddenReading, readHidden } from './hidden.ts';
import { addImage, type ImageReading, readImage } from './image.ts';
import type { OutputMark } from './mark.ts';
import { retypeOutputs } from './outputs.ts';
import { addScores, readScores, type ScoresReading } from './scores.ts';
import { addSignature, readSignature } from './signature.ts';
import type { Recording } from './values.ts';
import type { Payload } from '../payload.ts';

export { BOX_FORMATS, type BoxesParams, findBoxAxes } from './boxes.ts';
export type { MarkId } from './builder.ts';
export type { ChecksumParams } from './checksum.ts';
export type { HiddenParams } from './hidden.ts';
export { type ImageParams, POSITIONS } from './image.ts';
export { IMAGE_LAYOUTS, type ImageLayout, type ImageType, toImageType } from './image-type.ts';
export * from './mark.ts';
export { findOutputType, type OutputType } from './outputs.ts';
export { toBoxes } from './box-code.ts';
export { isSvg, toDrawableSvg } from './svg.ts';
export type { ScoresParams } from './scores.ts';
export type { SignatureParams } from './signature.ts';
export { type Recording, toNumbers as toRecordedNumbers } from './values.ts';

/** What every interface says beside an output mark. */
export const OUTPUT_MARK_STATEMENT =
  'An output mark is a label, not a proof of ownership: it shows that this graph file ran unchanged. Who has the file can remove it with the nodes that make it, and who has the outputs can round or filter it away.';

/** What every interface says beside a checksum of predictions. */
export const CHECKSUM_STATEMENT =
  'A checksum inside a graph has no key: it finds truncated, mixed-up and damaged predictions, and anybody with the file can compute it for others. To bind predictions to their source, sign them outside of the graph, where they are served.';

/**
 * Puts a mark into the outputs.
 * @throws WatermarkError WATERMARK_OUTPUT_UNFIT | WATERMARK_OUTPUT_ORDER | WATERMARK_OUTPUT_TOO_LONG; SurgeryError
 */
export function editOutputMark(model: Model, mark: OutputMark): GraphEdit {
  return editGraph(model, (tx) => {
    addMark(tx, mark);
  });
}

/**
 * Takes a mark out, and with `next` puts another into the same place.
 * @throws WatermarkError WATERMARK_OUTPUT_ABSENT | WATERMARK_LABEL_DAMAGED, and as {@link editOutputMark}; SurgeryError
 */
export function editOutputMarkRemoval(model: Model, mark: OutputMark, next?: OutputMark): GraphEdit {
  return editGraph(model, (tx) => {
    const types = toTypesBefore(tx, mark);
    removeMark(tx, mark);
    retypeOutputs(tx, types);
    if (next !== undefined) addMark(tx, next);
  });
}

/** The marks in a file, by the names of their nodes; what they say is in the mark files of their owners. */
export function listOutputMarks(model: Model): MarkId[] {
  const found: MarkId[] = [];
  if (model.format === 'onnx') {
    editGraph(model, (tx) => {
      found.push(...listMarkIds(tx));
    });
  }
  return found;
}

function addMark(tx: Transaction, mark: OutputMark): void {
  if (listMarkIds(tx).some(({ id }) => id === mark.id)) {
    throw new WatermarkError('WATERMARK_LABEL_PRESENT', { fields: { kind: mark.kind, id: mark.id } });
  }
  assertNoChecksum(tx, mark);
  switch (mark.kind) {
    case 'boxes':
      addBoxes(tx, mark, mark.params, mark.payload, mark.key);
      return;
    case 'scores':
      addScores(tx, mark, mark.params, mark.key);
      return;
    case 'image':
      addImage(tx, mark, mark.params, mark.payload);
      return;
    case 'hidden':
      addHidden(tx, mark, mark.params, mark.key);
      return;
    case 'signature':
      addSignature(tx, mark, mark.params, mark.payload);
      return;
    case 'checksum':
      addChecksum(tx, mark, mark.params);
  }
}

/** Outputs that a mark changes. */
function listOutputs(mark: OutputMark): string[] {
  if (mark.kind === 'boxes') return [mark.params.boxes, ...(mark.params.scores === null ? [] : [mark.params.scores])];
  return mark.kind === 'signature' ? [] : [mark.params.output];
}

/** A mark behind a checksum would change what was summed. @throws WatermarkError WATERMARK_OUTPUT_ORDER */
function assertNoChecksum(tx: Transaction, mark: OutputMark): void {
  for (const output of listOutputs(mark)) {
    const nodes = [tx.producer(output), ...tx.readers(output)];
    if (nodes.some((node) => node?.name.startsWith('modelward/checksum/') ?? false)) {
      throw new WatermarkError('WATERMARK_OUTPUT_ORDER', { fields: { output } });
    }
  }
}

/** Declared types of the outputs that a mark made longer, as they were before it. */
function toTypesBefore(tx: Transaction, mark: OutputMark): Parameters<typeof retypeOutputs>[1] {
  const outputs = tx.scope().outputs.filter(({ name }) => listOutputs(mark).includes(name));
  const prefix = toPrefix(mark);
  return new Map(
    outputs.flatMap(({ name, dtype, shape }) => {
      const concat = tx.producer(name);
      const isColumn = mark.kind === 'checksum' && mark.params.into === null;
      if (concat?.op !== 'Concat' || !concat.name.startsWith(prefix) || (mark.kind !== 'boxes' && !isColumn)) return [];
      const grownAxis = concat.attributes.get('axis');
      const axis = grownAxis?.kind === 'int' ? Number(grownAxis.value) : -1;
      const added = isColumn ? 1 : countRows(tx, prefix, axis);
      return [
        [name, { dtype, shape: shape?.map((dim, i) => (i === axis && typeof dim === 'number' ? dim - added : dim)) }],
      ];
    }),
  );
}

function countRows(tx: Transaction, prefix: string, axis: number): number {
  return tx.tensor(`${prefix}boxes/rows`)?.shape[axis] ?? 0;
}

export type OutputReading =
  | ({ readonly kind: 'boxes'; readonly isFound: boolean } & Partial<BoxReading>)
  | ({ readonly kind: 'scores' } & ScoresReading)
  | ({ readonly kind: 'image' } & ImageReading)
  | ({ readonly kind: 'hidden' } & HiddenReading)
  | { readonly kind: 'signature'; readonly isFound: boolean; readonly payload?: Payload }
  | ({ readonly kind: 'checksum' } & ChecksumReading);

/**
 * Reads a mark from recorded outputs.
 * @param trials keys, recordings and settings that are tried in all, at least 1; they lower the evidence
 * @throws WatermarkError WATERMARK_RECORDING_MALFORMED
 */
export function readOutputMark(recording: Recording, mark: OutputMark, trials: number): OutputReading {
  switch (mark.kind) {
    case 'boxes': {
      const read = readBoxes(recording, mark.params, mark.key);
      return { kind: 'boxes', isFound: read !== undefined, ...read };
    }
    case 'scores':
      return { kind: 'scores', ...readScores(recording, mark.params, { key: mark.key, trials }) };
    case 'image':
      return { kind: 'image', ...readImage(recording, mark.params, mark.payload) };
    case 'hidden':
      return { kind: 'hidden', ...readHidden(recording, mark.params, { key: mark.key, trials }) };
    case 'signature': {
      const payload = readSignature(recording, mark.params);
      return { kind: 'signature', isFound: payload !== undefined, ...(payload !== undefined && { payload }) };
    }
    case 'checksum':
      return { kind: 'checksum', ...readChecksum(recording, mark.params) };
  }
}
