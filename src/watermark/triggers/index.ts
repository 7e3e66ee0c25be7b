/** Last-layer triggers, and trigger sets for training (docs/spec/triggers.md). */
export { TRIGGER_SCHEME, type TriggerBody, triggerBodySchema, type TriggerInput } from './body.ts';
export {
  COUNT_MIN,
  type DesignOptions,
  designTriggers,
  toDefaultCount,
  type TriggerDesign,
} from './design.ts';
export { type HeadRows, readHead, toHeadEdits } from './edit.ts';
export { findHead, type Head } from './head.ts';
export { deriveTriggerKeys, LOG2_LABEL_DRAWS, type TriggerKeys, toTriggerLabels } from './keys.ts';
export { makePattern, type PatternPlane, toPatternKind, toPatternPlane } from './patterns.ts';
export { openTriggerQuestions, type OpenTriggerOptions, toTriggerQuestion, toTriggerQuestions } from './questions.ts';
export { type FeatureRows, toBest, toMedianLead, toPush } from './scores.ts';
export * from './set.ts';
export { type SetFacts, type SetSource, toSetFacts } from './set-samples.ts';
export * from './decoder/index.ts';
