/** What a store of objects is to the thread that asks it; S3 and Google Cloud Storage are one each. */
import { SourceError } from '../../core/errors.ts';
import { isRegion } from '../../source/object-address.ts';
import { type HttpReply, toMalformed, toUnavailable } from './http.ts';

/** An object as it was when it was looked at. */
export interface ObjectState {
  readonly sizeBytes: number;
  /** ETag or generation: the same bytes as long as it is the same. */
  readonly version: string;
}

/** A piece of an object, end exclusive. */
export interface ObjectRange extends ObjectState {
  readonly start: number;
  readonly end: number;
}

/** Calls retry outages themselves. Errors are those of `ObjectStore` (source/ports.ts). */
export interface ObjectClient {
  stat(key: string): Promise<ObjectState>;
  /** Exactly the bytes of the range, in memory of its own. @throws SourceError SOURCE_CHANGED */
  read(key: string, range: ObjectRange): Promise<Uint8Array>;
  /** @throws SourceError WRITE_EXISTS */
  upload(key: string, options: { readonly replace: boolean }): Promise<Upload>;
  close(): void;
}

/** An object that has no name yet. */
export interface Upload {
  /** Parts are numbered from 1; all but the last have one length, a multiple of 1 MiB. */
  part(number: number, bytes: Uint8Array): Promise<void>;
  /** @param bytes the last part. @throws SourceError WRITE_EXISTS | WRITE_FAILED */
  complete(number: number, bytes: Uint8Array): Promise<void>;
  abort(): Promise<void>;
}

export interface ReplyFrom {
  readonly host: string;
  /** Base name of the object. */
  readonly file: string;
  /** Error code of the store, one word; null where it gave none. */
  readonly reason: string | null;
}

/** A reply that is not what was asked for, as one of our errors; 412 is the caller's. */
export function toReplyError({ status, headers }: HttpReply, { host, file, reason }: ReplyFrom): SourceError {
  const named = headers['x-amz-bucket-region'];
  const region = typeof named === 'string' && isRegion(named) ? named : null;
  if ((status >= 300 && status < 400) || (status === 400 && region !== null)) {
    return new SourceError('OBJECT_REDIRECTED', { fields: { host, status, region } });
  }
  if (status === 401 || status === 403 || (reason !== null && REFUSALS.has(reason))) {
    return new SourceError('OBJECT_REFUSED', { fields: { host, file, status, reason } });
  }
  if (status === 404) return new SourceError('SOURCE_NOT_FOUND', { fields: { file, host, reason } });
  if (status === 408 || status === 429 || (status >= 500 && status !== 501) || reason === 'RequestTimeout') {
    return toUnavailable(host, `status ${status}`, toRetryAfterMs(headers['retry-after']));
  }
  return toMalformed(host, reason ?? 'status', status);
}

/** Codes of S3 that come with status 400. */
const REFUSALS: ReadonlySet<string> = new Set(['ExpiredToken', 'InvalidToken', 'TokenRefreshRequired']);

/** `Retry-After` in seconds; a date would need this machine's clock to agree with the store's. */
function toRetryAfterMs(seconds = ''): number | null {
  return /^\d{1,6}$/.test(seconds) ? Number(seconds) * 1000 : null;
}

/** A number of bytes in a header. */
export function findSize(text: string | string[] | undefined): number | null {
  if (typeof text !== 'string' || !/^\d{1,16}$/.test(text)) return null;
  const size = Number(text);
  return Number.isSafeInteger(size) ? size : null;
}

/**
 * The bytes of a reply to a request for a range, when they are just those.
 * @param version of the reply
 * @throws SourceError SOURCE_CHANGED | OBJECT_REPLY_MALFORMED; OBJECT_STORE_UNAVAILABLE for too few bytes
 */
export function checkRange(
  reply: HttpReply,
  { range, version, host, file }: { range: ObjectRange; version: string | null; host: string; file: string },
): Uint8Array {
  const { start, end, sizeBytes } = range;
  const told = /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16})$/.exec(reply.headers['content-range'] ?? '');
  if (reply.status !== 206 || told === null) throw toMalformed(host, 'content-range', reply.status);
  if (version !== range.version || Number(told[3]) !== sizeBytes) throw toChanged(file, host);
  if (Number(told[1]) !== start || Number(told[2]) !== end - 1) throw toMalformed(host, 'content-range', 206);
  if (reply.body.length !== end - start) throw toUnavailable(host, 'reply cut off');
  return reply.body;
}

function toChanged(file: string, host: string): SourceError {
  return new SourceError('SOURCE_CHANGED', { fields: { file, host } });
}

/** The reply to a read that is not 206: what the conditions that were sent with it make of it. */
export function toReadError(reply: HttpReply, from: ReplyFrom): SourceError {
  const isOther = reply.status === 404 || reply.status === 412 || reply.status === 416;
  return isOther ? toChanged(from.file, from.host) : toReplyError(reply, from);
}
