/**
 * `formats-same-size.js PATH TENSORS clone|copy`: flips the lowest bit of every element of some tensors of a safetensors
 * file, in the file itself; "copy" takes the disk's ability to share blocks away.
 */
import { performance } from 'node:perf_hooks';
import { openModelPath } from '../../../dist/formats/index.js';
import { nodeStorage, stageFile } from '../../../dist/source/index.js';

const [, , path, count, disk] = process.argv;
const storage = { ...nodeStorage };
if (disk === 'copy') storage.create = (name, mode) => ({ ...nodeStorage.create(name, mode), cloneFrom: undefined });

const cpu = process.cpuUsage();
const start = performance.now();
const model = openModelPath(path);
const step = Math.floor(model.tensors.length / Number(count));
const edited = model.tensors.filter((_, i) => i % step === 0).slice(0, Number(count));
const apply = (_, chunk) => {
  for (let at = 0; at < chunk.length; at += 4) chunk[at] ^= 1;
};
const { ops } = model.plan(edited.map(({ name }) => ({ kind: 'tensor', tensor: name, apply }))).files[0];
const [before, after] = [new Uint8Array(8), new Uint8Array(8)];
const readProbe = (of, into) => {
  of.tensors[0].read(0, into.subarray(0, 4));
  of.tensors[1].read(0, into.subarray(4));
};
readProbe(model, before);
const staged = stageFile({ storage, path, mode: 0o644, replace: true, edited: model.files[0].source });
const way = staged.rewrite(ops);
staged.commit();
const ms = performance.now() - start;
const used = process.cpuUsage(cpu);
const { size } = model.files[0].source;
model.close();

const again = openModelPath(path);
readProbe(again, after);
const isRight =
  after.every((byte, i) => byte === (before[i] ^ (i === 0 ? 1 : 0))) && again.files[0].source.size === size;
const touchedMib = edited.reduce((sum, { start: from, end }) => sum + end - from, 0) / 2 ** 20;
console.log(JSON.stringify({ isRight, way, touchedMib, ms, cpuMs: (used.user + used.system) / 1000 }));
