/** Lines to inference servers: HTTP/1.1 and gRPC, TLS with certificates of both ends, addresses that are checked. */
export { openGrpcUpstream } from './grpc-upstream.ts';
export { openHttpUpstream } from './http-upstream.ts';
export { type Readiness, type ReadinessOptions, watchReadiness } from './readiness.ts';
export type {
  AddressRules,
  OpenedUpstream,
  UpstreamLimits,
  UpstreamOptions,
  UpstreamStats,
  UpstreamTls,
} from './types.ts';
