/** The port through which a claim's seed is sealed under the owner key. */
import type { Json } from '../core/canonical-json.ts';

/**
 * Seals seeds under the owner key, never under a key that opens weights. An implementer must authenticate `aad`, must
 * make a fresh nonce per call, and must throw its area's coded error when a box does not open.
 */
export interface SeedBox {
  /** @param seed 32 bytes; the implementer must not keep it */
  sealSeed(seed: Uint8Array, aad: Uint8Array): Json;
  /** The sealed bytes; the caller zeroes them. */
  openSeed(box: Json, aad: Uint8Array): Uint8Array;
}

/**
 * Draws SVG. An implementer must read no file and open no connection for what the SVG names, must bound time and memory, and
 * is only given text that `toDrawableSvg` has passed.
 */
export interface SvgRenderer {
  /**
   * @param sideMax pixels of the longer side of the picture
   * @returns a PNG with alpha
   * @throws WatermarkError WATERMARK_SVG_FAILED when it cannot be drawn, or not within its limits
   */
  render(svg: string, options: { readonly sideMax: number }): Promise<Uint8Array>;
}

/** One request to an end point. */
export interface EndpointRequest {
  readonly body: Uint8Array;
  readonly contentType: string;
  readonly timeoutMs: number;
}

export interface EndpointReply {
  readonly status: number;
  /** What the server asks to wait, from Retry-After; null when it does not. */
  readonly retryAfterMs: number | null;
  /** At most REMOTE_LIMITS.replyBytesMax. */
  readonly body: Uint8Array;
}

/**
 * A service that answers questions over a network. An implementer must verify certificates, follow no redirect, send
 * credentials to the named host only, bound the time of a whole request and the size of a reply, decompress nothing, and
 * keep no reply. Every reply with a status comes back as one; only 3xx is refused.
 */
export interface Endpoint {
  /** Host and port, for messages: never a path, which may hold a key. */
  readonly label: string;
  /**
   * @throws RemoteError REMOTE_UNREACHABLE | REMOTE_TIMEOUT, after which another attempt makes sense;
   *   REMOTE_REDIRECTED | REMOTE_TLS_REFUSED | REMOTE_REPLY_TOO_LARGE, after which none does
   */
  post(request: EndpointRequest): Promise<EndpointReply>;
  /** Closes kept connections. */
  close(): void;
}

export interface OpenEndpointOptions {
  readonly url: string;
  /** Sent with every request; may hold a key. */
  readonly headers: ReadonlyMap<string, string>;
  /** PEM of authorities that are trusted beside the system's; null for none. */
  readonly cacert: Uint8Array | null;
  /** True allows http to hosts other than this machine. */
  readonly isInsecureAllowed: boolean;
}
