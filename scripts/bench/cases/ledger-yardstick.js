/** Appends as many bytes as the ledger's entries to one plain file in FOLDER, with a sync after every batch. */
import { closeSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const [, , parent, batches, batchEntries, entryBytes] = process.argv;
const path = join(parent, 'plain');
rmSync(path, { force: true });
const block = Buffer.alloc(Number(batchEntries) * Number(entryBytes), 'x');
const total = Number(batches) * Number(batchEntries);
const fd = openSync(path, 'wx');
const startMs = performance.now();
for (let batch = 0; batch < Number(batches); batch += 1) {
  writeSync(fd, block);
  fsyncSync(fd);
}
const seconds = (performance.now() - startMs) / 1000;
closeSync(fd);
console.log(JSON.stringify({ entriesPerSecond: total / seconds, batchMs: (1000 * seconds) / Number(batches) }));
