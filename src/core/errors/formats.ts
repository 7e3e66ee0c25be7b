/** Error codes of the model formats. Every reader error carries the byte offset of the violation as field `offset`. */
import { defineErrors, EXIT } from './table.ts';

const malformed = { exit: EXIT.malformed, http: 422 } as const;

export const formatsErrors = defineErrors({
  FORMAT_UNKNOWN: {
    message: 'The file is neither ONNX nor safetensors.',
    exit: EXIT.cannotTell,
    http: 415,
    fix: 'Give a .onnx file, a .safetensors file, or the .safetensors.index.json of a sharded model.',
  },
  FORMAT_FOLDER_MISSING: {
    ...malformed,
    message: 'The model keeps data in other files, and none were given.',
    fix: 'Open the model by its path, with the data files beside it.',
  },
  FORMAT_FILE_COUNT: { ...malformed, message: 'The model spreads over more files than are opened.' },
  FORMAT_TENSOR_MISSING: { message: 'The model has no tensor of that name.', exit: EXIT.usage, http: 404 },
  FORMAT_EDIT_CONFLICT: { message: 'Two edits change the same bytes.', exit: EXIT.usage, http: 409 },
  FORMAT_EDIT_UNSUPPORTED: { message: 'The tensor cannot be edited.', exit: EXIT.cannotTell, http: 422 },
  FORMAT_NOT_CONVERTIBLE: {
    message: 'No tensor of the model can be stored in that format.',
    exit: EXIT.cannotTell,
    http: 422,
  },

  SAFETENSORS_HEADER_SHORT: { ...malformed, message: 'The file is too short for a safetensors header.' },
  SAFETENSORS_HEADER_LENGTH: { ...malformed, message: 'The header is longer than the file or than the cap.' },
  SAFETENSORS_HEADER_JSON: { ...malformed, message: 'The header is not a JSON object in UTF-8 that begins with "{".' },
  SAFETENSORS_HEADER_SCHEMA: { ...malformed, message: 'A header entry has a missing, unknown or mistyped member.' },
  SAFETENSORS_METADATA: { ...malformed, message: 'The metadata is not an object of strings.' },
  SAFETENSORS_DUPLICATE_KEY: { ...malformed, message: 'The header holds one key twice.' },
  SAFETENSORS_DTYPE: { ...malformed, message: 'The element type is unknown.' },
  SAFETENSORS_SHAPE: { ...malformed, message: 'The shape overflows, or its elements do not fill whole bytes.' },
  SAFETENSORS_OFFSETS: { ...malformed, message: 'The tensors overlap, leave a hole, or end before they start.' },
  SAFETENSORS_TENSOR_SIZE: { ...malformed, message: 'The data of a tensor is not as long as its shape needs.' },
  SAFETENSORS_DATA_LENGTH: { ...malformed, message: 'The data ends before or after the last tensor.' },
  SAFETENSORS_TENSOR_COUNT: { ...malformed, message: 'The header lists more tensors than are read.' },
  SAFETENSORS_INDEX: { ...malformed, message: 'The shard index is not a JSON object with a weight_map of strings.' },
  SAFETENSORS_INDEX_MISMATCH: { ...malformed, message: 'The shard index and the shards disagree.' },

  ONNX_WIRE: { ...malformed, message: 'The bytes are not a protobuf message.' },
  ONNX_TRUNCATED: { ...malformed, message: 'A field ends after the message that holds it.' },
  ONNX_DEPTH: { ...malformed, message: 'The messages are nested deeper than runtimes read.' },
  ONNX_BUDGET: { ...malformed, message: 'The graph is larger than the reader keeps in memory.' },
  ONNX_NO_GRAPH: { ...malformed, message: 'The file holds no graph.' },
  ONNX_DTYPE: { ...malformed, message: 'The element type is unknown.' },
  ONNX_DIMENSIONS: { ...malformed, message: 'The dimensions are negative, too many, or overflow.' },
  ONNX_STORAGE: {
    ...malformed,
    message: 'The tensor is stored in two ways at once, or in a way its type does not have.',
  },
  ONNX_TENSOR_SIZE: { ...malformed, message: 'The data of a tensor is not as long as its shape needs.' },
  ONNX_SEGMENT: { ...malformed, message: 'The tensor is cut into segments, which no runtime reads.' },
  ONNX_SPARSE: { ...malformed, message: 'The sparse tensor has no name, values or indices, or mistyped ones.' },
  ONNX_EXTERNAL: { ...malformed, message: 'The reference to external data is incomplete, ambiguous or not a number.' },
  ONNX_EXTERNAL_BOUNDS: { ...malformed, message: 'The external data lies outside its file.' },
  ONNX_ATTRIBUTE: { ...malformed, message: 'The type of an attribute is unknown or does not fit its content.' },
  ONNX_NAME: { ...malformed, message: 'A tensor, function or attribute has no name.' },
  ONNX_DUPLICATE_NAME: { ...malformed, message: 'Two tensors, functions or attributes of one scope share a name.' },
  ONNX_OPSET: { ...malformed, message: 'The model imports two versions of one operator set.' },
  ONNX_FUNCTION_RECURSION: { ...malformed, message: 'A function of the model calls itself.' },
});
