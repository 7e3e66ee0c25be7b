/** Failures of node's HTTP client as coded errors. */
import { RemoteError } from '../../core/errors.ts';

/** Certificates that are not trusted; trying again changes nothing. */
const TLS_CODES =
  /^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_(GET|VERIFY|DECODE|DECRYPT)_|ERR_TLS_CERT|ERR_SSL_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|EPROTO$)/;

export function toRemoteError(error: unknown, host: string): RemoteError {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown';
  const fields = { host, reason: code };
  if (TLS_CODES.test(code)) return new RemoteError('REMOTE_TLS_REFUSED', { fields, cause: error });
  if (code === 'HPE_HEADER_OVERFLOW') return new RemoteError('REMOTE_REPLY_TOO_LARGE', { fields, cause: error });
  return new RemoteError('REMOTE_UNREACHABLE', { fields, cause: error });
}
