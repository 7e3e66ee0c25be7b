import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { findRuntime } from '../../adapters/runtime/index.ts';
import { listLayerUses } from '../../align/index.ts';
import { findInputs, type LabelledData, measureFidelity, openData, readRuntimeModel } from '../../fidelity/index.ts';
import { exposeValues, openModelPath } from '../../formats/index.ts';
import { decodeFloats } from '../../model/floats.ts';
import type { Runtime, RuntimeTensor } from '../../model/runtime.ts';
import type { Model } from '../../model/types.ts';
import { openFolder } from '../../source/folder.ts';
import { toOriginalDigest } from '../digest.ts';
import { deriveSeeds } from '../seeds.ts';
import { embedMark } from '../spread/embed.ts';
import { calibrate } from './calibrate.ts';
import { toFeatureReader, type Value } from './features.ts';
import type { Calibration } from './types.ts';

const samples = join(import.meta.dirname, '../../../samples');
const NAMES = ['mlp', 'cnn', 'transformer'] as const;
let runtime: Runtime;
beforeAll(async () => {
  runtime = await findRuntime({ prefer: 'web' });
});

/** The first of the bundled samples: the ratios below are of the same size on all 4000. */
function openEval(): LabelledData {
  const data = openData({ folder: openFolder(samples), names: readdirSync(samples), file: 'eval.npz' });
  return process.env.SLOW === '1' ? data : { ...data, count: 500 };
}

async function calibrateSample(model: Model, data: LabelledData | null): Promise<Calibration> {
  const files = readRuntimeModel(model);
  const session = await runtime.load(files);
  const { source, words } = await findInputs(session, { graph: model.graph, data, probes: 64 });
  await session.release();
  return calibrate({ runtime, model: files, graph: model.graph!, feeds: source, words, isProbed: data === null });
}

function toValue({ shape, data }: RuntimeTensor): Value {
  const values = new Float32Array(shape.reduce((product, dim) => product * dim, 1));
  decodeFloats('f32', data, values);
  return { shape, data: values };
}

describe('rows of features', () => {
  test.each(NAMES)('%s: a row times the stored weight is the output that the runtime computes', async (name) => {
    const model = openModelPath(join(samples, `${name}.onnx`));
    const uses = listLayerUses(model.graph!).filter(({ kind }) => kind === 'dense' || kind === 'conv');
    const fed = model.graph!.inputs[0].name;
    const known = new Set([fed, ...model.graph!.outputs.map((output) => output.name)]);
    const names = [...new Set(uses.flatMap(({ data, node }) => [data, node.outputs[0]]))].filter(
      (it) => !known.has(it),
    );
    const session = await runtime.load({ main: exposeValues(readRuntimeModel(model).main, names), external: [] });
    const { source } = await findInputs(session, { graph: model.graph, data: openEval() });
    const feed = source.make(3, 2);
    const results = await session.run(feed);
    let checked = 0;
    for (const use of uses.filter(({ bias }) => bias === null)) {
      const output = toValue(results.get(use.node.outputs[0])!);
      const reader = toFeatureReader(use, toValue((results.get(use.data) ?? feed.get(use.data))!), output.shape)!;
      checked += checkRows(use, reader, output);
    }
    // The MLP's products come with a bias, and are left to the calibrated mark below.
    expect(checked).toBeGreaterThan(name === 'mlp' ? -1 : 30);
    await session.release();
    model.close();
  });
});

/** Every 3rd row against the output; returns how many were compared. */
function checkRows(
  use: ReturnType<typeof listLayerUses>[number],
  reader: NonNullable<ReturnType<typeof toFeatureReader>>,
  output: Value,
): number {
  const { weight, groups, outAxis } = use;
  const weights = toValue({ dtype: 'f32', shape: weight.shape, data: readAll(weight.tensor) }).data;
  const outputs = weight.shape[outAxis!];
  const features = weights.length / outputs;
  const row = new Float32Array(features * groups);
  const places = use.kind === 'conv' ? output.shape.slice(2).reduce((a, b) => a * b, 1) : 1;
  let checked = 0;
  for (let index = 0; index < reader.rows; index += 3) {
    reader.read(index, row);
    const channel = index % outputs;
    const group = Math.floor((channel * groups) / outputs);
    let sum = 0;
    for (let i = 0; i < features; i++) {
      const element = outAxis === 0 ? channel * features + i : i * outputs + channel;
      sum += weights[element] * row[group * features + i];
    }
    const at =
      use.kind === 'conv'
        ? (Math.floor(index / places) * outputs + channel) * places + (index % places)
        : index * outputs + channel;
    expect(Math.abs(sum - output.data[at])).toBeLessThan(1e-4 * (1 + Math.abs(sum)));
    checked++;
  }
  return checked;
}

function readAll(tensor: Model['tensors'][number]): Uint8Array {
  const bytes = new Uint8Array(tensor.byteLength);
  tensor.read(0, bytes);
  return bytes;
}

/** Of each sample once: most of the time of this file. */
const calibrations = new Map<string, Calibration>();
async function calibrateOnce(name: string, model: Model, data: LabelledData | null): Promise<Calibration> {
  const key = `${name} ${data === null ? 'probes' : 'data'}`;
  const known = calibrations.get(key) ?? (await calibrateSample(model, data));
  calibrations.set(key, known);
  return known;
}

describe('calibration', () => {
  test.each(NAMES)('%s: every dense and convolutional layer is observed, on data and on probes', async (name) => {
    const model = openModelPath(join(samples, `${name}.onnx`));
    const uses = listLayerUses(model.graph!).filter(({ kind }) => kind === 'dense' || kind === 'conv');
    for (const data of [openEval(), null]) {
      const { layers, samples: count } = await calibrateOnce(name, model, data);
      expect(layers.size).toBe(new Set(uses.map(({ weight }) => weight.tensor.name)).size);
      expect(count).toBeGreaterThanOrEqual(64);
      for (const layer of layers.values()) {
        expect(layer.outputVariance).toBeGreaterThan(0);
        expect(layer.powers[0]).toBeGreaterThanOrEqual(layer.meanPowers[0] * 0.99);
      }
    }
    model.close();
  });

  /** Nothing known and nothing taken for granted: a layer like any other. */
  const EVEN: Calibration = { samples: 0, inputs: 'none', isProbed: false, layers: new Map() };

  test.each(
    NAMES,
  )('%s: at the same margin, the more is known of the inputs the less the outputs move', async (name) => {
    const model = openModelPath(join(samples, `${name}.onnx`));
    const ownSeed = deriveSeeds(new Uint8Array(32).fill(3)).own;
    const given = { model, ownSeed, ownerId: 'acme', originalDigest: toOriginalDigest(model), tau: 0.125 };
    const data = openEval();
    const distance = async (calibration: Calibration | null): Promise<number> => {
      const { edits, record } = embedMark({ ...given, calibration });
      expect(record.marginMin).toBeGreaterThanOrEqual(0.95);
      expect(record.calibration?.samples ?? 0).toBe(calibration?.samples ?? 0);
      const original = readRuntimeModel(model);
      const marked = readRuntimeModel(model, model.plan(edits));
      const outcome = await measureFidelity({ runtime, original, marked, graph: model.graph, data });
      return outcome.kind === 'measured' ? (outcome.fidelity.relativeL2 ?? Number.NaN) : Number.NaN;
    };
    const plain = await distance(null);
    // The layers of the MLP are nearly of one size.
    expect(plain).toBeLessThan((name === 'mlp' ? 1 : 0.8) * (await distance(EVEN)));
    const onData = await distance(await calibrateOnce(name, model, data));
    const onProbes = await distance(await calibrateOnce(name, model, null));
    expect(onData).toBeLessThan(0.85 * plain);
    expect(onProbes).toBeLessThan(0.95 * plain);
    model.close();
  });
});
