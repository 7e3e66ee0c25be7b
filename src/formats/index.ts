/** Model formats: open, edit, write back. */
export * from './convert.ts';
export * from './ports.ts';
export * from './registry.ts';
export * from './write.ts';
