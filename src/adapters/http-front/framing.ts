/**
 * What a request must look like before anything is read from it. What another server in the path could read in a second
 * way is refused, also where Node's parser takes it (RFC 9112, section 11.2; RFC 9113, section 8.2).
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { FrontCode } from './types.ts';

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
/** They would change what the connection is. */
const TURNS: ReadonlySet<string> = new Set(['CONNECT', 'PRI']);

/**
 * Checks of HTTP/1.x beyond those of the parser.
 *
 * @param headers - lower-case names, repeated ones joined by ", ": two Host headers are then no authority
 */
export function findHttp1Fault(
  version: string,
  method: string,
  target: string,
  headers: IncomingHttpHeaders,
): FrontCode | null {
  const coding = headers['transfer-encoding'];
  if (coding !== undefined) {
    if (version !== '1.1' || headers['content-length'] !== undefined) return 'GATEWAY_FRAMING';
    if (coding !== 'chunked' && coding.toLowerCase() !== 'chunked') return 'GATEWAY_FRAMING';
  }
  if (version !== '1.1' && version !== '1.0') return 'GATEWAY_FRAMING';
  if (headers.upgrade !== undefined || !isExpectation(headers.expect)) return 'GATEWAY_FRAMING';
  if (headers.host === undefined || !isAuthority(headers.host)) return 'GATEWAY_FRAMING';
  return findCommonFault(method, target, headers['content-encoding']);
}

/** Checks of HTTP/2 beyond those of nghttp2, which refuses pseudo-headers out of place, and headers of connections. */
export function findHttp2Fault(
  pseudo: Readonly<Record<string, unknown>>,
  headers: Readonly<Record<string, string | undefined>>,
): FrontCode | null {
  const { ':method': method, ':path': path, ':scheme': scheme, ':authority': authority } = pseudo;
  if (typeof method !== 'string' || typeof path !== 'string') return 'GATEWAY_FRAMING';
  if (scheme !== 'https' && scheme !== 'http') return 'GATEWAY_FRAMING';
  const { host } = headers;
  if (typeof authority === 'string' && host !== undefined && authority !== host) return 'GATEWAY_FRAMING';
  const named = authority ?? host;
  if (typeof named !== 'string' || !isAuthority(named)) return 'GATEWAY_FRAMING';
  if (!isExpectation(headers.expect)) return 'GATEWAY_FRAMING';
  return findCommonFault(method, path, headers['content-encoding']);
}

function findCommonFault(method: string, target: string, encoding: string | undefined): FrontCode | null {
  if (!METHODS.has(method)) return TURNS.has(method) ? 'GATEWAY_FRAMING' : 'GATEWAY_METHOD_NOT_ALLOWED';
  if (!isOriginForm(target)) return 'GATEWAY_FRAMING';
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') return 'GATEWAY_CONTENT_TYPE';
  return null;
}

/** None, or the one that is known; Node takes a list with it for it. */
function isExpectation(expect: string | undefined): boolean {
  return expect === undefined || expect.toLowerCase() === '100-continue';
}

/** A path, with a query or without: no scheme and authority of its own, no fragment, printable ASCII. */
function isOriginForm(target: string): boolean {
  if (target.charCodeAt(0) !== 0x2f) return false;
  for (let at = 1; at < target.length; at++) {
    const code = target.charCodeAt(at);
    if (code <= 0x20 || code >= 0x7f || code === 0x23) return false;
  }
  return true;
}

/** A name or address with a port or without: no user, no list. */
function isAuthority(text: string): boolean {
  if (text.length === 0 || text.length > 255 + 6) return false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    const isLetter = (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a);
    // Digits and ":" are neighbours; then "-", ".", "_", "[" and "]".
    const isOther = code === 0x2d || code === 0x2e || code === 0x5f || code === 0x5b || code === 0x5d;
    if (!isLetter && !(code >= 0x30 && code <= 0x3a) && !isOther) return false;
  }
  return true;
}
