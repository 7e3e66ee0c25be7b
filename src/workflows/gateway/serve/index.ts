/** A gateway that runs: put together from a configuration, ended in good order. */
export type { GatewayFront, GatewayHost, HostOperations, RunningGateway } from './host.ts';
export type { SharedLimits } from './host-shared.ts';
export { type ClusterOptions, openCluster, type RunningCluster } from './cluster.ts';
export { type ClusterOperations, openClusterOperations } from './cluster-view.ts';
export { createLedgerUse, type LedgerUse, toLedgerName } from './cluster-ledger.ts';
export type { WorkerTask } from './cluster-messages.ts';
export { type OpenedWorker, type RunningWorker, runWorker, type Seat } from './cluster-worker.ts';
export { serveGateway, type ServeOptions } from './serve.ts';
export type { LineTerms, OpenedUpstreams, UpstreamHost, UpstreamState } from './upstreams.ts';
export type { ChangeTerms } from './reload.ts';
