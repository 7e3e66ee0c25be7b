/** Format-neutral model types, and the element codecs. */
export * from './blocks.ts';
export * from './document.ts';
export * from './dtype.ts';
export * from './floats.ts';
export * from './ints.ts';
export * from './packed.ts';
export * from './runtime.ts';
export * from './tensors.ts';
export * from './types.ts';
