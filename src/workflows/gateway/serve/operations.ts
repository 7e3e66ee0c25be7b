/** How a gateway is watched and changed while it runs: numbers, the admin API, telemetry, retention; all beside the data path. */
import type { Database } from '../../../core/database.ts';
import {
  createAddressLimiter,
  createAdminHandler,
  type GatewayConfig,
  type LogTables,
  MemoryRates,
  observeBuild,
  observeGateway,
  observeListeners,
  runTelemetry,
} from '../../../gateway/index.ts';
import type { Identifier } from '../../../gateway/ports.ts';
import { createAdminDesk, type SeenModel } from '../admin-desk.ts';
import type { GatewayFront, GatewayHost } from './host.ts';
import { toBudgetLimits } from './limits.ts';
import type { ChangeTerms } from './reload.ts';
import { runRetention } from './retention.ts';

/** What is seen of the gateway, and done to it. */
export interface GatewayView {
  readonly models: { readonly table: { list(): readonly SeenModel[] } };
  /** Whether what is seen belongs to other processes, which tell their own numbers. */
  readonly isElsewhere: boolean;
  readonly config: () => GatewayConfig;
  readonly identifier: () => Identifier;
  readonly front: () => GatewayFront | null;
  /** Requests at work. */
  readonly inFlight: () => number;
  readonly isReady: () => boolean;
  readonly upstreams: () => readonly { readonly name: string; readonly isReady: boolean }[];
  readonly reloadModel: (name: string, version: string, terms: ChangeTerms) => Promise<void>;
  readonly reload: (terms: ChangeTerms) => Promise<readonly string[]>;
}

export interface OpenedOperations {
  /** Of the admin listener; null without one. */
  readonly admin: GatewayFront | null;
  /** Ends what watches, after a last message to the collector; the admin listener is closed. */
  close(): Promise<void>;
}

/** As much of the outside as watching needs. */
export type OperationsHost = Pick<
  GatewayHost,
  'clock' | 'nowUs' | 'pause' | 'keys' | 'hasher' | 'budgets' | 'makeRequestId' | 'operations'
>;

interface Opening {
  readonly config: GatewayConfig;
  readonly host: OperationsHost;
  readonly version: string;
  readonly gateway: GatewayView;
}

/** @throws DatabaseError; TlsError and others of the admin listener */
export async function openOperations(opening: Opening): Promise<OpenedOperations> {
  const { config, host, version, gateway } = opening;
  const { operations } = host;
  const ending = new AbortController();
  const needsLog = config.admin !== undefined || config.log.retentionDays !== undefined;
  const database = needsLog ? await operations.openLogDatabase() : null;
  try {
    const admin = config.admin === undefined ? null : await openAdmin(opening, database!);
    observe(opening, admin);
    tellBeginning(opening, admin);
    const work = [sendTelemetry(opening, ending.signal)];
    if (database !== null) {
      const { clock, pause } = host;
      const days = () => gateway.config().log.retentionDays ?? null;
      work.push(
        runRetention({ ...operations, ...operations.desk, database, days, clock, pause, signal: ending.signal }),
      );
    }
    return {
      admin,
      close: async () => {
        ending.abort();
        await Promise.all(work);
        await admin?.close();
        await database?.close();
        operations.journal.tell('ended', { version });
      },
    };
  } catch (error) {
    await database?.close();
    throw error;
  }
}

function tellBeginning({ config, host, version }: Opening, admin: GatewayFront | null): void {
  const { journal } = host.operations;
  journal.tell('started', { version, models: config.models.length });
  if (admin === null || config.admin === undefined) return;
  const { host: address, tls } = config.admin;
  journal.tell('listening', { listener: 'admin', host: address, port: admin.port, isTls: tls !== undefined });
}

function observe({ host, version, gateway }: Opening, admin: GatewayFront | null): void {
  const { registry, readProcess, logNumbers } = host.operations;
  observeBuild(registry, version);
  observeGateway(registry, {
    ...{ inFlight: gateway.inFlight, readProcess },
    upstreams: () => (gateway.isElsewhere ? [] : gateway.upstreams()),
    models: () => (gateway.isElsewhere ? [] : gateway.models.table.list()),
    spoolBytes: () => logNumbers().spoolBytes,
    logRows: () => logNumbers().rows,
    logSetAside: () => logNumbers().setAside,
  });
  observeListeners(registry, () => {
    const data = gateway.front();
    return [
      ...(data === null ? [] : [['data', data.stats] as const]),
      ...(admin === null ? [] : [['admin', admin.stats] as const]),
    ];
  });
}

/** A listener of its own, for callers whose keys have scopes of the control plane. */
function openAdmin({ config, host, gateway }: Opening, log: Database<LogTables>): Promise<GatewayFront> {
  const { operations, nowUs } = host;
  const { journal, desk, readMetrics } = operations;
  const { failuresPerMinute } = config.limits;
  const handler = createAdminHandler({
    desk: createAdminDesk({
      keys: { store: host.keys, hasher: host.hasher, clock: host.clock, ...desk },
      models: gateway.models.table,
      budgets: host.budgets,
      budgetLimits: () => toBudgetLimits(gateway.config()),
      ...{ log, readMetrics, config: gateway.config, isReady: gateway.isReady },
      reloadModel: gateway.reloadModel,
      reloadConfig: gateway.reload,
      drain: operations.drain,
    }),
    isMetricsOpen: config.admin?.openMetrics === true,
    identifier: { identify: (request) => gateway.identifier().identify(request) },
    addresses: createAddressLimiter({ policy: { perMinute: failuresPerMinute, burst: failuresPerMinute }, nowUs }),
    rates: new MemoryRates({ nowUs }),
    makeRequestId: host.makeRequestId,
    journal,
  });
  return operations.openAdminFront(handler);
}

/** Fulfilled at the end, or at once where nobody is told. */
async function sendTelemetry({ config, host, version }: Opening, signal: AbortSignal): Promise<void> {
  const { telemetry: terms } = config;
  const { telemetry: link, tracing, journal, readMetrics } = host.operations;
  if (terms === undefined || link === null) return;
  const { everyMs, temporality, metrics } = terms;
  await runTelemetry({
    ...{ link, everyMs, temporality, version, clock: host.clock, pause: host.pause, signal },
    resource: { 'service.name': 'modelward', 'service.version': version, ...terms.resource },
    readMetrics: metrics ? readMetrics : null,
    spans: tracing?.spans ?? null,
    onTrouble: (code) => {
      journal.tell('trouble', { code, part: 'telemetry' });
    },
  });
}
