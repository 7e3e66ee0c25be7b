/** Format-neutral model types. */
export * from './dtype.ts';
export * from './runtime.ts';
export * from './types.ts';
