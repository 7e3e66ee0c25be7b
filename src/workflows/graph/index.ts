/** Graph surgery on files: edits, looks, and one plan over many models. */
export * from './edit-file.ts';
export * from './fleet.ts';
export * from './look.ts';
