/** The laboratory: a small trainer, seeded tasks, sample networks, exporters and attacks. */
export * from './attacks/index.ts';
export * from './data.ts';
export { toNpy } from './export/npy.ts';
export { toNpz } from './export/npz.ts';
export { toOnnx } from './export/onnx.ts';
export { toSafetensors } from './export/safetensors.ts';
export * from './model.ts';
export * from './models.ts';
export * from './network.ts';
export * from './recipes.ts';
export * from './rng.ts';
export type * from './spec.ts';
export * from './tasks/glyphs.ts';
export * from './train.ts';
