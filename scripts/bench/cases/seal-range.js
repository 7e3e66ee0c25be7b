/** Reads 4 KiB ranges out of a big seal; prints segments touched and CPU per range. Usage: seal-range.js SEALED */
import { openSealSource, readSealHeader } from '../../../dist/seal/index.js';
import { openFileSource } from '../../../dist/source/index.js';

const file = openFileSource(process.argv[2]);
const { segmentsStart } = readSealHeader(file);
const dek = new Uint8Array(32).fill(7);
let segmentReads = 0;
const counting = {
  label: file.label,
  size: file.size,
  read: (at, into) => {
    if (at >= segmentsStart) segmentReads++;
    file.read(at, into);
  },
  close: () => {},
};
const into = new Uint8Array(4096);
const cpuMs = [];
let segmentsMost = 0;
for (let index = 0; index < 40; index++) {
  const start = process.cpuUsage();
  const source = openSealSource({ source: counting, dek });
  // Spread over the file; every fourth range lies across a border of two segments.
  const segment = Math.floor((index / 40) * (source.size / 1048544));
  const offset = index % 4 === 0 ? (segment + 1) * 1048544 - 2048 : Math.floor((index / 40) * (source.size - 4096));
  segmentReads = 0;
  source.read(offset, into);
  segmentsMost = Math.max(segmentsMost, segmentReads);
  source.close();
  const { user, system } = process.cpuUsage(start);
  cpuMs.push((user + system) / 1000);
}
cpuMs.sort((a, b) => a - b);
console.log(JSON.stringify({ segmentsMost, cpuMsMedian: cpuMs[20] }));
