/** The thread of the log. */
export { type LogThread, type LogThreadOptions, startLogThread } from './host.ts';
export type { LogThreadData, LogThreadNews } from './messages.ts';
export { type LogThreadServices, serveLogThread } from './serve.ts';
