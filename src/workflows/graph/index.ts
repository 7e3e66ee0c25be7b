/** Graph surgery on files: edits, looks, and one plan over many models. */
export * from './edit-file.ts';
export * from './fleet.ts';
export { type FoldFileResult, foldFile } from './fold-file.ts';
export * from './infer-file.ts';
export * from './look.ts';
export * from './new-file.ts';
export * from './optimize-file.ts';
export * from './queue/index.ts';
