/** The ownership mark, its commitment and claim, and the fragile label. */
export { calibrate, type CalibrateOptions, type CalibrationFeeds } from './calibration/calibrate.ts';
export type * from './calibration/types.ts';
export * from './claim.ts';
export * from './commitment.ts';
export * from './detect.ts';
export * from './digest.ts';
export * from './ports.ts';
export * from './reference.ts';
export { deriveSeeds, SEED_PURPOSES, type SeedPurpose, type Seeds } from './seeds.ts';
export * from './spread/embed.ts';
export { listMarkableLayers, MARK_BITS, type MarkBits, usesAllPositions } from './spread/layout.ts';
export * from './label.ts';
