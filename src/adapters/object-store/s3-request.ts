/** One signed request to S3, and what its answers mean. */
import { toHex } from '../../core/bytes.ts';
import { SourceError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import { OBJECT_LIMITS } from '../../core/limits/objects.ts';
import type { Clock, Pause, Random } from '../../core/ports.ts';
import { encodeStrictly, type SigV4Credentials, signSigV4 } from '../../core/sigv4.ts';
import { toReplyError } from './client.ts';
import { type HttpReply, type HttpRequest, type HttpServer, toUnavailable } from './http.ts';

export interface S3Options {
  readonly server: HttpServer;
  readonly region: string;
  /** Null where the server's name holds the bucket's. */
  readonly bucketInPath: string | null;
  readonly credentials: () => Promise<SigV4Credentials>;
  readonly clock: Clock;
  readonly pause: Pause;
  readonly random: Random;
}

export interface S3Request {
  readonly method: HttpRequest['method'];
  readonly key: string;
  readonly query?: readonly (readonly [name: string, value: string])[];
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly bodySha256?: string;
  readonly replyBytesMax?: number;
}

/** Sends one request, once. */
export type SendS3 = (request: S3Request) => Promise<HttpReply>;

const EMPTY_SHA256 = toHex(sha256(new Uint8Array()));

export function createSender({ server, region, bucketInPath, credentials, clock }: S3Options): SendS3 {
  return async ({ method, key, query = [], headers = {}, body, replyBytesMax, bodySha256 = EMPTY_SHA256 }) => {
    const name = key.split('/').map(encodeStrictly).join('/');
    const path = bucketInPath === null ? `/${name}` : `/${encodeStrictly(bucketInPath)}/${name}`;
    const own = { host: server.host, 'x-amz-content-sha256': bodySha256 };
    const signed = signSigV4(
      { method, path, query, headers: { ...headers, ...own }, bodySha256 },
      { region, service: 's3', nowMs: clock.nowMs(), credentials: await credentials() },
    );
    const search = query.map((pair) => pair.map(encodeStrictly).join('=')).join('&');
    return server.send({
      method,
      path: search === '' ? path : `${path}?${search}`,
      headers: signed,
      ...(body === undefined ? {} : { body }),
      ...(replyBytesMax === undefined ? {} : { replyBytesMax }),
    });
  };
}

export function toName(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1);
}

/** The error's code, one word; its message, which may quote what was sent, stays outside. */
export function findCode(reply: HttpReply): string | null {
  if (reply.body.length > OBJECT_LIMITS.replyBytesMax || reply.status === 206) return null;
  return /<Code>([A-Za-z]{1,64})<\/Code>/.exec(new TextDecoder().decode(reply.body))?.[1] ?? null;
}

/** @throws SourceError unless the status is `good` */
export function assertStatus(reply: HttpReply, good: number, at: { host: string; key: string }): void {
  if (reply.status === good) return;
  const file = toName(at.key);
  const reason = findCode(reply);
  if (reply.status === 412 || reason === 'ConditionalRequestConflict') {
    throw new SourceError('WRITE_EXISTS', { fields: { file } });
  }
  // Something else is going on with the object or its bucket; it passes.
  if (reply.status === 409) throw toUnavailable(at.host, reason ?? 'status 409');
  throw toReplyError(reply, { host: at.host, file, reason });
}
