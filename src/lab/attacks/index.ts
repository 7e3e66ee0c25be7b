/** Attacks on weights and on behaviour, each from weights to new weights. */
export * from './battery/index.ts';
export { type CopyOptions, distill, extractLabels } from './distill.ts';
export { fineTune, type FineTuneOptions } from './fine-tune.ts';
export { addNoise, type NoiseOptions } from './noise.ts';
export { overwrite, type OverwriteOptions } from './overwrite.ts';
export { changeAttention } from './permute/change-attention.ts';
export { permute, type PermuteOptions } from './permute/permute.ts';
export { prune } from './prune.ts';
export { quantize, type QuantizeOptions } from './quantize.ts';
export { createTrainer, type Trainer, type TrainerOptions } from './training/trainer.ts';
