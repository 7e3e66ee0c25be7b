/** Servers that answer as object stores do, written from their documentation: they check what they are asked, and fail when told. */
import { createHash, createHmac } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Asked {
  readonly method: string;
  /** Path and query as they came. */
  readonly target: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Answers instead of the store; true when it did. `count` counts all requests from 1. */
export type Fault = (asked: Asked, response: ServerResponse, count: number) => boolean;

export interface FakeObject {
  bytes: Buffer;
  version: number;
  headers: Record<string, string>;
}

export interface FakeStore {
  readonly url: string;
  readonly asked: Asked[];
  readonly objects: Map<string, FakeObject>;
  /** Uploads that are neither complete nor aborted. */
  readonly uploads: Map<string, FakeUpload>;
  fault: Fault | null;
  put(path: string, bytes: Uint8Array): void;
  close(): Promise<void>;
}

interface FakeUpload {
  readonly path: string;
  readonly parts: Map<number, Buffer>;
  readonly headers: Record<string, string>;
  readonly isNew: boolean;
}

type Answer = (asked: Asked, response: ServerResponse, store: FakeStore) => void;

async function serveFake(answer: Answer): Promise<FakeStore> {
  let count = 0;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const target = request.url ?? '';
      const [path, search = ''] = target.split('?');
      const query = new URLSearchParams(search);
      const { method = '', headers } = request;
      const asked: Asked = { method, target, path, query, headers, body: Buffer.concat(chunks) };
      store.asked.push(asked);
      if (store.fault?.(asked, response, ++count) !== true) answer(asked, response, store);
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const store: FakeStore = {
    url: `http://127.0.0.1:${port}`,
    asked: [],
    objects: new Map(),
    uploads: new Map(),
    fault: null,
    put: (path, bytes) => {
      const version = (store.objects.get(path)?.version ?? 0) + 1;
      store.objects.set(path, { bytes: Buffer.from(bytes), version, headers: {} });
    },
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => {
          done();
        });
      }),
  };
  return store;
}

function end(response: ServerResponse, status: number, headers: Record<string, string> = {}, body = ''): void {
  response.writeHead(status, { 'content-length': Buffer.byteLength(body), ...headers });
  response.end(body);
}

function sendObject(asked: Asked, response: ServerResponse, object: FakeObject, headers: Record<string, string>): void {
  const { bytes } = object;
  const range = /^bytes=(\d+)-(\d+)$/.exec(asked.headers.range ?? '');
  if (asked.method === 'HEAD') {
    response.writeHead(200, { ...headers, ...object.headers, 'content-length': bytes.length });
    response.end();
    return;
  }
  if (range === null || Number(range[1]) >= bytes.length) {
    end(response, 416);
    return;
  }
  const [from, to] = [Number(range[1]), Math.min(Number(range[2]), bytes.length - 1)];
  const part = bytes.subarray(from, to + 1);
  response.writeHead(206, {
    ...headers,
    'content-length': part.length,
    'content-range': `bytes ${from}-${to}/${bytes.length}`,
  });
  response.end(part);
}

export const S3_KEYS = { accessKeyId: 'AKIAFAKE', secretAccessKey: 'canary-of-the-secret', sessionToken: null };

function toHmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

/** SigV4 from its documentation: every header that was signed, the query in order, the digest of the body. */
function isSigned({ method, path, query, headers, body }: Asked): boolean {
  const digest = createHash('sha256').update(body).digest('hex');
  const told =
    /Credential=AKIAFAKE\/(\d{8}\/([a-z0-9-]+)\/s3\/aws4_request), SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$/;
  const match = told.exec(headers.authorization ?? '');
  if (match === null || headers['x-amz-content-sha256'] !== digest) return false;
  const [, scope, region, names, signature] = match;
  const encode = (text: string): string =>
    encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  const search = [...query]
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&');
  const lines = names.split(';').map((name) => `${name}:${String(headers[name]).trim()}`);
  const canonical = [method, path, search, ...lines, '', names, digest].join('\n');
  const date = String(headers['x-amz-date']);
  const text = ['AWS4-HMAC-SHA256', date, scope, createHash('sha256').update(canonical).digest('hex')].join('\n');
  const key = [date.slice(0, 8), region, 's3', 'aws4_request'].reduce<string | Buffer>(
    toHmac,
    `AWS4${S3_KEYS.secretAccessKey}`,
  );
  return toHmac(key, text).toString('hex') === signature;
}

function toXml(code: string): string {
  return `<Error><Code>${code}</Code><Message>quotes canary-of-the-secret</Message></Error>`;
}

/** Objects by "/bucket/key". */
export async function serveFakeS3(): Promise<FakeStore> {
  return serveFake((asked, response, store) => {
    const { method, path, query, headers, body } = asked;
    if (!isSigned(asked)) {
      end(response, 403, {}, toXml('SignatureDoesNotMatch'));
      return;
    }
    const object = store.objects.get(path);
    const upload = store.uploads.get(query.get('uploadId') ?? '');
    if (method === 'POST' && query.has('uploads')) {
      const id = `upload-${store.asked.length}`;
      const mark = String(headers['x-amz-meta-modelward-upload']);
      store.uploads.set(id, { path, parts: new Map(), headers: { 'x-amz-meta-modelward-upload': mark }, isNew: false });
      end(response, 200, {}, `<R><UploadId>${id}</UploadId></R>`);
    } else if (query.has('uploadId') && upload === undefined) end(response, 404, {}, toXml('NoSuchUpload'));
    else if (method === 'PUT' && upload !== undefined) {
      const sum = createHash('sha256').update(body).digest('base64');
      if (sum !== headers['x-amz-checksum-sha256']) {
        end(response, 400, {}, toXml('BadDigest'));
        return;
      }
      upload.parts.set(Number(query.get('partNumber')), body);
      end(response, 200, { etag: `"part-${query.get('partNumber')}"`, 'x-amz-checksum-sha256': sum });
    } else if (method === 'DELETE' && upload !== undefined) {
      store.uploads.delete(query.get('uploadId')!);
      end(response, 204);
    } else if (method === 'POST' && upload !== undefined) {
      if (headers['if-none-match'] === '*' && object !== undefined) {
        end(response, 412, {}, toXml('PreconditionFailed'));
        return;
      }
      store.put(path, Buffer.concat([...upload.parts].sort(([a], [b]) => a - b).map(([, part]) => part)));
      store.objects.get(path)!.headers = upload.headers;
      store.uploads.delete(query.get('uploadId')!);
      end(response, 200, {}, '<R><ETag>"whole"</ETag></R>');
    } else if (object === undefined) end(response, 404, {}, method === 'HEAD' ? '' : toXml('NoSuchKey'));
    else if ((headers['if-match'] ?? `"v${object.version}"`) !== `"v${object.version}"`) {
      end(response, 412, {}, toXml('PreconditionFailed'));
    } else sendObject(asked, response, object, { etag: `"v${object.version}"` });
  });
}

export const GCS_TOKEN = 'canary-token';

/** CRC-32C bit by bit, as the store tells it. */
function toCrc(bytes: Uint8Array): string {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (0x82f63b78 & -(crc & 1));
  }
  const out = Buffer.alloc(4);
  out.writeUInt32BE((crc ^ 0xffffffff) >>> 0);
  return out.toString('base64');
}

/** Objects by "/bucket/key"; stores at most `stepBytes` of a piece before it asks for the rest. */
export async function serveFakeGcs(stepBytes = Infinity): Promise<FakeStore> {
  return serveFake((asked, response, store) => {
    const { method, path, query, headers, body } = asked;
    if (headers.authorization !== `Bearer ${GCS_TOKEN}`) {
      end(response, 401);
      return;
    }
    const begin = /^\/upload\/storage\/v1\/b\/([^/]+)\/o$/.exec(path);
    const session = store.uploads.get(path);
    if (begin !== null) {
      const name = `/${begin[1]}/${query.get('name')}`;
      const id = `/session/${store.asked.length}`;
      const isNew = query.get('ifGenerationMatch') === '0';
      store.uploads.set(id, { path: name, parts: new Map([[1, Buffer.alloc(0)]]), headers: {}, isNew });
      end(response, 200, { location: `${store.url}${id}` });
    } else if (session !== undefined && method === 'DELETE') {
      store.uploads.delete(path);
      end(response, 499);
    } else if (session !== undefined) {
      pushPiece({ store, session, asked, stepBytes }, response);
    } else if (method === 'DELETE') {
      store.objects.delete(
        path.replace(
          /^\/storage\/v1\/b\/([^/]+)\/o\/(.+)$/,
          (_, b: string, k: string) => `/${b}/${decodeURIComponent(k)}`,
        ),
      );
      end(response, 204);
    } else {
      const object = store.objects.get(decodeURIComponent(path));
      if (object === undefined) end(response, 404);
      else if ((headers['x-goog-if-generation-match'] ?? String(object.version)) !== String(object.version))
        end(response, 412);
      else sendObject({ ...asked, body }, response, object, { 'x-goog-generation': String(object.version) });
    }
  });
}

function pushPiece(
  { store, session, asked, stepBytes }: { store: FakeStore; session: FakeUpload; asked: Asked; stepBytes: number },
  response: ServerResponse,
): void {
  const held = session.parts.get(1)!;
  const range: (string | undefined)[] | null = /^bytes (?:(\d+)-(\d+)|\*)\/(\d+|\*)$/.exec(
    asked.headers['content-range'] ?? '',
  );
  if (range === null || (range[1] !== undefined && Number(range[1]) !== held.length)) {
    end(response, 400);
    return;
  }
  const grown = Buffer.concat([held, asked.body.subarray(0, stepBytes)]);
  session.parts.set(1, grown);
  if (range[3] !== String(grown.length)) {
    end(response, 308, grown.length === 0 ? {} : { range: `bytes=0-${grown.length - 1}` });
    return;
  }
  if (session.isNew && store.objects.has(session.path)) {
    end(response, 412);
    return;
  }
  store.put(session.path, grown);
  store.uploads.delete(asked.path);
  const { version } = store.objects.get(session.path)!;
  end(
    response,
    200,
    {},
    JSON.stringify({ size: String(grown.length), crc32c: toCrc(grown), generation: String(version) }),
  );
}
