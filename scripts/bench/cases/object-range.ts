/** Reads 4 KiB ranges of a sealed object over S3, each from the beginning; prints requests as the server counts them. Usage: object-range.ts SIZE_BYTES */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { openObjectStore } from '../../../src/adapters/object-store/index.ts';
import { openSealSource } from '../../../src/seal/index.ts';
import { S3_KEYS } from '../../../test/fakes/object-store.ts';

const SEGMENT_BYTES = 1_048_544;
const size = Number(process.argv[2]);
process.env.AWS_ACCESS_KEY_ID = S3_KEYS.accessKeyId;
process.env.AWS_SECRET_ACCESS_KEY = S3_KEYS.secretAccessKey;
const server: ChildProcess = fork(join(import.meta.dirname, 'object-server.ts'), [String(size)]);
const [{ url }] = (await once(server, 'message')) as [{ url: string }];
const store = openObjectStore({
  threadPath: resolve(import.meta.dirname, '../../../dist/cli/object-worker/compose.js'),
});

async function count(): Promise<number> {
  server.send('count');
  const [{ asked }] = (await once(server, 'message')) as [{ asked: number }];
  return asked;
}

let [opening, reading] = [0, 0];
for (let index = 0; index < 20; index++) {
  const object = store.open(`s3://weights/model.seal?region=eu-west-1&endpoint=${url}`);
  const source = openSealSource({ source: object, dek: new Uint8Array(32).fill(7) });
  opening = Math.max(opening, await count());
  const segment = Math.floor((index / 20) * (size / SEGMENT_BYTES));
  // Every second range lies across a border of two segments.
  const offset = index % 2 === 0 ? (segment + 1) * SEGMENT_BYTES - 2048 : segment * SEGMENT_BYTES + 4096;
  const into = new Uint8Array(4096);
  source.read(Math.min(offset, size - 4096), into);
  reading = Math.max(reading, await count());
  source.close();
}
server.disconnect();
console.log(JSON.stringify({ opening, reading }));
// The thread that asks for objects would wait for more.
process.exit(0);
