/** What watching over a gateway needs from outside. */
import type { Database } from '../../../core/database.ts';
import type {
  GatewayConfig,
  Journal,
  LogTables,
  MetricsRegistry,
  ModelConfig,
  Tracing,
} from '../../../gateway/index.ts';
import type { GatewayHandler, ListenerSample, Metrics, ReadProcess, TelemetryLink } from '../../../gateway/ports.ts';
import type { ApiKeyDesk } from '../api-keys.ts';

/** One listener. */
export interface GatewayFront {
  readonly port: number;
  readonly stats: ListenerSample;
  /** Takes more, and each answer is the last one of its connection. */
  beginDraining(): void;
  /** Takes no more; false when answers were still under way in the end. */
  drain(timeoutMs: number): Promise<boolean>;
  close(): Promise<void>;
}

export interface LogNumbers {
  /** Of this process. */
  readonly rows: number;
  /** Of rows that wait for the database. */
  readonly spoolBytes: number;
  /** How often rows that another process left could not be read. */
  readonly setAside: number;
}

export interface HostOperations {
  readonly journal: Journal;
  readonly registry: MetricsRegistry;
  /** Of all processes. */
  readonly readMetrics: () => Promise<Metrics>;
  readonly readProcess: ReadProcess;
  readonly logNumbers: () => LogNumbers;
  /** Key of the hashes of inputs; null for plain SHA-256. Its owner wipes it when the gateway has ended. */
  readonly hashKey: Uint8Array | null;
  readonly tracing: Tracing | null;
  readonly telemetry: TelemetryLink | null;
  readonly desk: Pick<ApiKeyDesk, 'recorder' | 'random'>;
  /** Another text when one of the model's files was changed. Never throws. */
  readonly toStamp: (model: ModelConfig) => string;
  /** The configuration as it is written now. @throws CliError; GatewayError GATEWAY_CONFIG_…; SourceError */
  readonly readConfig: () => Promise<GatewayConfig>;
  /** Counts configurations that were taken up, or refused. */
  readonly onReload: (isTaken: boolean) => void;
  /** @throws DatabaseError */
  openLogDatabase(): Promise<Database<LogTables>>;
  /** @throws TlsError for the files; GatewayError SERVER_LISTEN_FAILED */
  openAdminFront(handler: GatewayHandler): Promise<GatewayFront>;
  /** Tells whoever waits for the end of the gateway. */
  readonly drain: () => void;
}
