/**
 * Marks MODEL into FOLDER/marked unless it lies there, then reads the mark in the copy and in the original; prints the seconds
 * of each. The read comes first in a run of its own: `detect` needs no original.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openModelPath, writeModel } from '../../../dist/formats/index.js';
import { nodeStorage } from '../../../dist/source/node-storage.js';
import { stageFolder } from '../../../dist/source/staging.js';
import {
  createClaim,
  deriveSeeds,
  detectMark,
  embedMark,
  encodeClaim,
  parseClaim,
} from '../../../dist/watermark/index.js';

const [, , path, folder] = process.argv;
const seed = new Uint8Array(32).fill(1);
const ownSeed = deriveSeeds(seed).own;
const claimPath = join(folder, 'claim.json');
const times = {};
const time = (name, run) => {
  const startMs = performance.now();
  const result = run();
  times[name] = (performance.now() - startMs) / 1000;
  return result;
};
const original = openModelPath(path);
if (!existsSync(claimPath)) {
  const originalDigest = new Uint8Array(32).fill(7);
  const mark = time('embedSeconds', () => embedMark({ model: original, ownSeed, ownerId: 'bench', originalDigest }));
  time('writeSeconds', () => {
    const staged = stageFolder({ storage: nodeStorage, target: join(folder, 'marked') });
    writeModel(original.plan(mark.edits), staged);
    staged.commit();
  });
  const claim = createClaim({
    ...{ seed, seedBox: { sealSeed: () => null, openSeed: () => seed }, ownerKey: 'bench', ownerId: 'bench' },
    ...{ originalDigest, markedDigest: originalDigest, mark },
  });
  writeFileSync(claimPath, encodeClaim(claim));
}
const claim = parseClaim(readFileSync(claimPath));
const read = (suspect) => detectMark({ suspect, claim, ownSeed });
const marked = openModelPath(join(folder, 'marked', original.files[0].name));
const [first, second] = [time('markedSeconds', () => read(marked)), time('unmarkedSeconds', () => read(original))];
console.log(
  JSON.stringify({
    ...times,
    evidenceBits: first.evidenceBits,
    isRight: Number(first.verdict === 'claim' && second.verdict === 'none'),
  }),
);
