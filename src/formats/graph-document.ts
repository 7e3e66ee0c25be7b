/** Reading a model's graph as a document, and writing an edited document back: the door of graph surgery. */
import { FormatError } from '../core/errors.ts';
import type { GraphDocument } from '../model/document.ts';
import type { Model } from '../model/types.ts';
import type { RewritePlan } from '../source/rewrite.ts';
import { readOnnxDocument } from './onnx/document.ts';
import { findOnnxLayout, type OnnxLayout } from './onnx/layout.ts';
import { toDocumentRewrite } from './onnx/rewrite-document.ts';

export { planDocString, readDocString } from './onnx/doc-string.ts';

/**
 * The graph of an opened ONNX model as records. Read once per model, since records do not change.
 * @throws FormatError FORMAT_GRAPH_UNSUPPORTED for other formats, training graphs, and messages in several parts
 */
export function readGraphDocument(model: Model): GraphDocument {
  const layout = toLayout(model);
  layout.document ??= readOnnxDocument(layout, model.graph!, model.functions);
  return layout.document;
}

/**
 * Plans the files of `model` with `document` as its graph. What is the same as in `readGraphDocument(model)` keeps its
 * bytes, other fields of the model too; the document as read gives the files byte for byte.
 * @param others opened models whose records or tensors `document` holds
 * @throws FormatError FORMAT_GRAPH_UNSUPPORTED | FORMAT_EDIT_UNSUPPORTED | FORMAT_EDIT_CONFLICT
 */
export function toGraphRewrite(model: Model, document: GraphDocument, others: readonly Model[] = []): RewritePlan {
  const before = readGraphDocument(model);
  return toDocumentRewrite({
    model,
    layout: toLayout(model),
    before,
    after: document,
    others: others.flatMap((other) => findOnnxLayout(other) ?? []),
  });
}

function toLayout(model: Model): OnnxLayout {
  const layout = findOnnxLayout(model);
  if (layout === undefined || model.graph === null) {
    const message = 'Graphs are looked at and edited in ONNX files only.';
    throw new FormatError('FORMAT_GRAPH_UNSUPPORTED', { message, fields: { format: model.format } });
  }
  return layout;
}
