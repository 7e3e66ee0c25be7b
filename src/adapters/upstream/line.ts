/** What both kinds of lines are made of: settings that were checked, connections that can be exchanged, counts. */
import { UPSTREAM_LIMITS } from '../../core/limits/upstream.ts';
import type { UpstreamAnswer, UpstreamRequest } from '../../gateway/ports.ts';
import { createAddressCheck } from './addresses.ts';
import { type ConnectOptions, resolveBySystem } from './connect.ts';
import { UpstreamCore } from './core.ts';
import type { Exchange } from './exchange.ts';
import { assertOwnHeaders, toOrigin } from './origin.ts';
import { readTlsMaterial, type TlsMaterial } from './tls-material.ts';
import type { OpenedUpstream, UpstreamLimits, UpstreamOptions, UpstreamStats } from './types.ts';

/** Connections that were made under one set of certificates. */
export interface Connections {
  /** Settles when none is left: at once, or after the requests that are under way. */
  close(isAtOnce: boolean): Promise<void>;
}

/** Requests are sent on the connections that are current when they begin. */
export interface Line<C extends Connections> {
  readonly core: UpstreamCore;
  readonly current: C;
}

export interface LineKind<C extends Connections> {
  connect(shared: Shared): C;
  exchange(line: Line<C>, request: UpstreamRequest, done: Done, failed: (error: unknown) => void): Exchange;
}

type Done = (answer: UpstreamAnswer) => void;

export type Shared = Omit<ConnectOptions, 'protocol'> & { readonly core: UpstreamCore };

/** @throws GatewayError as openHttpUpstream does */
export async function openLine<C extends Connections>(
  options: UpstreamOptions,
  kind: LineKind<C>,
): Promise<OpenedUpstream> {
  const { name, tls = {}, allowPlaintext = false, resolve = resolveBySystem } = options;
  const origin = toOrigin(options);
  assertOwnHeaders(options.headers ?? []);
  const addresses = createAddressCheck(options.addresses);
  const limits: UpstreamLimits = { ...UPSTREAM_LIMITS, ...options.limits };
  const core = new UpstreamCore(limits);
  const make = (material: TlsMaterial | null): C =>
    kind.connect({ core, origin, allowPlaintext, addresses, limits, resolve, tls: material });
  let material = origin.isTls ? await readTlsMaterial(tls) : null;
  const line = { core, current: make(material) };
  const leaving = new Set<Promise<void>>();
  const reload = async (): Promise<boolean> => {
    if (material === null || core.isClosed) return false;
    const next = await readTlsMaterial(tls);
    if (next.digest === material.digest) return false;
    const old = line.current;
    material = next;
    line.current = make(next);
    core.reloads++;
    const left = old.close(false).finally(() => leaving.delete(left));
    leaving.add(left);
    return true;
  };
  const stopWatching = material === null ? () => undefined : watchFiles(options, limits, reload);
  return {
    name,
    stats: toStats(core),
    send: (request) =>
      new Promise((done, failed) => {
        core.admit(kind.exchange(line, request, done, failed));
      }),
    get inFlight() {
      return core.seated.size + core.waiting.size;
    },
    reloadTls: reload,
    close: async () => {
      stopWatching();
      core.close();
      await Promise.all([line.current.close(true), ...leaving]);
    },
  };
}

/** Tells of files that cannot be taken once, and again after they could. */
function watchFiles(
  { onTrouble }: UpstreamOptions,
  limits: UpstreamLimits,
  reload: () => Promise<boolean>,
): () => void {
  let isTold = false;
  const timer = setInterval(() => {
    reload().then(
      () => {
        isTold = false;
      },
      (error: unknown) => {
        if (!isTold) onTrouble(error);
        isTold = true;
      },
    );
  }, limits.tlsPollMs).unref();
  return () => {
    clearInterval(timer);
  };
}

/** A view: each look at it shows the counts as they are then. */
function toStats(core: UpstreamCore): UpstreamStats {
  return {
    get requestsNow() {
      return core.seated.size;
    },
    get waitingNow() {
      return core.waiting.size;
    },
    get connectionsNow() {
      return core.connectionsNow;
    },
    get requests() {
      return core.requests;
    },
    get connections() {
      return core.connections;
    },
    get retries() {
      return core.retries;
    },
    get reloads() {
      return core.reloads;
    },
  };
}
