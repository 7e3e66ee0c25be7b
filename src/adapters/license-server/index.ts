/** The line from a device to the licence server. */
export { type AskServerOptions, askServer } from './client.ts';
