/** Key providers. */
export { assertKeyApart } from './key-store.ts';
export * from './local.ts';
