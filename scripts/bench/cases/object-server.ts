/**
 * A server that imitates S3, in a process of its own, with one sealed object; counts what it is asked. The same with every
 * answer 20 ms later, and the object by itself, for whoever asks. Usage: object-server.ts SIZE_BYTES
 */
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { systemClock, systemRandom } from '../../../src/adapters/system/index.ts';
import { sealSource } from '../../../src/seal/index.ts';
import { S3_KEYS, serveFakeS3 } from '../../../test/fakes/object-store.ts';

const LATE_MS = 20;

const size = Number(process.argv[2]);
const chunks: Uint8Array[] = [];
sealSource({
  source: { label: 'model', size, read: (at, into) => void into.fill(at % 251), close: () => undefined },
  sink: { write: (chunk) => void chunks.push(chunk.slice()) },
  dek: new Uint8Array(32).fill(7),
  model: { name: 'model' },
  format: 'bin',
  clock: systemClock,
  random: systemRandom,
});
const sealed = Buffer.concat(chunks);
const store = await serveFakeS3();
store.put('/weights/model.seal', sealed);

async function listen(server: Server): Promise<string> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The same server, further away: what it answers arrives later, as fast as before. */
const late = createServer((near) => {
  const far = connect(Number(new URL(store.url).port), '127.0.0.1');
  near.pipe(far);
  far.on('data', (chunk) => setTimeout(() => near.write(chunk), LATE_MS));
  far.on('end', () => setTimeout(() => near.end(), LATE_MS));
  const end = (): void => {
    near.destroy();
    far.destroy();
  };
  near.on('error', end);
  far.on('error', end);
});
const plain = createHttpServer((_, response) => response.end(sealed));

process.on('message', () => {
  process.send?.({ asked: store.asked.length });
  store.asked.length = 0;
});
process.on('disconnect', () => process.exit(0));
process.send?.({ url: store.url, lateUrl: await listen(late), plainUrl: await listen(plain), keys: S3_KEYS });
