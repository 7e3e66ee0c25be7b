/** `formats-copy.js PATH OUT`: copies a file with 1 MiB reads and writes, and syncs it. */
import { closeSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';

const [, , path, out] = process.argv;
const from = openSync(path, 'r');
const to = openSync(out, 'wx');
const buffer = Buffer.alloc(1024 * 1024);
for (let count = readSync(from, buffer); count > 0; count = readSync(from, buffer)) writeSync(to, buffer, 0, count);
fsyncSync(to);
closeSync(to);
closeSync(from);
