/**
 * Objects in Amazon S3 and servers that speak its protocol, every request signed.
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
 */
import { checkRange, findSize, type ObjectClient, type ObjectState, toReadError, toReplyError } from './client.ts';
import { type HttpReply, toMalformed } from './http.ts';
import { withRetries } from './retry.ts';
import { createSender, findCode, type S3Options, toName } from './s3-request.ts';
import { createS3Upload } from './s3-upload.ts';

export function createS3Client(options: S3Options): ObjectClient {
  const { server, pause, random } = options;
  const { host } = server;
  const send = createSender(options);
  return {
    stat: (key) => withRetries(pause, async () => toState(await send({ method: 'HEAD', key }), { host, key })),
    read: (key, range) =>
      withRetries(pause, async () => {
        const { start, end, version } = range;
        const headers = { range: `bytes=${start}-${end - 1}`, 'if-match': version };
        const reply = await send({ method: 'GET', key, headers, replyBytesMax: end - start });
        const from = { host, file: toName(key), reason: findCode(reply) };
        if (reply.status !== 200 && reply.status !== 206) throw toReadError(reply, from);
        return checkRange(reply, { range, version: findEtag(reply), ...from });
      }),
    upload: (key, { replace }) => createS3Upload({ send, pause, random, host }, key, replace),
    close: () => {
      server.close();
    },
  };
}

/** @throws SourceError SOURCE_NOT_FOUND and the other refusals */
function toState(reply: HttpReply, { host, key }: { host: string; key: string }): ObjectState {
  const from = { host, file: toName(key), reason: findCode(reply) };
  if (reply.status !== 200) throw toReplyError(reply, from);
  const sizeBytes = findSize(reply.headers['content-length']);
  const version = findEtag(reply);
  if (sizeBytes === null || version === null) throw toMalformed(host, sizeBytes === null ? 'content-length' : 'etag');
  return { sizeBytes, version };
}

/** A strong one; a weak one may stand for different bytes. */
function findEtag({ headers }: HttpReply): string | null {
  const etag = headers.etag ?? '';
  return /^"[\x21\x23-\x7e]{1,256}"$/.test(etag) ? etag : null;
}
