/** The ownership mark, its commitment and claim; and labels, which prove nothing: in weights, graph and outputs. */
export * from './annex.ts';
export * from './answers/index.ts';
export { calibrate, type CalibrateOptions, type CalibrationFeeds } from './calibration/calibrate.ts';
export type * from './calibration/types.ts';
export * from './claim.ts';
export * from './commitment.ts';
export * from './detect.ts';
export * from './digest.ts';
export * from './ports.ts';
export * from './order/index.ts';
export * from './recipient/index.ts';
export * from './reference.ts';
export * from './probes/index.ts';
export * from './remote/questions.ts';
export * from './remote/formats/index.ts';
export { deriveSeeds, SEED_PURPOSES, type SeedPurpose, type Seeds } from './seeds.ts';
export * from './spread/embed.ts';
export { listMarkableLayers, MARK_BITS, type MarkBits, usesAllPositions } from './spread/layout.ts';
export * from './label.ts';
export * from './graph/index.ts';
export * from './triggers/index.ts';
export * from './output/index.ts';
export * from './plan/index.ts';
export {
  findPayload,
  type Payload,
  PAYLOAD_KINDS,
  type PayloadKind,
  toPayloadFrame,
  toShownPayload,
  toTextPayload,
} from './payload.ts';
export * from './text/index.ts';
