/** Byte sources, folders and rewrites. */
export * from './ports.ts';
export * from './rewrite.ts';
