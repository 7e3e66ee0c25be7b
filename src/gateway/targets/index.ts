/** What answers calls for a model. */
export { type BodyReader, createBodyReader, type ReadJob, runReadJob } from './body-reader.ts';
export { createEmbeddedTarget, type EmbeddedOptions } from './embedded.ts';
export { createJointTarget } from './joint.ts';
export type { Target } from './ports.ts';
export { createProxiedTarget, type ProxiedOptions } from './proxied.ts';
