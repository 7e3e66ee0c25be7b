/** What a gateway tells of itself in numbers: counted, put together over processes, shown to Prometheus. */
export { type CallerBoard, type CallerBoardOptions, createCallerBoard } from './callers.ts';
export { mergeMetrics, type MetricsOfWorker } from './merge.ts';
export { createLimiterMeter, createMeter, toOperation } from './meter.ts';
export {
  createReloadMeter,
  createRunMeter,
  type GatewayNumbers,
  observeBuild,
  observeGateway,
  observeListeners,
  type ServedNow,
} from './parts.ts';
export { Counter, Histogram, MetricsRegistry } from './registry.ts';
export { PROMETHEUS_TYPE, toPrometheusName, toPrometheusText } from './text.ts';
export { type ClusterMetrics, createClusterMetrics, serveMetrics } from './workers.ts';
