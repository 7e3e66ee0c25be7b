/** Triggers: put into a copy, asked of a suspect, handed out; and trigger sets for those who still train. */
export { embedTriggers, type EmbedTriggersResult } from './embed.ts';
export { embedDecoderTriggers, type EmbedDecoderOptions, type EmbedDecoderResult } from './decoder/embed.ts';
export { exportTriggers } from './export.ts';
export { makeTriggerSet } from './make.ts';
export { type SetReport, verifyTriggerSet } from './verify-set.ts';
export { type TriggersReport, verifyTriggers } from './verify.ts';
export { findTriggerKind } from './kind.ts';
