/** Model formats: open, edit, write back. */
export * from './convert.ts';
export * from './convert-gguf.ts';
export { toRotaryRows } from './gguf/rotary.ts';
export { findOnnxDType, toOnnxCode } from './onnx/dtypes.ts';
export { type EmptyOnnx, toEmptyOnnx } from './onnx/empty.ts';
export { exposeValues } from './onnx/expose.ts';
export * from './graph-document.ts';
export * from './ports.ts';
export * from './pytorch/scan.ts';
export * from './registry.ts';
export * from './tensor-source.ts';
export * from './write.ts';
