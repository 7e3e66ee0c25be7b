/** The gateway's rules: who asks, how much, what is answered. Sockets, stores and runtimes are behind ports.ts. */
export * from './admin/index.ts';
export * from './config/index.ts';
export * from './identity/index.ts';
export * from './integrity/index.ts';
export type { AnswerSealer, SealedAnswer, SealedRequest } from './integrity/ports.ts';
export * from './limits/index.ts';
export * from './log/index.ts';
export * from './logs/index.ts';
export * from './metrics/index.ts';
export * from './pipeline/index.ts';
export * from './pool/index.ts';
export { createProtocols, createUpstreamProtocol, type ProtocolSettings } from './protocols/choose.ts';
export type { Protocol } from './protocols/ports.ts';
export * from './targets/index.ts';
export * from './telemetry/index.ts';
