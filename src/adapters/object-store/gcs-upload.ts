/**
 * Resumable uploads: bytes in order, an object when the last of them came, and none before.
 * @see https://cloud.google.com/storage/docs/performing-resumable-uploads
 */
import { z } from 'zod';
import { utf8 } from '../../core/bytes.ts';
import { crc32c } from '../../core/crc32c.ts';
import { SourceError } from '../../core/errors.ts';
import type { Pause } from '../../core/ports.ts';
import { encodeStrictly } from '../../core/sigv4.ts';
import { type ReplyFrom, toReplyError, type Upload } from './client.ts';
import { type HttpReply, type HttpRequest, toMalformed, toUnavailable } from './http.ts';
import { withRetries } from './retry.ts';

/** Sends one request with a token, once. */
export type SendGcs = (request: HttpRequest) => Promise<HttpReply>;

export interface GcsUploadPorts {
  readonly send: SendGcs;
  readonly pause: Pause;
  readonly from: ReplyFrom;
}

interface GcsTarget {
  readonly bucket: string;
  readonly key: string;
  readonly replace: boolean;
}

/** What the store says of the object that was made. */
const objectReply = z.object({
  size: z.string().regex(/^\d{1,16}$/),
  crc32c: z.string().max(16),
  generation: z.string().regex(/^\d{1,20}$/),
});

export async function createGcsUpload(ports: GcsUploadPorts, target: GcsTarget): Promise<Upload> {
  const { send, pause } = ports;
  const path = await withRetries(pause, () => begin(ports, target));
  let sent = 0;
  let crc = 0;
  // Bytes go in order, whoever calls when.
  let queue: Promise<unknown> = Promise.resolve();
  const inOrder = <T>(work: () => Promise<T>): Promise<T> => {
    const done = queue.then(work);
    queue = done.catch(() => undefined);
    return done;
  };
  const push = async (bytes: Uint8Array, isLast: boolean): Promise<HttpReply | null> => {
    crc = crc32c(bytes, crc);
    const start = sent;
    const total = isLast ? String(start + bytes.length) : '*';
    const reply = await withRetries(pause, (before) => sendRest(ports, { path, bytes, start, total, before }));
    sent += bytes.length;
    return reply;
  };
  return {
    part: (_number, bytes) =>
      inOrder(async () => {
        await push(bytes, false);
      }),
    complete: (_number, bytes) =>
      inOrder(async () => {
        const reply = await push(bytes, true);
        if (reply === null) throw toMalformed(ports.from.host, 'range', 308);
        await assertStored(ports, target, { reply, sizeBytes: sent, crc });
      }),
    abort: () =>
      withRetries(pause, async () => {
        // 499 is the store's word for "as you wish".
        const reply = await send({ method: 'DELETE', path, headers: { 'content-length': '0' } });
        if (![204, 404, 410, 499].includes(reply.status)) throw toReplyError(reply, ports.from);
      }),
  };
}

/** The path of the session; whoever knows it may write, so it is in no error. */
async function begin({ send, from }: GcsUploadPorts, { bucket, key, replace }: GcsTarget): Promise<string> {
  const condition = replace ? '' : '&ifGenerationMatch=0';
  const reply = await send({
    method: 'POST',
    path: `/upload/storage/v1/b/${encodeStrictly(bucket)}/o?uploadType=resumable&name=${encodeStrictly(key)}${condition}`,
    headers: { 'content-type': 'application/json; charset=utf-8' },
    body: utf8('{}'),
  });
  if (reply.status !== 200) throw toWriteError(reply, from);
  const { location = '' } = reply.headers;
  const url = URL.canParse(location) ? new URL(location) : undefined;
  // To the server that was named, and to none that it names.
  if (url?.host !== from.host || url.username !== '' || !/^\/[\x21-\x7e]{1,4096}$/.test(url.pathname + url.search)) {
    throw toMalformed(from.host, 'location', 200);
  }
  return url.pathname + url.search;
}

interface Piece {
  readonly path: string;
  readonly bytes: Uint8Array;
  /** Offset of `bytes` in the object. */
  readonly start: number;
  readonly total: string;
  readonly before: number;
}

/** Sends what the store does not have yet of the piece. The reply is null while the object is not whole. */
async function sendRest(ports: GcsUploadPorts, piece: Piece): Promise<HttpReply | null> {
  const { send, from } = ports;
  const { path, bytes, start, total, before } = piece;
  const end = start + bytes.length;
  let stored = start;
  if (before > 0) {
    const asked = await send({ method: 'PUT', path, headers: { 'content-range': `bytes */${total}` }, body: NOTHING });
    if (asked.status === 200 || asked.status === 201) return asked;
    stored = toStored(asked, from);
  }
  if (stored < start || stored > end) throw toMalformed(from.host, 'range', 308);
  while (stored < end || total !== '*') {
    const range = stored === end ? `bytes */${total}` : `bytes ${stored}-${end - 1}/${total}`;
    const body = bytes.subarray(stored - start);
    const reply = await send({ method: 'PUT', path, headers: { 'content-range': range }, body });
    if (reply.status === 200 || reply.status === 201) return reply;
    const now = toStored(reply, from);
    if (now <= stored) throw toUnavailable(from.host, 'nothing stored');
    if (now > end) throw toMalformed(from.host, 'range', 308);
    stored = now;
  }
  return null;
}

const NOTHING = new Uint8Array();

/** How many bytes the store has, from its "308 Resume Incomplete". */
function toStored(reply: HttpReply, from: ReplyFrom): number {
  if (reply.status !== 308) throw toWriteError(reply, from);
  const { range } = reply.headers;
  if (range === undefined) return 0;
  const last = /^bytes=0-(\d{1,16})$/.exec(range)?.[1];
  if (last === undefined) throw toMalformed(from.host, 'range', 308);
  return Number(last) + 1;
}

function toWriteError(reply: HttpReply, from: ReplyFrom): SourceError {
  if (reply.status === 412) return new SourceError('WRITE_EXISTS', { fields: { file: from.file } });
  return toReplyError(reply, from);
}

/** An object whose checksum is another one is taken away again: it must not be taken for what was sent. */
async function assertStored(
  { send, from }: GcsUploadPorts,
  { bucket, key }: GcsTarget,
  { reply, sizeBytes, crc }: { reply: HttpReply; sizeBytes: number; crc: number },
): Promise<void> {
  const told = objectReply.safeParse(findJson(reply.body));
  if (!told.success) throw toMalformed(from.host, 'body', reply.status);
  const expected = Buffer.alloc(4);
  expected.writeUInt32BE(crc);
  if (told.data.size === String(sizeBytes) && told.data.crc32c === expected.toString('base64')) return;
  const path = `/storage/v1/b/${encodeStrictly(bucket)}/o/${encodeStrictly(key)}?generation=${told.data.generation}`;
  await send({ method: 'DELETE', path, headers: {} });
  throw new SourceError('WRITE_FAILED', { fields: { file: from.file, host: from.host, reason: 'checksum' } });
}

function findJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    return undefined;
  }
}
