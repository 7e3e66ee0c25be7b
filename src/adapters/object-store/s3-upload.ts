/**
 * Multipart uploads: parts with checksums, and an object at the end or none.
 * @see https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
 */
import { toHex, utf8 } from '../../core/bytes.ts';
import { SourceError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import type { Pause, Random } from '../../core/ports.ts';
import type { Upload } from './client.ts';
import { type HttpReply, toMalformed, toUnavailable } from './http.ts';
import { withRetries } from './retry.ts';
import { assertStatus, findCode, type SendS3, toName } from './s3-request.ts';

export interface S3UploadPorts {
  readonly send: SendS3;
  readonly pause: Pause;
  readonly random: Random;
  readonly host: string;
}

interface StoredPart {
  readonly etag: string;
  readonly sha256: Uint8Array;
}

/** Metadata by which an upload knows its own object again, when the answer to its last request was lost. */
const OWN_MARK = 'x-amz-meta-modelward-upload';

/** @throws SourceError WRITE_EXISTS and those of the store */
export async function createS3Upload(ports: S3UploadPorts, key: string, replace: boolean): Promise<Upload> {
  const { send, pause, random, host } = ports;
  const at = { host, key };
  if (!replace) await withRetries(pause, () => assertFree(send, at));
  const mark = new Uint8Array(16);
  random.fill(mark);
  const own = toHex(mark);
  const id = await withRetries(pause, async () => {
    const headers = { [OWN_MARK]: own, 'x-amz-checksum-algorithm': 'SHA256' };
    const reply = await send({ method: 'POST', key, query: [['uploads', '']], headers });
    assertStatus(reply, 200, at);
    return readMember(reply, 'UploadId', host);
  });
  const parts = new Map<number, StoredPart>();
  const flying = new Set<Promise<unknown>>();
  const part = async (number: number, bytes: Uint8Array): Promise<void> => {
    const sending = withRetries(pause, () => sendPart(send, { ...at, id, number, bytes }));
    flying.add(sending);
    try {
      parts.set(number, await sending);
    } finally {
      flying.delete(sending);
    }
  };
  const abortOnce = (): Promise<void> =>
    withRetries(pause, async () => {
      const reply = await send({ method: 'DELETE', key, query: [['uploadId', id]] });
      if (reply.status !== 404) assertStatus(reply, 204, at);
    });
  return {
    part,
    complete: async (number, bytes) => {
      await part(number, bytes);
      await withRetries(pause, (before) => complete(send, { ...at, id, own, parts, replace }, before));
    },
    abort: async () => {
      await abortOnce();
      if (flying.size === 0) return;
      // Parts that were on the way may have come after the first word, and would be paid for.
      await Promise.allSettled(flying);
      await abortOnce();
    },
  };
}

async function assertFree(send: SendS3, { host, key }: { host: string; key: string }): Promise<void> {
  const reply = await send({ method: 'HEAD', key });
  if (reply.status === 404) return;
  assertStatus(reply, 200, { host, key });
  throw new SourceError('WRITE_EXISTS', { fields: { file: toName(key) } });
}

interface PartToSend {
  readonly host: string;
  readonly key: string;
  readonly id: string;
  readonly number: number;
  readonly bytes: Uint8Array;
}

/** The store compares the checksum; where it sends one back, it is compared here, too. */
async function sendPart(send: SendS3, { host, key, id, number, bytes }: PartToSend): Promise<StoredPart> {
  const digest = sha256(bytes);
  const reply = await send({
    method: 'PUT',
    key,
    query: [
      ['partNumber', String(number)],
      ['uploadId', id],
    ],
    headers: { 'x-amz-checksum-sha256': toBase64(digest) },
    body: bytes,
    bodySha256: toHex(digest),
  });
  const code = findCode(reply);
  if (code === 'BadDigest' || code === 'XAmzContentSHA256Mismatch') throw toUnavailable(host, code);
  assertStatus(reply, 200, { host, key });
  const told = reply.headers['x-amz-checksum-sha256'];
  if (told !== undefined && told !== toBase64(digest)) throw toUnavailable(host, 'checksum');
  const etag = reply.headers.etag ?? '';
  if (!/^"?[\x21\x23-\x25\x27-\x3b\x3d\x3f-\x7e]{1,256}"?$/.test(etag)) throw toMalformed(host, 'etag', 200);
  return { etag, sha256: digest };
}

interface ToComplete {
  readonly host: string;
  readonly key: string;
  readonly id: string;
  readonly own: string;
  readonly parts: ReadonlyMap<number, StoredPart>;
  readonly replace: boolean;
}

async function complete(send: SendS3, upload: ToComplete, before: number): Promise<void> {
  const { host, key, id, replace } = upload;
  const parts = [...upload.parts].sort(([a], [b]) => a - b);
  const body = utf8(toCompleteXml(parts));
  const headers: Record<string, string> = replace ? {} : { 'if-none-match': '*' };
  const query = [['uploadId', id]] as const;
  const reply = await send({ method: 'POST', key, query, headers, body, bodySha256: toHex(sha256(body)) });
  const code = findCode(reply);
  // An answer that was lost: the upload is over, and the object is ours if it carries our mark.
  if (before > 0 && (reply.status === 404 || reply.status === 412) && (await isOwn(send, upload))) return;
  // The store begins its answer before it knows the outcome: an error may come with status 200.
  if (reply.status === 200 && code !== null) throw toUnavailable(host, code);
  assertStatus(reply, 200, { host, key });
  const told = /<ChecksumSHA256>([A-Za-z0-9+/=]{1,64}(?:-\d{1,5})?)<\/ChecksumSHA256>/.exec(toText(reply))?.[1];
  if (told !== undefined && told !== toComposite(parts.map(([, part]) => part))) {
    throw new SourceError('WRITE_FAILED', { fields: { file: toName(key), host, reason: 'checksum' } });
  }
}

async function isOwn(send: SendS3, { key, own }: ToComplete): Promise<boolean> {
  const reply = await send({ method: 'HEAD', key });
  return reply.status === 200 && reply.headers[OWN_MARK] === own;
}

/** ETags hold no character that XML escapes but the quotes, which are legal in text. */
function toCompleteXml(parts: readonly (readonly [number, StoredPart])[]): string {
  const rows = parts.map(
    ([number, part]) =>
      `<Part><PartNumber>${number}</PartNumber><ETag>${part.etag}</ETag><ChecksumSHA256>${toBase64(part.sha256)}</ChecksumSHA256></Part>`,
  );
  return `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${rows.join('')}</CompleteMultipartUpload>`;
}

/** Checksum of checksums, as S3 tells it of an object of parts. */
function toComposite(parts: readonly StoredPart[]): string {
  return `${toBase64(sha256(Buffer.concat(parts.map((part) => part.sha256))))}-${parts.length}`;
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

function toText(reply: HttpReply): string {
  return new TextDecoder().decode(reply.body);
}

function readMember(reply: HttpReply, name: string, host: string): string {
  const found = [...toText(reply).matchAll(new RegExp(`<${name}>([^<&]{1,1024})</${name}>`, 'g'))];
  if (found.length !== 1) throw toMalformed(host, name, reply.status);
  return found[0][1];
}
