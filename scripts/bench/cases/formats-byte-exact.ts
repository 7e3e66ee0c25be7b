/**
 * Opens models and writes them without an edit; prints, as JSON, how many came out to the byte: { suite: [same, total], … }.
 * Source, not built code: rightness is judged here, not speed. Usage: formats-byte-exact.ts SUITE.tar.gz MODEL…
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import fc from 'fast-check';
import { writeFlat } from '../../../test/formats/flat-writer.ts';
import { openBytes, runPlan } from '../../../test/formats/models.ts';
import { toTfliteSeed } from '../../../test/formats/mutate-tflite.ts';
import { arbitraryModel, ODD } from '../../../test/formats/odd-onnx.ts';
import { toRng } from '../../../test/formats/random.ts';
import { memoryFolder } from '../../../test/memory-folder.ts';
import { readTarGz } from '../../../test/tar.ts';

interface File {
  readonly name: string;
  readonly bytes: Uint8Array;
}

const COUNT = 1000;
const [archive, ...paths] = process.argv.slice(2);
const folder = memoryFolder({ 'w.bin': new Uint8Array(64) });

function isSame({ name, bytes }: File): boolean {
  return Buffer.compare(runPlan(openBytes(bytes, name, folder).plan([])), bytes) === 0;
}

function* readSuite(): Generator<File> {
  for (const { path, bytes } of readTarGz(archive)) if (path.endsWith('.onnx')) yield { name: 'm.onnx', bytes };
}

function* toLayouts(): Generator<File> {
  for (let i = 0; i < COUNT; i++) {
    const rng = toRng(400_000 + i);
    const gapBytes = rng.pick([0, 4, 8, 20, 36]);
    const options = { sharesFieldLists: rng.int(2) === 0, gapBytes, trailing: rng.bytes(rng.int(50)) };
    yield { name: 'm.tflite', bytes: writeFlat(toTfliteSeed(), options).bytes };
  }
}

function count(files: Iterable<File>): readonly [same: number, total: number] {
  const results = Array.from(files, isSame);
  return [results.filter(Boolean).length, results.length];
}

const sampled = fc.sample(arbitraryModel, { seed: 7, numRuns: COUNT });
console.log(
  JSON.stringify({
    suite: count(readSuite()),
    real: count(paths.map((path) => ({ name: basename(path), bytes: new Uint8Array(readFileSync(path)) }))),
    odd: count(ODD.map(([, bytes]) => ({ name: 'm.onnx', bytes }))),
    encodings: count(sampled.map((bytes) => ({ name: 'm.onnx', bytes }))),
    layouts: count(toLayouts()),
  }),
);
