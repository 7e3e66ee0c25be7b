/** Last-layer triggers, and trigger sets for training (docs/spec/triggers.md). */
export * from './body.ts';
export * from './design.ts';
export * from './edit.ts';
export * from './head.ts';
export * from './keys.ts';
export * from './patterns.ts';
export * from './questions.ts';
