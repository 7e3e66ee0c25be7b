/** The trained sample decoder, kept on disk, as the checkpoint that an owner would have. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openModel } from '../../src/formats/index.ts';
import {
  DECODER_SPEC,
  exportDecoder,
  readWeights,
  toDecoderCheckpoint,
  trainDecoder,
  type Weights,
} from '../../src/lab/index.ts';
import type { Model } from '../../src/model/types.ts';
import { openBufferSource } from '../../src/source/index.ts';
import { root, toVersion } from './version.ts';

/** Everything that the trained weights depend on. */
export const DECODER_SOURCES: readonly string[] = [
  ...['layers', 'language.ts', 'network.ts', 'spec.ts', 'train.ts'].map((name) => `src/lab/decoder/${name}`),
  ...['kernel', 'layers/layer.ts', 'layers/attention.ts', 'loss.ts', 'optimizers', 'rng.ts', 'tensor.ts'].map(
    (name) => `src/lab/${name}`,
  ),
];

/** A model in memory from the bytes of its one file. */
export function openBytes(name: string, bytes: Uint8Array): Model {
  return openModel({ source: openBufferSource(name, bytes), name, folder: null });
}

/** The weights of a seed, by the names of a checkpoint; trained in about two minutes when they are not stored. */
export function getDecoderWeights(seed: string): Weights {
  const folder = join(root, '.lab/models', `decoder-${toVersion(DECODER_SOURCES)}`);
  const path = join(folder, `${seed}.safetensors`);
  if (!existsSync(path)) {
    const bytes = toDecoderCheckpoint(DECODER_SPEC, exportDecoder(trainDecoder(seed)));
    mkdirSync(folder, { recursive: true });
    writeFileSync(`${path}.part`, bytes);
    renameSync(`${path}.part`, path);
  }
  return readWeights(openBytes('model.safetensors', readFileSync(path)));
}

/** What lies beside the checkpoint: without it nobody knows the heads. */
const SETTINGS = JSON.stringify({
  model_type: 'llama',
  num_attention_heads: DECODER_SPEC.heads,
  num_key_value_heads: DECODER_SPEC.keyHeads,
});

/** Weights as a checkpoint in float32, with its settings. */
export function openCheckpoint(weights: Weights): Model {
  const model = openBytes('model.safetensors', toDecoderCheckpoint(DECODER_SPEC, weights));
  return { ...model, readSettings: () => SETTINGS };
}
