/** Opens a line to an inference server that speaks HTTP/1.1. */
import { Http1Connections, Http1Exchange } from './http1.ts';
import { openLine } from './line.ts';
import type { OpenedUpstream, UpstreamOptions } from './types.ts';

/**
 * Opens the line; nothing is connected yet.
 * @throws GatewayError UPSTREAM_URL_INVALID | UPSTREAM_PLAINTEXT | UPSTREAM_ADDRESS_REFUSED | UPSTREAM_SETTING_INVALID |
 *   UPSTREAM_TLS_INVALID
 */
export function openHttpUpstream(options: UpstreamOptions): Promise<OpenedUpstream> {
  // No answer is decompressed here: the server is told not to begin with it.
  const headers = [['accept-encoding', 'identity'] as const, ...(options.headers ?? [])];
  return openLine(options, {
    connect: (shared) => new Http1Connections(shared, headers),
    exchange: (line, request, done, failed) => new Http1Exchange(line, request, done, failed),
  });
}
