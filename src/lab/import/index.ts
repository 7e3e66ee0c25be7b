/** ONNX graphs read back into the trainer. */
export { type ImportedNetwork, importNetwork } from './import.ts';
export type { Placement } from './reader.ts';
