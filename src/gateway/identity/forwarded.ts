/** Callers behind trusted proxies: their address is what such a proxy wrote, and what nobody else could write. */
import { isIP } from 'node:net';
import type { CancelSignal, GatewayRequest, Peer } from '../ports.ts';
import { createNetworkCheck, type NetworkCheck } from './networks.ts';

/** Proxies in a row; further ones are not looked for. */
const HOPS_MAX = 16;
/** Answers that are remembered: looking into networks costs 4 us, and callers come again. */
const REMEMBERED_MAX = 4096;
/** Of a list that is remembered: callers choose how long theirs are. */
const REMEMBERED_CHARS_MAX = 64;

/**
 * Each proxy appends the address that it was asked from, so the list is read from its end: trusted ones are passed over, the
 * first other one is the caller. What stands before it was written by the caller himself. Of anybody else the header is not read.
 * Certificates are those of the connection, whatever a header says.
 * @param proxies `ADDRESS/BITS`
 * @throws GatewayError APIKEY_CIDR_INVALID
 */
export function behindProxies<T>(
  handler: (request: GatewayRequest) => T,
  proxies: readonly string[],
): (request: GatewayRequest) => T {
  if (proxies.length === 0) return handler;
  const isProxy = remember(createNetworkCheck(proxies));
  const findCaller = remember((forwarded) => readCaller(forwarded, isProxy));
  return (request) => {
    const { peer, headers } = request;
    const forwarded = headers['x-forwarded-for'];
    if (forwarded === undefined || !isProxy(peer.address)) return handler(request);
    const address = findCaller(forwarded);
    return handler(address === null ? request : new ForwardedRequest(request, { ...peer, address }));
  };
}

/** Short texts are answered once; when there are too many, all are forgotten. */
function remember<T>(answer: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>();
  return (text) => {
    if (text.length > REMEMBERED_CHARS_MAX) return answer(text);
    const found = known.get(text);
    if (found !== undefined) return found;
    const made = answer(text);
    if (known.size >= REMEMBERED_MAX) known.clear();
    known.set(text, made);
    return made;
  };
}

/** Null where the list does not begin, from its end, with an address: then the proxy itself is who asks. */
function readCaller(forwarded: string, isProxy: NetworkCheck): string | null {
  let furthest: string | null = null;
  for (let end = forwarded.length, hop = 0; end >= 0 && hop < HOPS_MAX; hop += 1) {
    const comma = forwarded.lastIndexOf(',', end - 1);
    const address = toAddress(forwarded.slice(comma + 1, end).trim());
    if (address === null) return furthest;
    furthest = address;
    if (!isProxy(address)) return address;
    end = comma;
  }
  return furthest;
}

/** `ADDRESS`, `ADDRESS:PORT` of IPv4, `[ADDRESS]:PORT`; IPv4 in its IPv6 form as IPv4, and no zone, as the front has it. */
function toAddress(text: string): string | null {
  if (text.length > 64) return null;
  const bare = /^\[([^\]]+)\](?::\d{1,5})?$/.exec(text)?.[1] ?? /^([\d.]+):\d{1,5}$/.exec(text)?.[1] ?? text;
  const address = bare.split('%', 1)[0].toLowerCase();
  if (isIP(address) === 0) return null;
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}

/** The request as it is, but for who is at the other end. */
class ForwardedRequest implements GatewayRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: GatewayRequest['headers'];
  readonly body: Uint8Array;
  readonly peer: Peer;
  readonly httpVersion: '1.1' | '2.0';
  readonly #request: GatewayRequest;

  constructor(request: GatewayRequest, peer: Peer) {
    this.method = request.method;
    this.path = request.path;
    this.query = request.query;
    this.headers = request.headers;
    this.body = request.body;
    this.peer = peer;
    this.httpVersion = request.httpVersion;
    this.#request = request;
  }

  /** Asked for late: most requests never need one made. */
  get signal(): CancelSignal {
    return this.#request.signal;
  }

  freeBody(): void {
    this.#request.freeBody?.();
  }
}
