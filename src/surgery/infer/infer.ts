/** Shape inference: element types, shapes with symbolic dimensions and small constants of every value of a graph. */
import { readGraphDocument } from '../../formats/index.ts';
import type { GraphDocument } from '../../model/document.ts';
import type { Model } from '../../model/types.ts';
import type { Inference, InferOptions } from './inference.ts';
import { Walk } from './walk.ts';

/**
 * Infers the types of a document. Reads small constants, nothing else; pure otherwise.
 *
 * A dimension is a number only when the model cannot run with another. Conflicts are findings; nothing is thrown for a
 * graph that contradicts itself, is out of order or has unknown operators.
 * @throws FormatError | SourceError when a small constant cannot be read
 */
export function inferDocument(document: GraphDocument, options: InferOptions = {}): Inference {
  const walk = new Walk(document, options);
  walk.inferMain();
  return walk.toInference();
}

/**
 * {@link inferDocument} of an opened ONNX model.
 * @throws FormatError FORMAT_GRAPH_UNSUPPORTED
 */
export function inferModel(model: Model, options: InferOptions = {}): Inference {
  return inferDocument(readGraphDocument(model), options);
}
