/** Marks MODEL into FOLDER/marked: digest of the original, mark, durable copy, digest of the copy; prints the seconds of each. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { openModelPath, writeModel } from '../../../dist/formats/index.js';
import { nodeStorage } from '../../../dist/source/node-storage.js';
import { stageFolder } from '../../../dist/source/staging.js';
import { embedMark, toOriginalDigest } from '../../../dist/watermark/index.js';

const [, , path, folder] = process.argv;
const target = join(folder, 'marked');
rmSync(target, { recursive: true, force: true });
const times = {};
let at = performance.now();
const lap = (name) => {
  const now = performance.now();
  times[name] = (now - at) / 1000;
  at = now;
};
const model = openModelPath(path);
const originalDigest = toOriginalDigest(model);
lap('digestSeconds');
const ownSeed = new Uint8Array(32).fill(1);
const { edits, record } = embedMark({ model, ownSeed, ownerId: 'bench', originalDigest });
lap('embedSeconds');
const staged = stageFolder({ storage: nodeStorage, target });
writeModel(model.plan(edits), staged);
staged.commit();
lap('writeSeconds');
const marked = openModelPath(join(target, model.files[0].name));
toOriginalDigest(marked);
lap('markedDigestSeconds');
marked.close();
model.close();
const { weights, marginMin } = record;
console.log(JSON.stringify({ ...times, weights, marginMin }));
