/** ModelProto.doc_string of an ONNX model: read, and rewritten with every other byte kept. */
import { concatBytes, utf8 } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import type { Model } from '../../model/types.ts';
import type { RewritePlan } from '../../source/rewrite.ts';
import { type Replacement, toSpliceOps } from '../../source/splice.ts';
import { isBytes } from './context.ts';
import { findOnnxLayout, type OnnxLayout } from './layout.ts';
import { toLengthVarint, toTag } from './varint.ts';
import { type Field, WIRE } from './wire.ts';

const DOC_NUMBER = 6;

/** The description of the model; "" when it has none. @throws FormatError FORMAT_GRAPH_UNSUPPORTED for other formats */
export function readDocString(model: Model): string {
  const layout = toLayout(model);
  const last = listFields(layout).at(-1);
  return last === undefined ? '' : layout.context.text(last);
}

/**
 * The rewrite that sets the description; "" takes it out.
 * @throws FormatError FORMAT_GRAPH_UNSUPPORTED for other formats
 */
export function planDocString(model: Model, text: string): RewritePlan {
  const layout = toLayout(model);
  const fields = listFields(layout);
  const replacements: Replacement[] = fields.map(({ tagStart, end }) => ({ start: tagStart, end, ops: [] }));
  if (text !== '') {
    const bytes = utf8(text);
    const field = concatBytes(toTag(DOC_NUMBER, WIRE.bytes), toLengthVarint(bytes.length), bytes);
    // A new one goes to the end of the file: the fields of a message stand in any order.
    const at = fields.at(-1)?.end ?? layout.root.end;
    replacements.push({ start: at, end: at, ops: [{ kind: 'bytes', bytes: field }] });
  }
  return {
    files: model.files.map(({ name, source }, i) => ({ name, ops: toSpliceOps(source, i === 0 ? replacements : []) })),
  };
}

function listFields({ context, root }: OnnxLayout): Field[] {
  const found: Field[] = [];
  const fields = context.reader.walk(root);
  while (fields.next()) {
    const { number, wire, tagStart, lengthStart, start, end, low, high } = fields;
    if (isBytes(fields, DOC_NUMBER)) found.push({ number, wire, tagStart, lengthStart, start, end, low, high });
  }
  return found;
}

function toLayout(model: Model): OnnxLayout {
  const layout = findOnnxLayout(model);
  if (layout === undefined) throw new FormatError('FORMAT_GRAPH_UNSUPPORTED', { fields: { format: model.format } });
  return layout;
}
