/** Byte sources, folders, rewrites, and the one atomic writer. */
export * from './atomic.ts';
export * from './buffer.ts';
export * from './file.ts';
export * from './folder.ts';
export * from './leftovers.ts';
export * from './names.ts';
export * from './node-storage.ts';
export * from './ports.ts';
export * from './rewrite.ts';
export * from './rewrite-sink.ts';
export * from './rewrite-source.ts';
export * from './staged-file.ts';
export * from './splice.ts';
export * from './staging.ts';
export * from './tree.ts';
