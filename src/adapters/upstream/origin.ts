/** The address of an inference server, and what is sent with each request to it. */
import { isIP } from 'node:net';
import { GatewayError } from '../../core/errors.ts';
import { UPSTREAM_LIMITS } from '../../core/limits/upstream.ts';
import type { HeaderList } from '../../gateway/ports.ts';
import { createAddressCheck, isLoopback } from './addresses.ts';
import type { UpstreamOptions } from './types.ts';

export interface Origin {
  /** `https://host:port`, without a path. */
  readonly text: string;
  readonly isTls: boolean;
  /** Name, or address without brackets. */
  readonly hostname: string;
  readonly port: number;
  /** Of the `host` header. */
  readonly authority: string;
  /** Put before the path of each request; '' or beginning with "/", without "/" at its end. */
  readonly basePath: string;
}

/**
 * @throws GatewayError UPSTREAM_URL_INVALID | UPSTREAM_PLAINTEXT | UPSTREAM_ADDRESS_REFUSED | UPSTREAM_SETTING_INVALID
 */
export function toOrigin({ url: text, allowPlaintext = false, addresses = {} }: UpstreamOptions): Origin {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isTls = url?.protocol === 'https:';
  if (url === null || !(isTls || url.protocol === 'http:') || !hasPlainParts(url)) {
    throw new GatewayError('UPSTREAM_URL_INVALID');
  }
  const hostname = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname;
  const isLocal = hostname === 'localhost' || isLoopback(hostname);
  if (!isTls && !isLocal && !allowPlaintext) throw new GatewayError('UPSTREAM_PLAINTEXT');
  if (isIP(hostname) !== 0 && !createAddressCheck(addresses).isAllowed(hostname)) {
    throw new GatewayError('UPSTREAM_ADDRESS_REFUSED');
  }
  const port = url.port === '' ? (isTls ? 443 : 80) : Number(url.port);
  const basePath = url.pathname.replace(/\/+$/, '');
  return { text: url.origin, isTls, hostname, port, authority: url.host, basePath };
}

/** No credential, query or fragment; a path of the usual characters, without ways to other folders. */
function hasPlainParts({ username, password, search, hash, hostname, pathname }: URL): boolean {
  if (hostname === '' || username !== '' || password !== '' || search !== '' || hash !== '') return false;
  return /^\/[A-Za-z0-9_./~-]*$/.test(pathname) && !pathname.includes('//');
}

/** About the connection, the body or the answer: those are the line's own. */
const OWN: ReadonlySet<string> = new Set([
  'accept-encoding',
  'connection',
  'content-length',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** @throws GatewayError UPSTREAM_SETTING_INVALID */
export function assertOwnHeaders(headers: HeaderList): void {
  const isGood = headers.every(
    ([name, value]) => /^[a-z0-9-]{1,64}$/.test(name) && !OWN.has(name) && /^[\x20-\x7e]{1,8192}$/.test(value),
  );
  if (!isGood || headers.length > UPSTREAM_LIMITS.ownHeadersMax) {
    throw new GatewayError('UPSTREAM_SETTING_INVALID', { fields: { at: 'headers' } });
  }
}
