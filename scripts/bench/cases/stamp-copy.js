/** `stamp-copy.js PATH OUT`: copies a file with 1 MiB reads and writes, hashes it on the way, and syncs it. */
import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';

const [, , path, out] = process.argv;
const from = openSync(path, 'r');
const to = openSync(out, 'wx');
const hash = createHash('sha256');
const buffer = Buffer.alloc(1024 * 1024);
for (let count = readSync(from, buffer); count > 0; count = readSync(from, buffer)) {
  hash.update(buffer.subarray(0, count));
  writeSync(to, buffer, 0, count);
}
fsyncSync(to);
closeSync(to);
closeSync(from);
console.log(JSON.stringify({ sha256: hash.digest('hex') }));
