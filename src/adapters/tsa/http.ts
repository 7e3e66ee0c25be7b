/** A timestamp authority behind HTTP (RFC 3161 3.4). */
import { SignError } from '../../core/errors.ts';
import { SIGN_LIMITS } from '../../core/limits/sign.ts';
import type { TimestampAuthority } from '../../sign/ports.ts';

async function readBounded(response: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += (chunk as Uint8Array).length;
    if (size > SIGN_LIMITS.timestampBytesMax) {
      throw new SignError('SIGN_TIMESTAMP_MALFORMED', { fields: { at: 'size' } });
    }
    chunks.push(chunk as Uint8Array);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

/**
 * An authority at `url` (http or https). Redirects are not followed: the user named one authority.
 * @throws TypeError when `url` is no http(s) URL, or holds a name or password (they would end up in logs)
 */
export function httpTimestampAuthority(url: string): TimestampAuthority {
  const target = new URL(url);
  const isHttp = target.protocol === 'http:' || target.protocol === 'https:';
  if (!isHttp || target.username !== '' || target.password !== '') {
    throw new TypeError('a timestamp authority is named by an http(s) URL without a password');
  }
  return {
    label: target.host,
    async request(requestDer) {
      try {
        const response = await fetch(target, {
          method: 'POST',
          headers: { 'content-type': 'application/timestamp-query', accept: 'application/timestamp-reply' },
          body: Buffer.from(requestDer),
          redirect: 'error',
          signal: AbortSignal.timeout(SIGN_LIMITS.timestampTimeoutMs),
        });
        if (!response.ok) {
          await response.body?.cancel();
          throw new SignError('SIGN_TIMESTAMP_REFUSED', { fields: { host: target.host, httpStatus: response.status } });
        }
        return await readBounded(response);
      } catch (cause) {
        if (cause instanceof SignError) throw cause;
        throw new SignError('SIGN_TIMESTAMP_REFUSED', {
          message: 'The timestamp authority did not answer.',
          fields: { host: target.host },
          cause,
        });
      }
    },
  };
}
