/** Copies MODEL to FOLDER/copy with cp and sync, and hashes a file of that size twice with openssl. */
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';

const [, , path, folder] = process.argv;
const copy = join(folder, 'copy');
rmSync(copy, { force: true });
const start = performance.now();
execFileSync('cp', ['--reflink=never', path, copy]);
execFileSync('sync', [copy]);
const copied = performance.now();
for (let pass = 0; pass < 2; pass += 1) execFileSync('openssl', ['dgst', '-sha256', path], { stdio: 'ignore' });
const end = performance.now();
rmSync(copy, { force: true });
console.log(JSON.stringify({ copySeconds: (copied - start) / 1000, hashSeconds: (end - copied) / 1000 }));
