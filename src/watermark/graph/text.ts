/** Labels where text is kept: an entry of the metadata, and the description of the model. */
import { planDocString, readDocString } from '../../formats/index.ts';
import { findPayloadInText, toPayloadText } from '../payload.ts';
import type { LabelCarrier } from './carrier.ts';

const METADATA_KEY = 'modelward.label';

export const metadataEntry: LabelCarrier = {
  write: (model, payload) => model.plan([{ kind: 'metadata', key: METADATA_KEY, value: toPayloadText(payload) }]),
  find: (model) => findPayloadInText(model.metadata.get(METADATA_KEY) ?? ''),
  remove: (model) =>
    model.metadata.has(METADATA_KEY) ? model.plan([{ kind: 'metadata', key: METADATA_KEY, value: null }]) : null,
};

/** A line that begins so is the label; the rest of the description stays. */
const LINE_START = 'Label: ';

/** The label is a line of its own behind what the description says already. */
export const docString: LabelCarrier = {
  write(model, payload) {
    const kept = readDocString(model);
    // A line end inside the label would make two lines of it.
    const line = LINE_START + toPayloadText(payload).replaceAll(/\s+/g, ' ');
    return planDocString(model, kept === '' ? line : `${kept}\n${line}`);
  },
  find: (model) => findPayloadInText(readDocString(model)),
  remove(model) {
    const lines = readDocString(model).split('\n');
    const kept = lines.filter(
      (line) => !(line.startsWith(LINE_START) && line.includes('[modelward:')) && !isBare(line),
    );
    return kept.length === lines.length ? null : planDocString(model, kept.join('\n'));
  },
};

/** The label of a logo, which has no words. */
function isBare(line: string): boolean {
  return line.startsWith(`${LINE_START}modelward:`);
}
