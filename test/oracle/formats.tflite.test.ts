import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readNpyValue, toNpyBytes } from '../../src/fidelity/index.ts';
import type { GraphNode, Model, TensorRef } from '../../src/model/types.ts';
import { openFileSource } from '../../src/source/index.ts';
import { deriveSeeds, embedMark, toOriginalDigest } from '../../src/watermark/index.ts';
import { writeFlat } from '../formats/flat-writer.ts';
import { openBytes, runPlan } from '../formats/models.ts';
import { toTfliteSeed } from '../formats/mutate-tflite.ts';
import { toTflite } from '../formats/onnx-to-tflite.ts';
import { toRng } from '../formats/random.ts';
import { memoryFolder } from '../memory-folder.ts';
import { describeWithProgram, describeWithShared, sharedData } from '../shared-data.ts';

const PYTHON = join(import.meta.dirname, '../oracles/.venv/bin/python');
const samples = resolve(import.meta.dirname, '../../samples');
const base = mkdtempSync(join(tmpdir(), 'modelward-oracle-tflite-'));
afterAll(() => {
  rmSync(base, { recursive: true });
});

type TensorRow = [
  name: string,
  type: string,
  shape: readonly number[],
  scales: number[],
  zeros: number[],
  sha256: string,
];

interface Reading {
  readonly tensors: readonly TensorRow[];
  readonly operators: readonly [name: string, inputs: readonly number[], padding: number | null][];
  readonly metadata: Readonly<Record<string, string>>;
}

function ask<T>(script: string, files: ReadonlyMap<string, Uint8Array>, ...more: readonly string[]): Map<string, T> {
  const folder = mkdtempSync(join(base, 'files-'));
  for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes);
  const args = [join(import.meta.dirname, script), folder, ...more];
  const text = execFileSync(PYTHON, args, { maxBuffer: 2 ** 28, stdio: ['ignore', 'pipe', 'ignore'] }).toString();
  return new Map(Object.entries(JSON.parse(text) as Record<string, T>));
}

const TYPES: Readonly<Record<string, string | undefined>> = {
  f32: 'FLOAT32',
  i8: 'INT8',
  u8: 'UINT8',
  i16: 'INT16',
  i32: 'INT32',
  i64: 'INT64',
  string: 'STRING',
};

/** Names of a nested scope and of sparse values are ours; the schema has the tensor's own. */
const toOwnName = (name: string): string => basename(name).replace(/\.values$/, '');

function toRow(tensor: TensorRef, hasPath: boolean): TensorRow {
  const bytes = new Uint8Array(tensor.byteLength);
  tensor.read(0, bytes);
  const { scales, zeroPoints } = tensor.quantization?.read() ?? { scales: [], zeroPoints: [] };
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const name = hasPath ? toOwnName(tensor.name) : tensor.name;
  return [name, TYPES[tensor.dtype]!, tensor.shape, [...scales], [...zeroPoints], sha256];
}

/** What the schema's own reader says of a file that was made here is what ours says. */
function assertSame(model: Model, theirs: Reading, isMade = false): void {
  // The schema lists a sparse tensor with its dense shape, and knows no other files.
  const ours = model.tensors.filter(({ storage }) => storage === 'raw').map((tensor) => toRow(tensor, isMade));
  const rows = theirs.tensors.map((row): TensorRow => (row[0] === 'sparse' ? (row.with(2, [2]) as TensorRow) : row));
  expect(ours).toEqual(rows);
  const inputs = ({ inputs: names }: GraphNode): number[] => {
    const order = [...model.graph!.values.keys()];
    return names.map((name) => (name === '' ? -1 : order.indexOf(name)));
  };
  expect(model.graph!.nodes.map((node) => [node.op, inputs(node)])).toEqual(
    theirs.operators.map(([name, numbers]) => [name, numbers]),
  );
  for (const [i, [, , padding]] of theirs.operators.entries()) {
    const attribute = model.graph!.nodes[i].attributes.get('padding');
    expect(attribute?.kind === 'int' ? Number(attribute.value) : null).toBe(padding);
  }
}

const describeWithLitert = (name: string, body: () => void): void => {
  describeWithProgram(name, PYTHON, ['-c', 'import ai_edge_litert'], body);
};

describeWithLitert('TFLite against the schema code of LiteRT', () => {
  const folder = memoryFolder({ 'w.bin': new Uint8Array(64) });

  test('every tensor, operator and metadata entry of made, edited and converted files', () => {
    const files = new Map<string, Uint8Array>();
    for (let i = 0; i < 20; i++) {
      const rng = toRng(500 + i);
      const layout = {
        sharesFieldLists: rng.int(2) === 0,
        gapBytes: rng.pick([0, 4, 20]),
        trailing: rng.bytes(rng.int(9)),
      };
      files.set(`seed-${i}`, writeFlat(toTfliteSeed(), layout).bytes);
    }
    const seed = openBytes(files.get('seed-0')!, 'm.tflite', folder);
    const set = { kind: 'metadata', key: 'owner', value: 'acme ☃' } as const;
    files.set('metadata', runPlan(seed.plan([set, { ...set, key: 'min_runtime_version', value: null }])));
    const onnx = openBytes(new Uint8Array(readFileSync(join(samples, 'cnn.onnx'))), 'cnn.onnx');
    files.set('f32', toTflite(onnx));
    files.set('int8', toTflite(onnx, { weights: 'i8' }));
    const theirs = ask<Reading>('tflite_tensors.py', files);
    for (const [name, bytes] of files) {
      const isMade = name.startsWith('seed') || name === 'metadata';
      assertSame(openBytes(bytes, 'm.tflite', folder), theirs.get(name)!, isMade);
    }
    expect(theirs.get('metadata')!.metadata).toEqual({ owner: Buffer.from('acme ☃').toString('hex') });
  });
});

const ownSeed = deriveSeeds(new Uint8Array(32).fill(8)).own;

function mark(bytes: Uint8Array, tau?: number): Uint8Array {
  const model = openBytes(bytes, 'm.tflite');
  const originalDigest = toOriginalDigest(model);
  const { edits } = embedMark({
    model,
    ownSeed,
    ownerId: 'alice',
    originalDigest,
    ...(tau === undefined ? {} : { tau }),
  });
  return runPlan(model.plan([...edits, { kind: 'metadata', key: 'owner', value: 'alice' }]));
}

function toAccuracy(rows: readonly (readonly number[])[], labels: ArrayLike<number>): number {
  return rows.filter((row, i) => row.indexOf(Math.max(...row)) === labels[i]).length / rows.length;
}

describeWithLitert('marked TFLite models run in LiteRT', () => {
  let images: string;
  let labels: ArrayLike<number>;

  beforeAll(() => {
    const read = (name: string, dtype: 'u8' | 'i64') => {
      const source = openFileSource(join(samples, name));
      const value = readNpyValue(source, dtype);
      source.close();
      return value.data;
    };
    const pixels = Float32Array.from(read('eval-images.npy', 'u8'), (value) => value / 255);
    // One channel: NCHW and NHWC lie alike.
    const shape = [pixels.length / 144, 12, 12, 1];
    images = join(base, 'images.npy');
    writeFileSync(images, toNpyBytes({ dtype: 'f32', shape, data: new Uint8Array(pixels.buffer) }));
    labels = Array.from(new BigInt64Array(Uint8Array.from(read('eval-labels.npy', 'i64')).buffer), Number);
  });

  test('the CNN sample, in f32 and in int8 per axis: accuracy stays within half a point', () => {
    const onnx = openBytes(new Uint8Array(readFileSync(join(samples, 'cnn.onnx'))), 'cnn.onnx');
    const files = new Map([
      ['f32.tflite', toTflite(onnx)],
      ['i8.tflite', toTflite(onnx, { weights: 'i8' })],
    ]);
    for (const [name, bytes] of [...files]) files.set(`marked-${name}`, mark(bytes));
    const outputs = ask<number[][]>('tflite_run.py', files, images);
    for (const name of ['f32.tflite', 'i8.tflite']) {
      const [before, after] = [outputs.get(name)!, outputs.get(`marked-${name}`)!].map((rows) =>
        toAccuracy(rows, labels),
      );
      expect(before).toBeGreaterThan(0.945);
      expect(Math.abs(before - after)).toBeLessThan(0.005);
    }
  });
});

describeWithShared('published TFLite models', () => {
  describeWithLitert('against LiteRT', () => {
    const folder = sharedData('models');
    const names = (): string[] => readdirSync(folder).filter((name) => name.endsWith('.tflite'));

    test('every tensor and operator is the one that the schema code reads, before and after an edit of metadata', () => {
      const files = new Map<string, Uint8Array>();
      for (const name of names()) {
        const bytes = new Uint8Array(readFileSync(join(folder, name)));
        files.set(name, bytes);
        files.set(`edited-${name}`, runPlan(openBytes(bytes, name).plan([{ kind: 'metadata', key: 'a', value: 'b' }])));
      }
      const theirs = ask<Reading>('tflite_tensors.py', files);
      for (const [name, bytes] of files) assertSame(openBytes(bytes, name), theirs.get(name)!);
      expect(theirs.get('edited-person_detect.tflite')!.metadata).toEqual({ a: '62' });
    });

    test('MobileNetV2 (int8) with a mark runs; its outputs follow the original the closer the weaker the mark', () => {
      const name = 'mobilenet_v2_quantized_1x3x224x224.tflite';
      const original = new Uint8Array(readFileSync(join(folder, name)));
      const files = new Map([
        ['original.tflite', original],
        ['default.tflite', mark(original)],
        ['weak.tflite', mark(original, 0.02)],
      ]);
      const rng = toRng(77);
      const shape = [16, 3, 224, 224];
      const data = Float32Array.from({ length: 16 * 3 * 224 * 224 }, (_, i) => toPixel(i, rng.next()));
      const images = join(base, 'drawn.npy');
      writeFileSync(images, toNpyBytes({ dtype: 'f32', shape, data: new Uint8Array(data.buffer) }));
      const outputs = ask<number[][]>('tflite_run.py', files, images);
      const likeness = (other: string): number => {
        const rows = outputs.get('original.tflite')!.map((row, i) => toCorrelation(row, outputs.get(other)![i]));
        return rows.reduce((sum, value) => sum + value, 0) / rows.length;
      };
      expect(likeness('default.tflite')).toBeGreaterThan(0.95);
      expect(likeness('weak.tflite')).toBeGreaterThan(likeness('default.tflite'));
    });
  });
});

function toCorrelation(a: readonly number[], b: readonly number[]): number {
  const [x, y] = [a, b].map((row) => {
    const mean = row.reduce((sum, value) => sum + value, 0) / row.length;
    return row.map((value) => value - mean);
  });
  const dot = (p: readonly number[], q: readonly number[]): number =>
    p.reduce((sum, value, i) => sum + value * q[i], 0);
  return dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y));
}

/** Blobs of another size, colour and place in every image of [3, 224, 224], with noise, as the network takes them. */
function toPixel(at: number, noise: number): number {
  const [image, colour] = [Math.floor(at / 150_528), Math.floor(at / 50_176) % 3];
  const [y, x] = [Math.floor(at / 224) % 224, at % 224];
  const far = Math.hypot(x - ((image * 87) % 224), y - ((image * 153 + colour * 40) % 224)) / (20 + (image % 7) * 15);
  return Math.exp(-far * far) * (3 - colour) - 1 + 0.4 * noise;
}
