/** Model formats. */
export * from './ports.ts';
