/** Field numbers of the tables that are read. @see tensorflow schema.fbs, version 3c, and LiteRT's external buffers */

export const MODEL = {
  version: 0,
  operatorCodes: 1,
  subgraphs: 2,
  description: 3,
  buffers: 4,
  metadataBuffer: 5,
  metadata: 6,
  signatureDefs: 7,
  externalBufferGroups: 8,
  externalBuffers: 9,
} as const;
/** Fields of Model that are known, all but the first of them offsets. */
export const MODEL_FIELDS = 10;

export const OPERATOR_CODE = { deprecatedBuiltinCode: 0, customCode: 1, version: 2, builtinCode: 3 } as const;

export const SUBGRAPH = { tensors: 0, inputs: 1, outputs: 2, operators: 3, name: 4 } as const;

export const TENSOR = {
  shape: 0,
  type: 1,
  buffer: 2,
  name: 3,
  quantization: 4,
  sparsity: 6,
  shapeSignature: 7,
  hasRank: 8,
  variantTensors: 9,
  externalBuffer: 10,
} as const;

export const QUANTIZATION = {
  min: 0,
  max: 1,
  scale: 2,
  zeroPoint: 3,
  detailsType: 4,
  details: 5,
  quantizedDimension: 6,
} as const;

export const SPARSITY = { traversalOrder: 0, blockMap: 1, dimensions: 2 } as const;
/** A union takes two fields: which table, and the table. */
export const SPARSE_DIMENSION = {
  format: 0,
  denseSize: 1,
  segmentsType: 2,
  segments: 3,
  indicesType: 4,
  indices: 5,
} as const;

export const VARIANT = { shape: 0, type: 1 } as const;

export const OPERATOR = {
  opcodeIndex: 0,
  inputs: 1,
  outputs: 2,
  optionsType: 3,
  options: 4,
  customOptions: 5,
  mutatingInputs: 7,
  intermediates: 8,
  largeOptionsOffset: 9,
  largeOptionsSize: 10,
  options2Type: 11,
  options2: 12,
} as const;

export const BUFFER = { data: 0, offset: 1, size: 2 } as const;
export const METADATA = { name: 0, buffer: 1 } as const;
export const SIGNATURE = { inputs: 0, outputs: 1, key: 2, subgraphIndex: 4 } as const;
export const TENSOR_MAP = { name: 0, tensorIndex: 1 } as const;
export const EXTERNAL_GROUP = { name: 0 } as const;
export const EXTERNAL_BUFFER = { id: 0, group: 1, offset: 2, length: 3, packing: 4 } as const;
