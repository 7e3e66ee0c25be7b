/** Runtimes that run ONNX models from memory. */
export { type FindRuntimeOptions, findRuntime } from './find.ts';
export { type NodeRuntimeOptions, openNodeRuntime } from './node.ts';
export { openOptimizer } from './optimize.ts';
export { openProfiler } from './profile.ts';
export { openWebRuntime } from './web.ts';
