/** Calls of the AWS KMS API (JSON 1.1): signed, sent once, answers and errors as ours. */
import type { z } from 'zod';
import { toHex } from '../../../core/bytes.ts';
import { type ErrorCode, SealError } from '../../../core/errors.ts';
import { sha256 } from '../../../core/hash.ts';
import type { Clock } from '../../../core/ports.ts';
import { type SigV4Credentials, signSigV4 } from '../../../core/sigv4.ts';
import { askService } from '../rest.ts';
import { findJson, type KeyService, type ServiceReply, toMalformed } from '../service.ts';
import type { Renewed } from '../token.ts';

export interface AwsClientOptions {
  readonly service: KeyService;
  readonly region: string;
  readonly clock: Clock;
  readonly credentials: Renewed<SigV4Credentials>;
}

export interface AwsClient {
  readonly host: string;
  /**
   * Sends one action. `take` sees the reply's bytes before they are parsed, and takes a key out of them.
   * @param body JSON; wiped afterwards
   * @throws SealError by the table below; KEY_SERVICE_MALFORMED for a reply that is not as `schema`
   */
  call<T>(action: string, body: Uint8Array, schema: z.ZodType<T>, take?: (body: Uint8Array) => void): Promise<T>;
  close(): void;
}

/** What the errors of the API mean here; all others are refusals. */
const CODES: ReadonlyMap<string, ErrorCode> = new Map<string, ErrorCode>(
  Object.entries({
    NotFoundException: 'KEY_SERVICE_MISSING',
    InvalidArnException: 'KEY_SERVICE_MISSING',
    DisabledException: 'KEY_VERSION_GONE',
    KMSInvalidStateException: 'KEY_VERSION_GONE',
    InvalidKeyUsageException: 'KEY_SERVICE_UNFIT',
    UnsupportedOperationException: 'KEY_SERVICE_UNFIT',
    UnrecognizedClientException: 'KEY_CREDENTIALS_REFUSED',
    InvalidSignatureException: 'KEY_CREDENTIALS_REFUSED',
    SignatureDoesNotMatch: 'KEY_CREDENTIALS_REFUSED',
    IncompleteSignature: 'KEY_CREDENTIALS_REFUSED',
    InvalidClientTokenId: 'KEY_CREDENTIALS_REFUSED',
    MissingAuthenticationToken: 'KEY_CREDENTIALS_REFUSED',
    MissingAuthenticationTokenException: 'KEY_CREDENTIALS_REFUSED',
    ExpiredTokenException: 'KEY_CREDENTIALS_REFUSED',
    RequestExpired: 'KEY_CREDENTIALS_REFUSED',
    // A rotation by the service is going on, or about to begin.
    ConflictException: 'KEY_PROVIDER_UNAVAILABLE',
    KeyUnavailableException: 'KEY_PROVIDER_UNAVAILABLE',
    KMSInternalException: 'KEY_PROVIDER_UNAVAILABLE',
    DependencyTimeoutException: 'KEY_PROVIDER_UNAVAILABLE',
    ThrottlingException: 'KEY_PROVIDER_UNAVAILABLE',
    Throttling: 'KEY_PROVIDER_UNAVAILABLE',
    RequestLimitExceeded: 'KEY_PROVIDER_UNAVAILABLE',
    ServiceUnavailable: 'KEY_PROVIDER_UNAVAILABLE',
  } as const),
);

export function createAwsClient({ service, region, clock, credentials }: AwsClientOptions): AwsClient {
  return {
    host: service.host,
    call: async (action, body, schema, take) => {
      const headers = {
        host: service.host,
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': `TrentService.${action}`,
      };
      const request = { method: 'POST', path: '/', headers, bodySha256: toHex(sha256(body)) } as const;
      const scope = { region, service: 'kms', nowMs: clock.nowMs(), credentials: await credentials.get() };
      const signed = signSigV4(request, scope);
      return askService(
        service,
        { method: 'POST', path: '/', headers: signed, body },
        {
          schema,
          toError: (reply) => {
            const error = toAwsError(reply, service.host, action);
            // The files may hold others meanwhile.
            if (error.code === 'KEY_CREDENTIALS_REFUSED') credentials.drop();
            return error;
          },
          ...(take === undefined ? {} : { take }),
        },
      );
    },
    close: () => {
      service.close();
    },
  };
}

/** The error's name, which is one of a closed list; its message, which may quote input, stays outside. */
function toAwsError(reply: ServiceReply, host: string, action: string): SealError {
  const told = findJson(reply.body);
  const type = typeof told === 'object' && told !== null && '__type' in told ? told.__type : undefined;
  const reason = typeof type === 'string' ? /(?:^|#)([A-Za-z]{1,64})(?::|$)/.exec(type)?.[1] : undefined;
  // Front ends of the service refuse in words of their own.
  const isRefusal = reply.status === 401 || reply.status === 403;
  if (reason === undefined && isRefusal) {
    return new SealError('KEY_CREDENTIALS_REFUSED', { fields: { host, action, status: reply.status } });
  }
  if (reason === undefined) return toMalformed({ host, action, status: reply.status });
  return new SealError(CODES.get(reason) ?? 'KEY_REFUSED', { fields: { host, action, reason } });
}
