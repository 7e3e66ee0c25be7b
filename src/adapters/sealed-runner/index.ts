/** Runners of sealed models: in a child process, or in this one. */
export { type ChildServices, serveSealedModel } from './child.ts';
export { createInProcessRunner, type OpenPlaintext } from './in-process.ts';
export { type ChildRunnerOptions, createChildRunner } from './parent.ts';
