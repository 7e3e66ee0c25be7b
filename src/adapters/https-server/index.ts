/** A small TLS 1.3 server that hands requests to a handler, and its like without TLS for inside a machine. */
export {
  type HttpServerOptions,
  type HttpsServer,
  type HttpsServerLimits,
  type HttpsServerOptions,
  openHttpsServer,
  openLoopbackServer,
} from './server.ts';
