/** Reads the mark of CLAIM in each SUSPECT in turn; prints the seconds and the verdict of each. */
import { readFileSync } from 'node:fs';
import { openModelPath } from '../../../dist/formats/index.js';
import { deriveSeeds, detectMark, parseClaim } from '../../../dist/watermark/index.js';

const [, , claimPath, ...suspects] = process.argv;
const claim = parseClaim(readFileSync(claimPath));
const ownSeed = deriveSeeds(new Uint8Array(32).fill(1)).own;
const read = (path) => {
  const startedMs = performance.now();
  const suspect = openModelPath(path);
  const { verdict } = detectMark({ suspect, claim, ownSeed });
  suspect.close();
  return { verdict, seconds: (performance.now() - startedMs) / 1000 };
};
const [marked, unmarked] = suspects.map(read);
console.log(
  JSON.stringify({
    markedSeconds: marked.seconds,
    unmarkedSeconds: unmarked.seconds,
    isRight: Number(marked.verdict === 'claim' && unmarked.verdict === 'none'),
  }),
);
