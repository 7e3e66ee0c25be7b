/** The first process of `modelward serve` with several workers: it makes ready what they share, and starts them. */
import type { GatewayConfig } from '../../../../gateway/index.ts';
import type { Metrics } from '../../../../gateway/ports.ts';
import type { LogAnchor } from '../../../../workflows/gateway/anchors.ts';
import {
  openCluster,
  openClusterOperations,
  type RunningCluster,
  type RunningGateway,
  toLedgerName,
} from '../../../../workflows/gateway/serve/index.ts';
import { openGatewayKey } from '../../../../workflows/gateway/signing-key.ts';
import type { Session } from '../../../../workflows/session.ts';
import { TOOL_VERSION } from '../../../compose.ts';
import { readHasher } from '../../apikey/flags.ts';
import { gatewayClocks } from '../compose.ts';
import { type HostOptions, openAdminFront } from '../host.ts';
import { openIssuerLinks } from '../identity/compose.ts';
import { openLogTables } from '../operations/compose.ts';
import type { OpenedWatch } from '../operations/open.ts';
import { type OpenedStores, openStores } from '../stores/stores.ts';
import { openForker } from './compose.ts';
import type { WorkerOptions } from './worker-options.ts';

/** As a gateway of one process is seen; others hold its models. */
export interface WorkersGateway
  extends Pick<RunningCluster, 'failed' | 'runtimes'>,
    Pick<RunningGateway, 'port' | 'reload' | 'stop'> {
  readonly models: null;
}

export interface PrimaryOptions extends HostOptions {
  readonly session: Session;
}

export interface PrimaryParts {
  readonly anchor: LogAnchor;
  readonly watch: OpenedWatch;
  /** Tells that the gateway is to end. */
  readonly drain: () => void;
}

/** @throws what a worker cannot serve for; what else the command throws before anything listens */
export async function openWorkers(options: PrimaryOptions, parts: PrimaryParts): Promise<WorkersGateway> {
  const { context, session, config } = options;
  const { anchor, watch } = parts;
  const { recorder } = session;
  // Key, statement and tables are made by one process, before several look for them.
  await openGatewayKey({ ...context.services, recorder });
  const stores = await openStores(context, config);
  const undo: (() => Promise<unknown>)[] = [() => stores.close()];
  try {
    await (await openLogTables(stores.log)).close();
    const { nowUs, pause, after } = gatewayClocks;
    let current = config;
    const cluster = await openCluster({
      ...{ recorder, anchor, nowUs, pause, after, workers: config.workers },
      fork: openForker(),
      task: () => ({ config: toWorkerConfig(current), ledger: toLedgerName(recorder), options: toOptions(options) }),
      ownMetrics: () => watch.operations.registry.read(),
      drainTimeoutMs: () => current.limits.drainDelayMs + current.limits.drainTimeoutMs,
      onTrouble: watch.onTrouble,
    });
    undo.unshift(() => cluster.stop());
    const operations = await openClusterOperations({
      ...{ cluster, toWorkerConfig, version: TOOL_VERSION, workers: config.workers },
      config: {
        get: () => current,
        set: (next) => {
          current = next;
        },
      },
      host: toOperationsHost(options, { ...parts, stores, readMetrics: () => cluster.readMetrics() }),
    });
    return {
      ...{ port: cluster.port, runtimes: cluster.runtimes, models: null, failed: cluster.failed },
      reload: operations.reload,
      stop: async () => {
        const isWhole = await cluster.stop();
        await operations.close();
        await stores.close();
        return isWhole;
      },
    };
  } catch (error) {
    for (const end of undo) await end().catch(() => undefined);
    throw error;
  }
}

type OperationsHost = Parameters<typeof openClusterOperations>[0]['host'];

function toOperationsHost(
  { context, config, flags, readConfig }: PrimaryOptions,
  parts: PrimaryParts & { readonly stores: OpenedStores; readonly readMetrics: () => Promise<Metrics> },
): OperationsHost {
  const { watch, drain, stores, readMetrics } = parts;
  const { keys, budgets, counter } = stores;
  return {
    ...{ ...gatewayClocks, keys, budgets, onTrouble: watch.onTrouble },
    hasher: readHasher(context, { pepperFile: flags.pepperFile ?? config.identity.pepperFile }),
    shared: {
      ...{ counter, openIssuerLinks: (identity) => openIssuerLinks(context, identity) },
      onRecovered: (part) => {
        watch.ui.note(`${part}: works again`);
      },
    },
    operations: {
      ...watch.operations,
      ...{ readMetrics, readConfig, drain, logNumbers: () => ({ rows: 0, spoolBytes: 0, setAside: 0 }) },
      openLogDatabase: () => openLogTables(stores.log),
      openAdminFront: (handler) => openAdminFront({ config, watch }, handler),
    },
  };
}

function toOptions({ context, flags }: PrimaryOptions): WorkerOptions {
  const { pepperFile, keyPassphraseFile } = flags;
  return {
    ...{ home: context.services.home.root, isQuiet: context.ui.isQuiet },
    ...(pepperFile !== undefined && { pepperFile: context.toAbsolute(pepperFile) }),
    ...(keyPassphraseFile !== undefined && { keyPassphraseFile: context.toAbsolute(keyPassphraseFile) }),
  };
}

/** What is done once for all is the first process's work. Members without a value do not cross the line. */
function toWorkerConfig(config: GatewayConfig): GatewayConfig {
  const { telemetry, log } = config;
  return {
    ...{ ...config, admin: undefined, log: { ...log, retentionDays: undefined } },
    telemetry: telemetry === undefined ? undefined : { ...telemetry, metrics: false },
  };
}
