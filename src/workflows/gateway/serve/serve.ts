/** `modelward serve`: opens what a configuration names, answers until it is told to stop, and ends in good order. */
import { createPermits } from '../../../gateway/index.ts';
import { Gateway, type GatewayOptions } from './gateway.ts';
import type { GatewayHost, RunningGateway } from './host.ts';
import { openIdentity } from './identity.ts';
import { openLimits } from './limits.ts';
import { openModels } from './models.ts';
import { type OpenedOperations, openOperations } from './operations.ts';
import { openUpstreamSet } from './upstream-set.ts';

export type ServeOptions = GatewayOptions;

/**
 * @throws RuntimeError | SealError | FormatError of a model that cannot be loaded; GatewayError GATEWAY_MODEL_UNFIT; TlsError and
 *   others of the listeners; DatabaseError. What was opened is closed again.
 */
export async function serveGateway(options: ServeOptions): Promise<RunningGateway> {
  const { config, host } = options;
  const ending = new AbortController();
  const undo: (() => Promise<unknown>)[] = [];
  const end = async (): Promise<void> => {
    ending.abort();
    await endAll(undo);
    await host.endLog();
  };
  try {
    const models = await openModels(config, host);
    undo.unshift(() => models.table.close());
    const upstreams = await openUpstreamSet(config, host);
    undo.unshift(() => upstreams.close());
    const identity = await openIdentity(config, host, ending.signal);
    undo.unshift(() => identity.ended);
    const limits = openLimits(config, host, ending.signal);
    undo.unshift(() => limits.close());
    const permits = host.cluster?.permits ?? createPermits();
    const gateway = new Gateway(options, { models, upstreams, identity, limits, permits });
    const operations = await openOperations({ ...options, gateway });
    undo.unshift(() => operations.close());
    const front = await gateway.open();
    return {
      ...{ port: front.port, adminPort: operations.admin?.port ?? null, models: models.table },
      upstreams: gateway.upstreams,
      ...{ reload: gateway.reload, reloadModel: gateway.reloadModel, prepare: gateway.prepare },
      stop: async () => {
        const isWhole = await drain(host, gateway, operations);
        await end();
        return isWhole;
      },
    };
  } catch (error) {
    await end();
    throw error;
  }
}

/** Says first that it is not ready; the admin listener is asked until the last answer of the other one is given. */
async function drain(host: GatewayHost, gateway: Gateway, { admin }: OpenedOperations): Promise<boolean> {
  const { drainDelayMs, drainTimeoutMs } = gateway.config().limits;
  host.operations.journal.tell('draining', { timeoutMs: drainTimeoutMs });
  gateway.beginDraining();
  if (drainDelayMs > 0) await host.pause(drainDelayMs);
  const front = gateway.front();
  const isWhole = (await front?.drain(drainTimeoutMs)) ?? true;
  await front?.close();
  await admin?.drain(ADMIN_DRAIN_MS);
  return isWhole;
}

/** For the answer of the request that asked for the end. */
const ADMIN_DRAIN_MS = 2000;

/** In the reverse order of opening; a failure does not keep the others open. */
async function endAll(undo: readonly (() => Promise<unknown>)[]): Promise<void> {
  for (const end of undo) await end().catch(() => undefined);
}
