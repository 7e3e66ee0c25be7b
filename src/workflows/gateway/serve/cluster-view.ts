/** What is seen of a gateway of several processes in the first of them, which has the admin listener and answers nobody else. */
import type { GatewayConfig } from '../../../gateway/index.ts';
import type { RunningCluster } from './cluster.ts';
import type { WorkerStatus } from './cluster-messages.ts';
import { type IdentityHost, type OpenedIdentity, openIdentity } from './identity.ts';
import { type GatewayView, openOperations, type OperationsHost } from './operations.ts';
import { assertFollowed, type ChangeTerms, createTurns, listChanges, tellModelReload, tellReload } from './reload.ts';

export interface ClusterOperationsOptions {
  readonly host: OperationsHost & IdentityHost;
  readonly version: string;
  readonly cluster: Pick<RunningCluster, 'readStatus' | 'change'>;
  readonly workers: number;
  /** The configuration in force, which workers that begin get. */
  readonly config: { readonly get: () => GatewayConfig; readonly set: (next: GatewayConfig) => void };
  /** Without what the first process does for all. */
  readonly toWorkerConfig: (config: GatewayConfig) => GatewayConfig;
}

export interface ClusterOperations {
  /** Of the admin listener; null without one. */
  readonly adminPort: number | null;
  readonly reload: GatewayView['reload'];
  /** Ends it all, after the answers of the admin listener that are under way. */
  close(): Promise<void>;
}

const LOOK_MS = 1000;
/** For the answer of the request that asked for the end. */
const DRAIN_MS = 2000;

/** @throws DatabaseError; TlsError and others of the admin listener */
export async function openClusterOperations(options: ClusterOperationsOptions): Promise<ClusterOperations> {
  const { host, version, config, cluster } = options;
  const ending = new AbortController();
  const identity = await openIdentity(config.get(), host, ending.signal);
  let seen = await cluster.readStatus();
  const looking = look(host, ending.signal, async () => {
    seen = await cluster.readStatus();
  });
  const end = async (): Promise<void> => {
    ending.abort();
    await Promise.all([looking, identity.ended]);
  };
  try {
    const gateway = toView(options, identity, () => seen);
    const operations = await openOperations({ config: config.get(), host, version, gateway });
    return {
      ...{ adminPort: operations.admin?.port ?? null, reload: gateway.reload },
      close: async () => {
        await operations.admin?.drain(DRAIN_MS);
        await operations.close();
        await end();
      },
    };
  } catch (error) {
    await end();
    throw error;
  }
}

async function look({ pause }: IdentityHost, signal: AbortSignal, act: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    await act();
    await pause(LOOK_MS, signal);
  }
}

function toView(
  options: ClusterOperationsOptions,
  identity: OpenedIdentity,
  seen: () => readonly WorkerStatus[],
): GatewayView {
  const { config, cluster, workers, host } = options;
  const list = (): WorkerStatus['models'] => joinModels(seen());
  const upstreams = (): WorkerStatus['upstreams'] => joinUpstreams(seen());
  const takeTurn = createTurns();
  return {
    ...{ config: config.get, upstreams, models: { table: { list } }, isElsewhere: true },
    identifier: identity.identifier,
    front: () => null,
    inFlight: () => 0,
    isReady: () => seen().length === workers && [...list(), ...upstreams()].every(({ isReady }) => isReady),
    reload: (terms) => takeTurn(() => tellReload(host.operations, () => takeUp(options, identity, terms))),
    reloadModel: (name, version, terms) =>
      takeTurn(() =>
        tellModelReload(host.operations, { name, version }, () =>
          cluster.change({ kind: 'model', name, version, terms }, () => undefined),
        ),
      ),
  };
}

/** All processes, or none. @returns names of the members that are others than before */
async function takeUp(
  { host, config, cluster, toWorkerConfig }: ClusterOperationsOptions,
  identity: OpenedIdentity,
  terms: ChangeTerms,
): Promise<readonly string[]> {
  const next = await host.operations.readConfig();
  const members = listChanges(config.get(), next);
  assertFollowed(members);
  const own = await identity.prepare(next, terms);
  try {
    await cluster.change({ kind: 'config', config: toWorkerConfig(next), terms }, () => {
      own.commit();
      config.set(next);
    });
  } catch (error) {
    await own.discard();
    throw error;
  }
  return members;
}

/** Ready where it is ready in all; waiting is what waits in all together. */
function joinModels(all: readonly WorkerStatus[]): WorkerStatus['models'] {
  const joined = new Map<string, WorkerStatus['models'][number]>();
  for (const model of all.flatMap(({ models }) => models)) {
    const id = `${model.name} ${model.version}`;
    const known = joined.get(id);
    const isReady = model.isReady && known?.isReady !== false;
    joined.set(id, { ...model, isReady, load: model.load + (known?.load ?? 0) });
  }
  return [...joined.values()];
}

function joinUpstreams(all: readonly WorkerStatus[]): WorkerStatus['upstreams'] {
  const joined = new Map<string, boolean>();
  for (const { name, isReady } of all.flatMap(({ upstreams }) => upstreams)) {
    joined.set(name, isReady && joined.get(name) !== false);
  }
  return Array.from(joined, ([name, isReady]) => ({ name, isReady }));
}
