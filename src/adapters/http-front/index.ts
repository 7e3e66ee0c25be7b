/** The gateway's front: HTTP/1.1 and HTTP/2, over TLS 1.3 or behind a proxy, as one listener. */
export { openHttpFront } from './front.ts';
export type {
  ClientCertificates,
  FrontCode,
  HttpFront,
  HttpFrontLimits,
  HttpFrontOptions,
  HttpFrontStats,
  HttpFrontTls,
} from './types.ts';
