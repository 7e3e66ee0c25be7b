/** The rewrite of an ONNX model to an edited graph document. */
import type { GraphDocument, Place } from '../../model/document.ts';
import { FormatError } from '../../core/errors.ts';
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import type { Model } from '../../model/types.ts';
import type { ByteSource } from '../../source/ports.ts';
import type { RewritePlan } from '../../source/rewrite.ts';
import { toSpliceOps } from '../../source/splice.ts';
import type { OnnxLayout } from './layout.ts';
import { OpList } from './op-list.ts';
import { type FieldItem, type FieldPlan, weaveMessage } from './weave.ts';
import { WriteContext } from './write-context.ts';
import { toOpsetsPlan, toRecordsPlan, writeFunction, writeScope } from './write-records.ts';

export interface DocumentRewrite {
  readonly model: Model;
  readonly layout: OnnxLayout;
  /** The document as it was read. */
  readonly before: GraphDocument;
  readonly after: GraphDocument;
  /** Layouts of other models whose records `after` holds. */
  readonly others: readonly OnnxLayout[];
}

/**
 * Plans the files of the edited model; every byte of a record that is unchanged is kept.
 * @throws FormatError FORMAT_GRAPH_UNSUPPORTED | FORMAT_EDIT_UNSUPPORTED | FORMAT_EDIT_CONFLICT
 */
export function toDocumentRewrite(rewrite: DocumentRewrite): RewritePlan {
  const { model, layout, before, after, others } = rewrite;
  const context = new WriteContext(model, layout, others);
  const plans: FieldPlan[] = [];
  if (after.graph !== before.graph) {
    plans.push(
      toRecordsPlan(7, [after.graph], (scope, out) => {
        writeScope(context, scope, out);
      }),
    );
  }
  if (after.opsets !== before.opsets) plans.push(toOpsetsPlan(context, 8, after.opsets));
  if (after.functions !== before.functions) plans.push(toFunctionsPlan(context, before, after));
  const { source } = layout.context.reader;
  const root: Place = {
    source,
    number: 0,
    tagStart: 0,
    lengthStart: 0,
    start: 0,
    end: source.size,
    record: before,
  };
  const main = new OpList();
  weaveMessage(context.findReader, root, plans, main);
  assertReadable(source, main.size);
  const external = context.toExternalReplacements();
  return {
    files: model.files.map((file, i) => ({
      name: file.name,
      ops: i === 0 ? main.toOps() : toSpliceOps(file.source, external[i]),
    })),
  };
}

/** Runtimes read a protobuf message of 2 GiB at most; an edit must not make a file that only we can read. */
function assertReadable(source: ByteSource, sizeBytes: number): void {
  const { onnxFileBytesMax } = FORMAT_LIMITS;
  if (sizeBytes <= onnxFileBytesMax || source.size > onnxFileBytesMax) return;
  const fields = { problem: 'larger than runtimes read', sizeBytes, onnxFileBytesMax };
  throw new FormatError('FORMAT_GRAPH_UNSUPPORTED', { fields });
}

function toFunctionsPlan(context: WriteContext, before: GraphDocument, after: GraphDocument): FieldPlan {
  const byPlace = new Map(before.functions.map((record) => [record.body.place, record]));
  const items = after.functions.map((record): FieldItem => {
    const { place } = record.body;
    const was = place === null ? null : (byPlace.get(place) ?? null);
    const write = (out: OpList): void => {
      writeFunction(context, record, was, out);
    };
    return { place, isSame: was === record, write };
  });
  return { number: 25, items };
}
