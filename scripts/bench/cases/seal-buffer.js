/** Seals or opens buffer to buffer for a while; prints bytes per CPU second. Usage: seal-buffer.js seal|open SECONDS */
import { randomFillSync } from 'node:crypto';
import { openSealBuffer, sealBuffer } from '../../../dist/seal/index.js';

const [verb, seconds] = process.argv.slice(2);
const sizeBytes = 4 * 1024 * 1024;
const bytes = randomFillSync(new Uint8Array(sizeBytes));
const dek = randomFillSync(new Uint8Array(32));
const clock = { nowMs: () => Date.now() };
const random = { fill: (into) => randomFillSync(into) };
const sealedMemory = new Uint8Array(sizeBytes + 64 * 1024);
const openedMemory = new Uint8Array(sizeBytes);
const seal = () =>
  sealBuffer({
    bytes,
    into: sealedMemory,
    name: 'model',
    dek,
    model: { name: 'model' },
    format: 'bytes',
    clock,
    random,
  });

const { sealed } = seal();
const open = () => openSealBuffer({ sealed, dek, into: openedMemory });
const work = verb === 'seal' ? seal : open;
work();
const start = process.cpuUsage();
let done = 0;
let cpuSeconds = 0;
while (cpuSeconds < Number(seconds)) {
  work();
  done += sizeBytes;
  const { user, system } = process.cpuUsage(start);
  cpuSeconds = (user + system) / 1e6;
}
if (Buffer.compare(open(), bytes) !== 0) throw new Error('internal error: opened bytes differ');
console.log(JSON.stringify({ bytesPerCpuSecond: done / cpuSeconds }));
