/** A gateway from its opening to its end: checkpoints of its log go into the ledger meanwhile. */
import { EXIT, type ExitCode } from '../../../core/errors.ts';
import { GATEWAY_LOG_LIMITS } from '../../../core/limits/gateway-log.ts';
import type { GatewayConfig } from '../../../gateway/index.ts';
import { createLogAnchor, endLogAnchor } from '../../../workflows/gateway/anchors.ts';
import { type RunningGateway, serveGateway } from '../../../workflows/gateway/serve/index.ts';
import { TOOL_VERSION } from '../../compose.ts';
import { prepareAttested } from './broker/attested.ts';
import { ensureCallers } from './callers/first-key.ts';
import { tellUnseenTenants } from './callers/tenants.ts';
import { leaveStreams } from './compose.ts';
import { openWorkers, type PrimaryOptions } from './cluster/primary.ts';
import { type HostParts, openHost, toCode } from './host.ts';
import { type OpenedWatch, openWatch } from './operations/open.ts';
import { createRuntimesSeen, toRuntimeNote } from './runtimes.ts';

export interface Serving extends PrimaryOptions {
  /** Called once requests are taken. */
  readonly onReady?: (url: string, gateway: ServedGateway) => void;
}

/** In this process, or in several. */
export interface ServedGateway extends Pick<RunningGateway, 'port' | 'reload' | 'stop'> {
  /** Null where other processes hold them. */
  readonly models: RunningGateway['models'] | null;
  /** What runs models. */
  readonly runtimes: readonly string[];
  /** Rejects when there is no use in serving on. */
  readonly failed: Promise<never>;
}

/** Serves until it is told to stop. */
export async function serve(serving: Serving): Promise<ExitCode> {
  const { context, config } = serving;
  const reloads = createReloads();
  context.onReload(reloads.ask);
  context.services.onSecrets();
  await ensureCallers(serving);
  await prepareAttested(context, config);
  const watch = await openWatch(serving);
  try {
    const { journal } = watch;
    const readConfig = async (): Promise<GatewayConfig> => {
      const next = await serving.readConfig();
      await tellUnseenTenants(context, next, journal);
      return next;
    };
    await tellUnseenTenants(context, config, journal);
    return await serveWatched({ ...serving, readConfig }, watch, reloads);
  } finally {
    await watch.close();
  }
}

async function serveWatched(serving: Serving, watch: OpenedWatch, reloads: Reloads): Promise<ExitCode> {
  const { context, session, config, onReady } = serving;
  const { ui, onTrouble } = watch;
  const anchor = createLogAnchor(session.recorder);
  const [stopped, drain] = createEnd();
  const parts = { anchor, watch, drain };
  const gateway = config.workers === 1 ? await openAlone(serving, parts) : await openWorkers(serving, parts);
  const anchoring = setInterval(() => {
    anchor.flush().catch((error: unknown) => {
      onTrouble(toCode(error), 'ledger');
    });
  }, GATEWAY_LOG_LIMITS.anchorMs);
  context.onStop(drain);
  reloads.begin(() => {
    watch.reopen();
    // What came of it is in the journal.
    gateway.reload({ isSignatureFree: false }).catch(() => undefined);
  });
  const url = toUrl(config, gateway.port);
  ui.note(`gateway at ${url}, models: ${listModels(config).join(', ')}`);
  if (gateway.runtimes.length > 0) ui.note(toRuntimeNote(gateway.runtimes));
  onReady?.(url, gateway);
  const end = async (): Promise<boolean> => {
    reloads.end();
    clearInterval(anchoring);
    const isWhole = await gateway.stop();
    await endLogAnchor(anchor, (streams) => leaveStreams(context.services.home, streams));
    return isWhole;
  };
  try {
    await Promise.race([stopped, gateway.failed]);
  } catch (error) {
    await end().catch(() => undefined);
    throw error;
  }
  ui.note('stopping: no more requests are taken');
  const isWhole = await end();
  if (!isWhole) ui.warn('answers that took too long were cut off');
  return EXIT.ok;
}

type Parts = Omit<HostParts, 'cluster' | 'onRuntime'>;

/** In this process: nothing else can fail than what is answered. */
async function openAlone(serving: Serving, parts: Parts): Promise<ServedGateway> {
  const runtimes = createRuntimesSeen();
  const host = await openHost(serving, { ...parts, cluster: null, onRuntime: runtimes.note });
  const gateway = await serveGateway({ config: serving.config, host, version: TOOL_VERSION });
  return { ...gateway, runtimes: runtimes.list(), failed: new Promise(() => undefined) };
}

/** A promise, and what fulfils it. */
function createEnd(): readonly [stopped: Promise<void>, stop: () => void] {
  let stop = (): void => undefined;
  const stopped = new Promise<void>((done) => {
    stop = done;
  });
  return [stopped, stop];
}

type Reloads = ReturnType<typeof createReloads>;

/** A service that is told to reload while it begins does so once it has begun; one that ends does not. */
function createReloads() {
  let isAsked = false;
  let work: (() => void) | null = null;
  return {
    ask: (): void => {
      isAsked = true;
      work?.();
    },
    begin: (reload: () => void): void => {
      work = reload;
      if (isAsked) reload();
    },
    end: (): void => {
      work = null;
    },
  };
}

/** With their versions, or where they are asked. */
function listModels({ models, upstreams }: GatewayConfig): readonly string[] {
  const behind = upstreams.flatMap(({ name: server, models }) => models.map(({ name }) => `${name} at ${server}`));
  return [...models.map(({ name, version }) => `${name} ${version}`), ...behind];
}

function toUrl({ listen: { host, tls } }: GatewayConfig, port: number): string {
  const name = host.includes(':') ? `[${host}]` : host;
  return `${tls === undefined ? 'http' : 'https'}://${name}:${port}`;
}
