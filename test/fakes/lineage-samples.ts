/** The sample models, their relatives, and how lineage is asked of two of them. */
import { readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { concatBytes } from '../../src/core/bytes.ts';
import { openModel, toGguf, toSafetensors } from '../../src/formats/index.ts';
import {
  buildNetwork,
  createModelSpec,
  exportWeights,
  listTensorShapes,
  type ModelName,
  permute,
  readWeights,
  type Weights,
} from '../../src/lab/index.ts';
import { compareLineage, type LineageOptions, type LineageResult } from '../../src/lineage/index.ts';
import type { Model } from '../../src/model/types.ts';
import { applyRewrite, openBufferSource } from '../../src/source/index.ts';

const samples = resolve(import.meta.dirname, '../../samples');

export function openBytes(name: string, bytes: Uint8Array): Model {
  return openModel({ source: openBufferSource(name, bytes), name, folder: null });
}

const openPath = (path: string): Model => openBytes(basename(path), readFileSync(path));

export const sample = (name: string): Model => openPath(join(samples, name));

/** What a plan writes as its one file. */
export function toBytes({ plan }: ReturnType<typeof toGguf | typeof toSafetensors>): Uint8Array {
  const parts: Uint8Array[] = [];
  applyRewrite(plan.files[0].ops, { write: (chunk) => parts.push(chunk.slice()) });
  return concatBytes(...parts);
}

export function readSample(name: ModelName): Weights {
  const stored = readWeights(sample(`${name}.safetensors`));
  return new Map([...listTensorShapes(createModelSpec(name)).keys()].map((tensor) => [tensor, stored.get(tensor)!]));
}

/** Fresh start values: a model that has nothing to do with any sample. */
export const startAnew = (name: ModelName, seed: string): Weights =>
  exportWeights(buildNetwork(createModelSpec(name), seed));

export const hide = (name: ModelName, weights: Weights): Weights =>
  permute(createModelSpec(name), weights, { seed: 'test', logScaleMax: 1 });

export function compare(suspect: Model, original: Model, more: Partial<LineageOptions> = {}): LineageResult {
  return compareLineage({ suspect, originals: [original], ...more });
}

export const mlp = sample('mlp.onnx');

export const cnn = sample('cnn.onnx');
