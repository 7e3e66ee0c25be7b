/** Both stores against servers that check what they are asked, sound and failing. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type FakeStore,
  type Fault,
  GCS_TOKEN,
  S3_KEYS,
  serveFakeGcs,
  serveFakeS3,
} from '../../../test/fakes/object-store.ts';
import { seededBytes } from '../../../test/fakes/seal-kit.ts';
import { parseObjectAddress } from '../../source/object-address.ts';
import type { ObjectClient } from './client.ts';
import { connectObjects } from './connect.ts';

const BYTES = seededBytes(7, 300_000);
const MIB = 1024 * 1024;
let store: FakeStore;
let client: ObjectClient;

function connect(scheme: 's3' | 'gs', bucket = 'weights'): ObjectClient {
  const address = `${scheme}://${bucket}/x?endpoint=${store.url}`;
  return connectTo(address, scheme === 'gs' ? { STORAGE_EMULATOR_HOST: store.url } : {});
}

function connectTo(address: string, env: Readonly<Record<string, string>>): ObjectClient {
  return connectObjects(parseObjectAddress(address), {
    clock: { nowMs: () => Date.UTC(2026, 0, 2) },
    random: { fill: (into) => into.fill(5) },
    pause: () => Promise.resolve(),
    env,
    credentials: {
      aws: () => () => Promise.resolve(S3_KEYS),
      awsRegion: () => 'eu-west-1',
      google: () => () => Promise.resolve(GCS_TOKEN),
    },
  });
}

afterEach(async () => {
  client.close();
  await store.close();
});

describe('a token of Google', () => {
  beforeEach(async () => {
    store = await serveFakeGcs(MIB);
    client = connect('gs');
  });

  test.each([
    'https://evil.example',
    'https://googleapis.com.evil.example',
    'http://127.0.0.1:9',
  ])('does not go where an address alone says: %s', (endpoint) => {
    const env = { STORAGE_EMULATOR_HOST: store.url };
    const act = (): unknown => connectTo(`gs://weights/x?endpoint=${encodeURIComponent(endpoint)}`, env);
    expect(act).toThrow(expect.objectContaining({ code: 'OBJECT_ADDRESS_INVALID', fields: { part: 'endpoint' } }));
  });

  test('goes to Google, and to what the environment names', () => {
    for (const endpoint of ['https://storage.europe-west3.rep.googleapis.com', store.url]) {
      connectTo(`gs://weights/x?endpoint=${encodeURIComponent(endpoint)}`, {
        STORAGE_EMULATOR_HOST: store.url,
      }).close();
    }
  });
});

describe.each(['s3', 'gs'] as const)('%s', (scheme) => {
  const KEY = "a b/m+(1)'é.seal";
  const PATH = `/weights/${KEY}`;
  /** The fakes name objects as they come in the path. */
  const place = (): string => (scheme === 's3' ? PATH.split('/').map(toWire).join('/') : PATH);

  beforeEach(async () => {
    store = scheme === 's3' ? await serveFakeS3() : await serveFakeGcs(MIB);
    store.put(place(), BYTES);
    client = connect(scheme);
  });

  const once = (fault: Fault): void => {
    let isDone = false;
    store.fault = (asked, response, count) => !isDone && (isDone = fault(asked, response, count));
  };
  const onGet = (answer: (response: Parameters<Fault>[1]) => void): Fault => {
    return ({ method }, response) => {
      if (method !== 'GET') return false;
      answer(response);
      return true;
    };
  };
  const read = async (start: number, end: number): Promise<Uint8Array> => {
    const state = await client.stat(KEY);
    return client.read(KEY, { ...state, start, end });
  };

  test('a range is just its bytes, whatever stands in the key', async () => {
    expect((await client.stat(KEY)).sizeBytes).toBe(BYTES.length);
    expect(Buffer.from(await read(1000, 70_000)).equals(BYTES.subarray(1000, 70_000))).toBe(true);
    expect(Buffer.from(await read(BYTES.length - 1, BYTES.length)).equals(BYTES.subarray(-1))).toBe(true);
  });

  test('an object that is replaced, cut or deleted while it is read is an error', async () => {
    const state = await client.stat(KEY);
    const range = { ...state, start: 0, end: 10 };
    store.put(place(), BYTES);
    await expect(client.read(KEY, range)).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
    store.put(place(), BYTES.subarray(0, 5));
    await expect(client.read(KEY, { ...range, start: 20, end: 30 })).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
    store.objects.clear();
    await expect(client.read(KEY, range)).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
  });

  test.each([500, 502, 503, 504, 429, 408])('status %i is waited out', async (status) => {
    once(onGet((response) => response.writeHead(status, { 'retry-after': '1' }).end()));
    expect(await read(0, 10)).toHaveLength(10);
  });

  test('a reply that is cut off is asked for again', async () => {
    once(
      onGet((response) => {
        response.writeHead(206, { 'content-length': '10', 'content-range': `bytes 0-9/${BYTES.length}` });
        response.write('12345');
        setImmediate(() => response.destroy());
      }),
    );
    expect(Buffer.from(await read(0, 10)).equals(BYTES.subarray(0, 10))).toBe(true);
  });

  test('an outage that stays is told after four tries', async () => {
    store.fault = onGet((response) => response.writeHead(500).end());
    await expect(read(0, 10)).rejects.toMatchObject({ code: 'OBJECT_STORE_UNAVAILABLE' });
    expect(store.asked.filter(({ method }) => method === 'GET')).toHaveLength(4);
  });

  test.each([
    ['a whole object for a range', 'OBJECT_REPLY_MALFORMED', 200, {}],
    ['another range', 'OBJECT_REPLY_MALFORMED', 206, { 'content-range': `bytes 1-10/${BYTES.length}` }],
    ['another size', 'SOURCE_CHANGED', 206, { 'content-range': 'bytes 0-9/11' }],
    ['no range', 'OBJECT_REPLY_MALFORMED', 206, {}],
    ['a redirect', 'OBJECT_REDIRECTED', 307, { location: 'http://example.com/', 'x-amz-bucket-region': 'eu-west-3' }],
    ['no right', 'OBJECT_REFUSED', 403, {}],
    ['an unmet condition', 'SOURCE_CHANGED', 412, {}],
    ['a range beyond the end', 'SOURCE_CHANGED', 416, {}],
  ])('%s is %s', async (_, code, status, headers) => {
    const state = { etag: '"v1"', 'x-goog-generation': '1' };
    store.fault = onGet((response) => response.writeHead(status, { ...state, ...headers }).end('0123456789'));
    await expect(read(0, 10)).rejects.toMatchObject({ code });
    expect(store.asked.filter(({ method }) => method === 'GET')).toHaveLength(1);
  });

  test('more bytes than were asked for are refused before they are held', async () => {
    store.fault = onGet((response) => response.writeHead(206).end(Buffer.alloc(4 * MIB)));
    await expect(read(0, 10)).rejects.toMatchObject({ code: 'OBJECT_REPLY_MALFORMED', fields: { at: 'size' } });
  });

  test('an object has no name before its upload is complete; its bytes are those of its parts', async () => {
    const upload = await client.upload('new.seal', { replace: false });
    await upload.part(1, BYTES.subarray(0, 200_000));
    expect(store.objects.has('/weights/new.seal')).toBe(false);
    await upload.complete(2, BYTES.subarray(200_000));
    expect(store.objects.get('/weights/new.seal')?.bytes.equals(BYTES)).toBe(true);
    expect(store.uploads.size).toBe(0);
  });

  test('pieces that the store takes in part, and parts that fail once, come whole', async () => {
    const big = seededBytes(9, 2 * MIB + 17);
    const upload = await client.upload('big.seal', { replace: false });
    await upload.part(1, big.subarray(0, 2 * MIB));
    once(({ method }, response) => {
      if (method !== 'PUT') return false;
      response.writeHead(503).end();
      return true;
    });
    await upload.complete(2, big.subarray(2 * MIB));
    expect(store.objects.get('/weights/big.seal')?.bytes.equals(big)).toBe(true);
  });

  test('an aborted upload leaves nothing, even if the store fails once at it', async () => {
    const upload = await client.upload('new.seal', { replace: false });
    await upload.part(1, BYTES.subarray());
    once(({ method }, response) => {
      if (method !== 'DELETE') return false;
      response.writeHead(500).end();
      return true;
    });
    await upload.abort();
    expect(store.uploads.size).toBe(0);
    expect(store.objects.has('/weights/new.seal')).toBe(false);
  });

  test('an existing object is refused at once, and one that came meanwhile at the end', async () => {
    await expect(client.upload(KEY, { replace: false })).rejects.toMatchObject({ code: 'WRITE_EXISTS' });
    const upload = await client.upload('new.seal', { replace: false });
    store.put('/weights/new.seal', BYTES.subarray(0, 3));
    await expect(upload.complete(1, BYTES.subarray())).rejects.toMatchObject({ code: 'WRITE_EXISTS' });
    expect(store.objects.get('/weights/new.seal')?.bytes).toHaveLength(3);
    const forced = await client.upload('new.seal', { replace: true });
    await forced.complete(1, BYTES.subarray());
    expect(store.objects.get('/weights/new.seal')?.bytes.equals(BYTES)).toBe(true);
  });

  test('no error repeats a credential', async () => {
    store.fault = (_, response) => {
      response.writeHead(403).end('<Code>AccessDenied</Code>canary-token canary-of-the-secret');
      return true;
    };
    const error: unknown = await client.stat(KEY).catch((thrown: unknown) => thrown);
    expect(JSON.stringify(error) + String(error)).not.toContain('canary');
  });
});

function toWire(part: string): string {
  return encodeURIComponent(part).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

describe('s3', () => {
  beforeEach(async () => {
    store = await serveFakeS3();
    client = connect('s3');
  });

  test('an answer to the last request that was lost is found again by the mark of the upload', async () => {
    const upload = await client.upload('new.seal', { replace: false });
    let isLost = false;
    store.fault = ({ method, query }, response) => {
      if (method !== 'POST' || !query.has('uploadId') || isLost) return false;
      isLost = true;
      const { headers } = store.uploads.get(query.get('uploadId')!)!;
      store.put('/weights/new.seal', BYTES);
      store.objects.get('/weights/new.seal')!.headers = headers;
      store.uploads.clear();
      response.destroy();
      return true;
    };
    await upload.complete(1, BYTES.subarray());
    expect(isLost).toBe(true);
  });

  test.each([
    ['another upload that was first is told', 'ConditionalRequestConflict', false],
    ['anything else that is going on is waited out', 'OperationAborted', true],
  ])('a conflict: %s', async (_name, code, isWaited) => {
    const upload = await client.upload('new.seal', { replace: isWaited });
    let isMet = false;
    store.fault = ({ method }, response) => {
      if (method !== 'POST' || isMet) return false;
      isMet = true;
      response.writeHead(409).end(`<Error><Code>${code}</Code></Error>`);
      return true;
    };
    const done = upload.complete(1, BYTES.subarray());
    if (isWaited) await done;
    else await expect(done).rejects.toMatchObject({ code: 'WRITE_EXISTS' });
    expect(store.objects.has('/weights/new.seal')).toBe(isWaited);
  });

  test('a failure that comes with status 200 is none the less a failure', async () => {
    const upload = await client.upload('new.seal', { replace: false });
    store.fault = ({ method }, response) => {
      if (method !== 'POST') return false;
      response.writeHead(200).end('<Error><Code>InternalError</Code></Error>');
      return true;
    };
    await expect(upload.complete(1, BYTES.subarray())).rejects.toMatchObject({ code: 'OBJECT_STORE_UNAVAILABLE' });
  });
});

describe('gs', () => {
  test('an object whose checksum is another one is deleted again', async () => {
    store = await serveFakeGcs();
    client = connect('gs');
    const upload = await client.upload('new.seal', { replace: false });
    store.fault = ({ method }, response) => {
      if (method !== 'PUT') return false;
      store.put('/weights/new.seal', BYTES);
      response.writeHead(200).end(JSON.stringify({ size: '300000', crc32c: 'AAAAAA==', generation: '1' }));
      return true;
    };
    await expect(upload.complete(1, BYTES.subarray())).rejects.toMatchObject({ code: 'WRITE_FAILED' });
    expect(store.objects.size).toBe(0);
  });
});
