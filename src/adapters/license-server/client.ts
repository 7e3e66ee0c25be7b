/** One request to a licence server: TLS 1.3, no redirects, caps on time and size. What comes back is for the caller to verify. */
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { type ErrorCode, ERRORS, LicenseError } from '../../core/errors.ts';
import { LICENSE_LIMITS } from '../../core/limits/license.ts';

export interface AskServerOptions {
  /** Such as `https://licences.acme.example:8444`. */
  readonly server: string;
  /** Name of the action; part of the path. */
  readonly action: string;
  /** Compact JWS. */
  readonly request: string;
  /** Authorities to trust instead of the system's, PEM. */
  readonly caPem: Uint8Array | null;
  readonly timeoutMs?: number;
}

/**
 * @returns the answer, compact JWS
 * @throws LicenseError LICENSE_SERVER_INSECURE; the server's own code of a refusal; LICENSE_SERVER_UNAVAILABLE for everything else
 */
export async function askServer(options: AskServerOptions): Promise<string> {
  const url = toUrl(options);
  let answer: { readonly status: number; readonly text: string };
  try {
    answer = await exchange(url, options);
  } catch (cause) {
    throw new LicenseError('LICENSE_SERVER_UNAVAILABLE', { cause, fields: { host: url.host } });
  }
  if (answer.status === 200) return answer.text;
  throw new LicenseError(findCode(answer.text) ?? 'LICENSE_SERVER_UNAVAILABLE', {
    fields: { host: url.host, status: answer.status },
  });
}

function toUrl({ server, action }: AskServerOptions): URL {
  const base = URL.canParse(server) ? new URL(server) : undefined;
  const isPlain = base?.username === '' && base.password === '' && base.search === '' && base.hash === '';
  if (base?.protocol !== 'https:' || !isPlain) throw new LicenseError('LICENSE_SERVER_INSECURE');
  // Put together as text: a path of two slashes would name another host.
  return new URL(`${base.origin}${base.pathname.replace(/\/$/, '')}/v1/${action}`);
}

function exchange(url: URL, options: AskServerOptions): Promise<{ readonly status: number; readonly text: string }> {
  const { request, caPem, timeoutMs = LICENSE_LIMITS.requestTimeoutMs } = options;
  const body = Buffer.from(request, 'latin1');
  return new Promise((resolve, reject) => {
    const call = httpsRequest(
      url,
      {
        method: 'POST',
        agent: false,
        minVersion: 'TLSv1.3',
        // Said here, so that NODE_TLS_REJECT_UNAUTHORIZED in the environment has no say.
        rejectUnauthorized: true,
        maxHeaderSize: LICENSE_LIMITS.headerBytesMax,
        headers: { 'content-type': 'application/jwt', 'content-length': body.length },
        // For the whole exchange: a server that sends byte by byte does not hold the device.
        signal: AbortSignal.timeout(timeoutMs),
        ...(caPem === null ? {} : { ca: Buffer.from(caPem) }),
      },
      (response) => {
        readText(response).then((text) => {
          resolve({ status: response.statusCode ?? 0, text });
        }, reject);
      },
    );
    call.on('error', reject);
    call.end(body);
  });
}

async function readText(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > LICENSE_LIMITS.bodyBytesMax) throw new RangeError('the answer is too long');
    parts.push(part);
  }
  return Buffer.concat(parts).toString('latin1').trimEnd();
}

/** The code of a refusal, when it is one of ours. */
function findCode(text: string): ErrorCode | undefined {
  try {
    const { error } = JSON.parse(text) as { error?: { code?: unknown } };
    const code = error?.code;
    if (typeof code === 'string' && code.startsWith('LICENSE_') && Object.hasOwn(ERRORS, code))
      return code as ErrorCode;
  } catch {
    // No refusal of ours.
  }
  return undefined;
}
