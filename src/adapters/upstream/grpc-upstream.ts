/** Opens a line to an inference server that speaks gRPC: HTTP/2, its frames and trailers as they come. */
import { Http2Connections, Http2Exchange } from './http2.ts';
import { openLine } from './line.ts';
import type { OpenedUpstream, UpstreamOptions } from './types.ts';

/**
 * Opens the line; nothing is connected yet. Over TLS the server must agree on "h2"; in plaintext it must know beforehand.
 * @throws GatewayError UPSTREAM_URL_INVALID | UPSTREAM_PLAINTEXT | UPSTREAM_ADDRESS_REFUSED | UPSTREAM_SETTING_INVALID |
 *   UPSTREAM_TLS_INVALID
 */
export function openGrpcUpstream(options: UpstreamOptions): Promise<OpenedUpstream> {
  return openLine(options, {
    connect: (shared) => new Http2Connections(shared, options.headers ?? []),
    exchange: (line, request, done, failed) => new Http2Exchange(line, request, done, failed),
  });
}
