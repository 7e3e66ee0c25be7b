/** A request from its call to its answer. */
export { createGreeter } from './greet.ts';
export type { Answered, GatewayParts, GatewaySettings, Meter, Tracing } from './parts.ts';
export { createGateway } from './pipeline.ts';
