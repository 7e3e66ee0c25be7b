/**
 * Objects in Google Cloud Storage: read over the XML API, written as a resumable upload of the JSON API.
 * @see https://cloud.google.com/storage/docs/xml-api/get-object-download
 */
import { SourceError } from '../../core/errors.ts';
import type { Pause } from '../../core/ports.ts';
import { encodeStrictly } from '../../core/sigv4.ts';
import { checkRange, findSize, type ObjectClient, type ObjectState, toReadError, toReplyError } from './client.ts';
import { createGcsUpload, type SendGcs } from './gcs-upload.ts';
import { type HttpReply, type HttpServer, toMalformed } from './http.ts';
import { withRetries } from './retry.ts';

export interface GcsOptions {
  readonly server: HttpServer;
  readonly bucket: string;
  readonly token: () => Promise<string>;
  readonly pause: Pause;
}

export function createGcsClient({ server, bucket, token, pause }: GcsOptions): ObjectClient {
  const { host } = server;
  const send: SendGcs = async (request) =>
    server.send({ ...request, headers: { ...request.headers, authorization: `Bearer ${await token()}` } });
  const toPath = (key: string): string => `/${encodeStrictly(bucket)}/${key.split('/').map(encodeStrictly).join('/')}`;
  const toFrom = (key: string) => ({ host, file: key.slice(key.lastIndexOf('/') + 1), reason: null });
  return {
    stat: (key) =>
      withRetries(pause, async () => {
        const reply = await send({ method: 'HEAD', path: toPath(key), headers: {} });
        if (reply.status !== 200) throw toReplyError(reply, toFrom(key));
        return toState(reply, host);
      }),
    read: (key, range) =>
      withRetries(pause, async () => {
        const { start, end, version } = range;
        const headers = { range: `bytes=${start}-${end - 1}`, 'x-goog-if-generation-match': version };
        const reply = await send({ method: 'GET', path: toPath(key), headers, replyBytesMax: end - start });
        if (reply.status !== 200 && reply.status !== 206) throw toReadError(reply, toFrom(key));
        return checkRange(reply, { range, version: findGeneration(reply), ...toFrom(key) });
      }),
    upload: async (key, { replace }) => {
      const from = toFrom(key);
      if (!replace) {
        await withRetries(pause, async () => {
          const reply = await send({ method: 'HEAD', path: toPath(key), headers: {} });
          if (reply.status === 200) throw new SourceError('WRITE_EXISTS', { fields: { file: from.file } });
          if (reply.status !== 404) throw toReplyError(reply, from);
        });
      }
      return createGcsUpload({ send, pause, from }, { bucket, key, replace });
    },
    close: () => {
      server.close();
    },
  };
}

function toState(reply: HttpReply, host: string): ObjectState {
  // Stored compressed: what is sent for a range is not that range of the object.
  if (reply.headers['content-encoding'] !== undefined) throw toMalformed(host, 'content-encoding');
  const sizeBytes = findSize(reply.headers['content-length']);
  const version = findGeneration(reply);
  if (sizeBytes === null) throw toMalformed(host, 'content-length');
  if (version === null) throw toMalformed(host, 'x-goog-generation');
  return { sizeBytes, version };
}

function findGeneration({ headers }: HttpReply): string | null {
  const generation = headers['x-goog-generation'];
  return typeof generation === 'string' && /^\d{1,20}$/.test(generation) ? generation : null;
}
