/** Hashes as many bytes with Node's SHA-256, out of memory. Usage: oms-yardstick.js MIB */
import { createHash, randomFillSync } from 'node:crypto';

const [mib] = process.argv.slice(2).map(Number);
const block = randomFillSync(Buffer.alloc(2 ** 20));
const before = process.cpuUsage();
const hash = createHash('sha256');
for (let at = 0; at < mib; at++) hash.update(block);
hash.digest();
const { user, system } = process.cpuUsage(before);
console.log(JSON.stringify({ hashMs: (user + system) / 1000 }));
