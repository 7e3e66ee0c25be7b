/** What a gateway of the command line is made of: tables, log, models, listener, and what it says of trouble. */
import { ModelwardError } from '../../../core/errors.ts';
import { ADMIN_LIMITS } from '../../../core/limits/admin.ts';
import { createAnswerSealer, type GatewayConfig, type ModelConfig, toFrontLimits } from '../../../gateway/index.ts';
import type { GatewayHandler } from '../../../gateway/ports.ts';
import type { LoadedSession } from '../../../model/runtime.ts';
import type { LogAnchor } from '../../../workflows/gateway/anchors.ts';
import type { GatewayHost, LedgerUse, SharedLimits } from '../../../workflows/gateway/serve/index.ts';
import { openGatewayKey } from '../../../workflows/gateway/signing-key.ts';
import type { CliContext } from '../../context.ts';
import { readHasher } from '../apikey/flags.ts';
import { gatewayClocks, openFront, openLog, toPlainOpener } from './compose.ts';
import { openIssuerLinks } from './identity/compose.ts';
import { toReleasedOpener } from './broker/released.ts';
import { openLogTables } from './operations/compose.ts';
import type { OpenedWatch } from './operations/open.ts';
import { createUpstreamHost } from './upstreams/compose.ts';
import { openStores } from './stores/stores.ts';

export interface HostOptions {
  readonly context: CliContext;
  readonly session: { readonly recorder: LedgerUse };
  readonly config: GatewayConfig;
  readonly flags: { readonly pepperFile?: string; readonly keyPassphraseFile?: string };
  /** The configuration as it is written now. */
  readonly readConfig: () => Promise<GatewayConfig>;
}

export interface HostParts {
  /** Told of checkpoints of the log. */
  readonly anchor: Pick<LogAnchor, 'note'>;
  readonly watch: OpenedWatch;
  /** What the processes of this machine count together; null in one that answers alone. */
  readonly cluster: SharedLimits | null;
  /** Tells that the gateway is to end. */
  readonly drain: () => void;
  /** Told of what runs a model, for each instance. */
  readonly onRuntime: (runtime: LoadedSession['runtime']) => void;
}

export async function openHost(
  { context, session, config, flags, readConfig }: HostOptions,
  { anchor, watch, cluster, drain, onRuntime }: HostParts,
): Promise<GatewayHost> {
  const { services } = context;
  const { ui, onTrouble } = watch;
  const key = await openGatewayKey({ ...services, recorder: session.recorder });
  // Before anything is opened that would keep the process.
  const hasher = readHasher(context, { pepperFile: flags.pepperFile ?? config.identity.pepperFile });
  const stores = await openStores(context, config);
  const { keys, budgets, counter } = stores;
  const opened = await openLog({
    ...{ home: services.home, key, database: stores.log },
    onCheckpoint: (news) => {
      anchor.note(news);
    },
    onTrouble: (code) => {
      onTrouble(code, 'log');
    },
  }).catch(async (error: unknown) => {
    await stores.close();
    throw error;
  });
  const upstreams = createUpstreamHost();
  return {
    ...gatewayClocks,
    ...{
      keys,
      budgets,
      log: opened.log,
      onTrouble,
      meter: watch.meter,
    },
    hasher,
    cluster,
    shared: {
      ...{ counter, openIssuerLinks: (identity) => openIssuerLinks(context, identity) },
      onRecovered: (part) => {
        ui.note(`${part}: works again`);
      },
    },
    sealer: createAnswerSealer({ signer: key.signer, isAlwaysSigned: config.integrity.sign }),
    upstreams,
    toOpener: (model) => {
      const open = toOpener(context, session, model);
      return async () => {
        const loaded = await open();
        onRuntime(loaded.runtime);
        return loaded;
      };
    },
    endLog: async () => {
      await Promise.all([opened.end(), upstreams.close()]);
      await stores.close();
    },
    openFront: (handler, greet) => {
      const terms = { listen: config.listen, limits: toFrontLimits(config), onTrouble: toTeller(watch, 'data') };
      return openFront({ ...terms, greet }, handler);
    },
    operations: {
      ...watch.operations,
      ...{ readConfig, drain, logNumbers: opened.numbers },
      openLogDatabase: () => openLogTables(stores.log),
      openAdminFront: (handler) => openAdminFront({ config, watch }, handler),
    },
  };
}

/** @throws TlsError for the files; GatewayError SERVER_LISTEN_FAILED */
export function openAdminFront(
  { config, watch }: { readonly config: GatewayConfig; readonly watch: OpenedWatch },
  handler: GatewayHandler,
): ReturnType<typeof openFront> {
  const { admin: listen = config.listen } = config;
  const limits = { bodyBytesMax: ADMIN_LIMITS.bodyBytesMax };
  return openFront({ listen, limits, onTrouble: toTeller(watch, 'admin') }, handler);
}

function toTeller({ journal }: OpenedWatch, listener: string): (error: unknown) => void {
  return (error) => {
    journal.fault(error, { part: `listener ${listener}` });
  };
}

/** A sealed model is loaded in a process, its key asked for and logged each time; a plain one in a thread. */
function toOpener(
  context: CliContext,
  session: HostOptions['session'],
  model: ModelConfig,
): () => Promise<LoadedSession> {
  const { services } = context;
  const { broker } = model;
  if (broker !== undefined) return toReleasedOpener(context, { file: model.file, broker });
  const plain = toPlainOpener(model);
  return async () => {
    if (!(await isSealedFile(services, model.file))) return plain();
    // Readers of model files are large, and a gateway that only hands on has none.
    const { loadSealed } = await import('../../../workflows/run-model.ts');
    const { file: path, envelope: envelopePath, key: keyUri = null } = model;
    return loadSealed(services, session, { path, envelopePath, keyUri });
  };
}

async function isSealedFile(services: CliContext['services'], file: string): Promise<boolean> {
  const [{ openLocation }, { isSeal }] = await Promise.all([
    import('../../../workflows/locations.ts'),
    import('../../../seal/index.ts'),
  ]);
  const source = await openLocation(services, file);
  const isSealed = isSeal(source);
  source.close();
  return isSealed;
}

export function toCode(error: unknown): string {
  return error instanceof ModelwardError ? error.code : 'UNKNOWN';
}
