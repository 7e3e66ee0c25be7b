/** The trainer of a run: the graph read back, the samples as the model takes them, and a check that both agree. */
import { LabError } from '../../core/errors.ts';
import { type LabelledData, readRuntimeModel } from '../../fidelity/index.ts';
import {
  createTrainer,
  importNetwork,
  type ImportedNetwork,
  inferLogits,
  restoreNetwork,
  type Samples,
  type Trainer,
} from '../../lab/index.ts';
import type { Model } from '../../model/types.ts';
import type { Services } from '../services.ts';
import { openSamples, type Samples as FedSamples } from './accuracy.ts';
import type { AttackOptions } from './options.ts';

/** Samples are held in memory as floats: 1 GiB of them. */
const VALUES_MAX = 2 ** 28;
const LABELS_MAX = 256;
/** Samples on which the network that was read is compared with the model. */
const CHECKED = 32;
/** Largest difference of two scores, relative to the largest score: sums in another order differ by far less. */
const DIFFERENCE_MAX = 1e-3;
const BATCH = 64;

export interface OpenedTrainer {
  readonly trainer: Trainer;
  readonly samples: number;
}

/**
 * @throws LabError LAB_ATTACK_UNFIT without training data; LAB_NODE_UNREADABLE; LAB_IMPORT_DIFFERS; LAB_DATA_UNFIT
 * @throws RuntimeError | SourceError for data and engine
 */
export async function openTrainer(services: Services, model: Model, options: AttackOptions): Promise<OpenedTrainer> {
  const { trainPath, transferPath, labelColumn, learningRate, seed } = options;
  if (trainPath === undefined) {
    throw new LabError('LAB_ATTACK_UNFIT', { fields: { reason: 'it trains, and no data was given with --train' } });
  }
  const network = importNetwork(model);
  const samples = await readSamples(services, model, network, { path: trainPath, labelColumn });
  await assertAgreement(services, model, network, samples);
  const transfer =
    transferPath === undefined
      ? null
      : await readSamples(services, model, network, { path: transferPath, labelColumn });
  const trainer = createTrainer({ model, network, samples, transfer, learningRate, batch: BATCH, seed });
  return { trainer, samples: samples.count };
}

async function readSamples(
  services: Services,
  model: Model,
  network: ImportedNetwork,
  at: { readonly path: string; readonly labelColumn?: AttackOptions['labelColumn'] },
): Promise<Samples> {
  const fed = await openSamples(services, model, at);
  try {
    return toSamples(fed, network);
  } finally {
    fed.data.close();
  }
}

/** Every sample as the input takes it, channels last. */
function toSamples({ data, source }: FedSamples, { spec, input }: ImportedNetwork): Samples {
  const { count } = data;
  const first = source.make(0, 1).get(input);
  if (first?.dtype !== 'f32' || !source.isFree) throw unfit('the input takes no batches of 32-bit floats');
  const sample = first.shape.slice(1);
  const size = sample.reduce((product, dim) => product * dim, 1);
  if (count * size > VALUES_MAX) throw unfit('the samples do not fit into memory: give fewer of them');
  if (sample.length !== 1 && sample.length !== 3) throw unfit('samples are vectors or images');
  const [channels = 1, ...places] = sample;
  const plane = places.reduce((product, dim) => product * dim, 1);
  const pixels = new Float32Array(count * size);
  for (let start = 0; start < count; start += source.step) {
    const step = Math.min(source.step, count - start);
    const { data: bytes } = source.make(start, step).get(input)!;
    const values = new Float32Array(bytes.slice().buffer);
    for (let at = 0; at < step * size; at += 1) {
      const item = Math.floor(at / size);
      const channel = Math.floor((at % size) / plane);
      pixels[(start + item) * size + (at % plane) * channels + channel] = values[at];
    }
  }
  const shape = sample.length === 1 ? sample : [...places, channels];
  return {
    count,
    side: places.at(-1) ?? 0,
    classes: spec.classes,
    pixels,
    shape,
    labels: toLabels(data, spec.classes),
  };
}

function toLabels({ labels, count }: LabelledData, classes: number): Uint8Array {
  const least = labels.values.reduce((low, value) => Math.min(low, value), LABELS_MAX);
  const most = labels.values.reduce((high, value) => Math.max(high, value), -1);
  // Class numbers from 1 are as common as from 0.
  const from = most === classes && least >= 1 ? 1 : 0;
  if (least < 0 || most - from >= classes) throw unfit('a label is no class of the model');
  return Uint8Array.from({ length: count }, (_, index) => labels.values[index] - from);
}

function unfit(reason: string): LabError {
  return new LabError('LAB_DATA_UNFIT', { fields: { reason } });
}

/** Runs both on a few samples. @throws LabError LAB_IMPORT_DIFFERS */
async function assertAgreement(
  services: Services,
  model: Model,
  network: ImportedNetwork,
  samples: Samples,
): Promise<void> {
  const { spec, weights, input } = network;
  const count = Math.min(CHECKED, samples.count);
  const few: Samples = { ...samples, count };
  const own = inferLogits(restoreNetwork(spec, weights), few);
  const session = await (await services.openRuntime()).load(readRuntimeModel(model));
  try {
    const shape = samples.shape ?? [];
    const size = shape.reduce((product, dim) => product * dim, 1);
    const [channels, plane] = shape.length === 1 ? [size, 1] : [shape[2], shape[0] * shape[1]];
    const data = new Float32Array(count * size);
    for (let at = 0; at < data.length; at += 1) {
      const item = Math.floor(at / size);
      const channel = Math.floor((at % size) / plane);
      data[at] = samples.pixels[item * size + (at % plane) * channels + channel];
    }
    const dims = shape.length === 1 ? [count, size] : [count, channels, shape[0], shape[1]];
    const feed = { dtype: 'f32', shape: dims, data: new Uint8Array(data.buffer) } as const;
    const [answer] = (await session.run(new Map([[input, feed]]))).values();
    const theirs = new Float32Array(answer.data.slice().buffer);
    if (!isAlike(own, theirs, spec.classes)) throw new LabError('LAB_IMPORT_DIFFERS');
  } finally {
    await session.release();
  }
}

/** Equal scores; or, where the model ends in a softmax, equal order. */
function isAlike(own: Float32Array, theirs: Float32Array, classes: number): boolean {
  if (own.length !== theirs.length) return false;
  const largest = own.reduce((top, value) => Math.max(top, Math.abs(value)), 1e-6);
  if (own.every((value, at) => Math.abs(value - theirs[at]) <= DIFFERENCE_MAX * largest)) return true;
  const pick = (scores: Float32Array, row: number): number => {
    const part = scores.subarray(row * classes, (row + 1) * classes);
    return part.indexOf(Math.max(...part));
  };
  const isSoftmax = theirs.every((value) => value <= 1 && value >= -1e-6);
  return (
    isSoftmax &&
    Array.from({ length: own.length / classes }, (_, row) => row).every((row) => pick(own, row) === pick(theirs, row))
  );
}
