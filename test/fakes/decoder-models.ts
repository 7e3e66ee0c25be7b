/** The small decoder in the forms that its owner has: a graph, and a checkpoint with its settings. */
import { openModel } from '../../src/formats/index.ts';
import { DECODER_SPEC, toDecoderCheckpoint, toDecoderOnnx, type Weights } from '../../src/lab/index.ts';
import type { Model } from '../../src/model/types.ts';
import { openBufferSource } from '../../src/source/index.ts';

/** What lies beside the checkpoint: without it nobody knows the heads. */
const SETTINGS = JSON.stringify({ model_type: 'llama', num_attention_heads: 4, num_key_value_heads: 2 });

const open = (name: string, bytes: Uint8Array): Model =>
  openModel({ source: openBufferSource(name, bytes), name, folder: null });

export const toDecoderGraph = (weights: Weights): Model => open('model.onnx', toDecoderOnnx(DECODER_SPEC, weights));

export const toDecoderFiles = (weights: Weights): Model => ({
  ...open('model.safetensors', toDecoderCheckpoint(DECODER_SPEC, weights)),
  readSettings: () => SETTINGS,
});
