/** What a server hands to the part of the product that answers: plain values, already within their caps. */

export interface HttpRequest {
  /** Upper case. */
  readonly method: string;
  /** Path as it was sent: not decoded, not normalised, without the query. */
  readonly path: string;
  /** Text after "?", without it; '' when there is none. */
  readonly query: string;
  /** Lower-case names; of a header that came more than once the values joined by ", " (cookies by "; "). */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Uint8Array;
  /** Address of the peer, for rates. */
  readonly remoteAddress: string;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** Answers one request. Implementations must not throw for anything that a client can send. */
export type HttpHandler = (request: HttpRequest) => Promise<HttpResponse>;
