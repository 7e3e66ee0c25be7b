/** Which addresses are asked at all. */
import { BlockList, isIP } from 'node:net';
import { RemoteError } from '../../core/errors.ts';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/**
 * @throws RemoteError REMOTE_URL_REFUSED for what is no http(s) URL, or holds a name or password, which would end up in
 *   logs; REMOTE_INSECURE for http to another machine unless that is allowed
 */
export function parseEndpointUrl(text: string, isInsecureAllowed: boolean): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isHttp = url?.protocol === 'http:' || url?.protocol === 'https:';
  if (!isHttp || url.username !== '' || url.password !== '' || url.hash !== '') {
    throw new RemoteError('REMOTE_URL_REFUSED');
  }
  if (url.protocol === 'http:' && !isInsecureAllowed && !isLoopback(url.hostname)) {
    throw new RemoteError('REMOTE_INSECURE', { fields: { host: url.host } });
  }
  return url;
}

function isLoopback(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '');
  if (host === 'localhost') return true;
  const family = isIP(host);
  return family !== 0 && loopback.check(host, family === 6 ? 'ipv6' : 'ipv4');
}
