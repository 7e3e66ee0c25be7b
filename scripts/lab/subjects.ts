/** The models under test: trained once per seed, kept on disk, marked at the one default strength. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openWebRuntime } from '../../src/adapters/runtime/index.ts';
import { openModel } from '../../src/formats/index.ts';
import {
  applyTensorEdits,
  createModelSpec,
  exportWeights,
  generateGlyphs,
  listTensorShapes,
  type ModelName,
  type NetworkSpec,
  openNetwork,
  range,
  readWeights,
  toBatch,
  toOnnx,
  toSafetensors,
  trainModel,
  type Weights,
} from '../../src/lab/index.ts';
import type { RuntimeTensor } from '../../src/model/runtime.ts';
import type { Graph, Model } from '../../src/model/types.ts';
import { openBufferSource } from '../../src/source/index.ts';
import {
  calibrate,
  type Calibration,
  type Claim,
  createClaim,
  deriveSeeds,
  detectMark,
  type DetectResult,
  embedMark,
  type MarkRecord,
  toOriginalDigest,
} from '../../src/watermark/index.ts';
import { root, trainingVersion } from './version.ts';

const OWNER = 'lab owner';

export interface Subject {
  readonly name: ModelName;
  readonly seed: string;
  readonly spec: NetworkSpec;
  readonly original: Weights;
  readonly originalModel: Model;
  readonly marked: Weights;
  readonly claim: Claim;
  readonly ownSeed: Uint8Array;
  readonly record: MarkRecord;
}

function trainOnce(name: ModelName, seed: string): Weights {
  const folder = join(root, '.lab/models', trainingVersion);
  const path = join(folder, `${name}-${seed}.safetensors`);
  const spec = createModelSpec(name);
  if (existsSync(path)) {
    const source = openBufferSource(path, readFileSync(path));
    const stored = readWeights(openModel({ source, name: 'model.safetensors', folder: null }));
    return new Map([...listTensorShapes(spec).keys()].map((tensor) => [tensor, stored.get(tensor)!]));
  }
  const weights = exportWeights(trainModel(name, seed));
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${path}.part`, toSafetensors(spec, weights));
  renameSync(`${path}.part`, path);
  return weights;
}

/** The owner's secret seed of a model: fixed here, random bytes in the product. */
function toOwnerSeed(name: ModelName, seed: string): Uint8Array {
  return new Uint8Array(createHash('sha256').update(`lab/owner/${name}/${seed}`).digest());
}

const trained = new Map<string, Weights>();

/** The unmarked weights of a model and seed. */
export function getWeights(name: ModelName, seed: string): Weights {
  const key = `${name}-${seed}`;
  const weights = trained.get(key) ?? trainOnce(name, seed);
  trained.set(key, weights);
  return weights;
}

const subjects = new Map<string, Promise<Subject>>();

/** The marked model of a seed, with everything that detection needs. */
export function getSubject(name: ModelName, seed: string): Promise<Subject> {
  const key = `${name}-${seed}`;
  const subject = subjects.get(key) ?? markSubject(name, seed);
  subjects.set(key, subject);
  return subject;
}

/** Images of its training set that an owner calibrates with. */
export const CALIBRATION_COUNT = 512;

/** WebAssembly, because its sums are the same on every processor. */
async function calibrateSubject(spec: NetworkSpec, original: Weights, graph: Graph): Promise<Calibration> {
  const samples = generateGlyphs({ task: 'digits', stream: 'train', count: CALIBRATION_COUNT });
  const [input] = graph.inputs;
  const make = (start: number, count: number): Map<string, RuntimeTensor> => {
    const { data } = toBatch(samples, range(start, start + count));
    const shape = [count, ...(input.shape ?? []).slice(1).map(Number)];
    return new Map([[input.name, { dtype: 'f32', shape, data: new Uint8Array(data.buffer) }]]);
  };
  return calibrate({
    runtime: await openWebRuntime(),
    model: { main: toOnnx(spec, original), external: [] },
    graph,
    feeds: { samples: samples.count, step: 128, isFree: true, make },
    words: 'training images',
  });
}

async function markSubject(name: ModelName, seed: string): Promise<Subject> {
  const spec = createModelSpec(name);
  const original = getWeights(name, seed);
  const originalModel = openNetwork(spec, original);
  const originalDigest = toOriginalDigest(originalModel);
  const secret = toOwnerSeed(name, seed);
  const ownSeed = deriveSeeds(secret).own;
  const calibration = await calibrateSubject(spec, original, originalModel.graph!);
  const mark = embedMark({ model: originalModel, ownSeed, ownerId: OWNER, originalDigest, calibration });
  const marked = applyTensorEdits(original, mark.edits);
  const claim = createClaim({
    seed: secret,
    seedBox: { sealSeed: () => 'lab', openSeed: () => secret },
    ...{ ownerKey: 'lab', ownerId: OWNER, originalDigest, mark },
    markedDigest: toOriginalDigest(openNetwork(spec, marked)),
  });
  return { name, seed, spec, original, originalModel, marked, claim, ownSeed, record: mark.record };
}

/** Reads a subject's mark in a suspect model in every way, with the original at hand. */
export function detect(subject: Subject, suspect: Model): DetectResult {
  const { claim, ownSeed, originalModel } = subject;
  return detectMark({ suspect, claim, ownSeed, original: originalModel, readings: 'all' });
}
