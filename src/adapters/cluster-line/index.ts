/** Processes that share listening sockets, and the lines between them, over node:cluster. */
export { createForker, type ForkedWorker, type ForkerOptions } from './primary.ts';
export { openPrimaryLine } from './worker.ts';
