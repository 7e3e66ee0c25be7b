/** A small TLS 1.3 server that hands requests to a handler. */
export { type HttpsServer, type HttpsServerLimits, type HttpsServerOptions, openHttpsServer } from './server.ts';
