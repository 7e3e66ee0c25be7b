/** Seals and opens file to file, made durable; prints the CPU of that alone. Usage: seal-file.js seal|open|both PLAIN SEALED OPENED */
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { randomFillSync } from 'node:crypto';
import { openSealTo, sealSource } from '../../../dist/seal/index.js';
import { openFileSource } from '../../../dist/source/index.js';

const [verb, plainPath, sealedPath, openedPath] = process.argv.slice(2);
// A fixed key, so that one process can open what another sealed.
const dek = new Uint8Array(32).fill(7);

function withOutput(path, use) {
  const fd = openSync(path, 'wx');
  use({
    write: (chunk) => {
      for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at);
    },
  });
  fsyncSync(fd);
  closeSync(fd);
}

const before = process.cpuUsage();
if (verb !== 'open') {
  const source = openFileSource(plainPath);
  withOutput(sealedPath, (sink) => {
    const clock = { nowMs: () => Date.now() };
    const random = { fill: (into) => randomFillSync(into) };
    sealSource({ source, sink, dek, model: { name: 'model' }, format: 'bytes', clock, random });
  });
}
if (verb !== 'seal') {
  withOutput(openedPath, (sink) => {
    openSealTo({ source: openFileSource(sealedPath), dek, sinkFor: () => sink });
  });
}
const { user, system } = process.cpuUsage(before);
console.log(JSON.stringify({ workCpuMs: (user + system) / 1000 }));
