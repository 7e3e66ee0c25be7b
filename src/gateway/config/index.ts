/** What a gateway is told to serve. */
export { findUnseenTenants } from './budgets.ts';
export { type GatewayConfig, type ModelConfig, readGatewayConfig } from './config.ts';
export { toFrontLimits } from './front.ts';
export type { AttestedConfig, BrokerConfig } from './guest.ts';
export { type IdentityConfig, toCertificateRules, toTokenRules } from './identity.ts';
export { isLoopback } from './listen.ts';
export { type PlatformConfig, toPlatformPrincipal } from './platform.ts';
export type { DatabaseConfig, RateStoreConfig } from './store.ts';
export {
  type AdminConfig,
  type JournalConfig,
  type OperationsConfig,
  type TelemetryConfig,
  toAbsoluteOperations,
} from './operations.ts';
export { toAbsoluteUpstreams, type UpstreamConfig, type UpstreamModelConfig } from './upstreams.ts';
