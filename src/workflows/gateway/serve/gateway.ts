/** A gateway at work: the configuration in force, and the handler that was made of it; both are replaced together. */
import {
  behindProxies,
  createGateway,
  createGreeter,
  type GatewayConfig,
  type Permits,
} from '../../../gateway/index.ts';
import type { GatewayHandler } from '../../../gateway/ports.ts';
import type { GatewayFront, GatewayHost } from './host.ts';
import type { OpenedIdentity } from './identity.ts';
import { type OpenedLimits, toAddresses } from './limits.ts';
import type { OpenedModels } from './models.ts';
import type { GatewayView } from './operations.ts';
import {
  assertFollowed,
  type Change,
  type ChangeAsk,
  type ChangeTerms,
  createTurns,
  listChanges,
  prepareAll,
  tellModelReload,
  tellReload,
} from './reload.ts';
import { toProtocols, toTargets } from './targets.ts';
import type { UpstreamSet } from './upstream-set.ts';

export interface GatewayOptions {
  readonly config: GatewayConfig;
  readonly host: GatewayHost;
  /** Name and version of this program, for metadata. */
  readonly version: string;
}

export interface GatewayParts {
  readonly models: OpenedModels;
  readonly upstreams: UpstreamSet;
  readonly identity: OpenedIdentity;
  readonly limits: OpenedLimits;
  readonly permits: Permits;
}

/** What a configuration makes of requests. */
interface Answering {
  readonly handle: GatewayHandler;
  readonly greet: ReturnType<typeof createGreeter>;
}

export class Gateway implements GatewayView {
  readonly models: OpenedModels;
  readonly isElsewhere = false;
  readonly #options: GatewayOptions;
  readonly #parts: GatewayParts;
  readonly #addresses: ReturnType<typeof toAddresses>;
  readonly #takeTurn = createTurns();
  #config: GatewayConfig;
  #answering: Answering;
  #front: GatewayFront | null = null;
  #isDraining = false;

  constructor(options: GatewayOptions, parts: GatewayParts) {
    this.#options = options;
    this.#parts = parts;
    this.models = parts.models;
    this.#addresses = toAddresses(options.config, options.host);
    this.#config = options.config;
    this.#answering = this.#compose(options.config);
  }

  readonly config = (): GatewayConfig => this.#config;
  readonly front = (): GatewayFront | null => this.#front;
  readonly identifier = () => this.#parts.identity.identifier();
  readonly inFlight = (): number => this.#parts.permits.count;
  readonly upstreams = () => this.#parts.upstreams.current().list();
  readonly isReady = (): boolean =>
    this.#front !== null &&
    !this.#isDraining &&
    [...this.models.table.list(), ...this.upstreams()].every(({ isReady }) => isReady);

  async open(): Promise<GatewayFront> {
    const { config, host } = this.#options;
    this.#front = await host.openFront(
      (request) => this.#answering.handle(request),
      (request) => this.#answering.greet(request),
    );
    const { host: address, tls } = config.listen;
    const told = { listener: 'data', host: address, port: this.#front.port, isTls: tls !== undefined };
    host.operations.journal.tell('listening', told);
    return this.#front;
  }

  beginDraining(): void {
    this.#isDraining = true;
    this.#front?.beginDraining();
  }

  /** Makes a change ready beside what is at work. @throws what it cannot be taken for; then nothing changed */
  readonly prepare = async (ask: ChangeAsk): Promise<Change> => {
    const { models, upstreams, identity } = this.#parts;
    if (ask.kind === 'model') return models.prepareModel(ask);
    const { config: next, terms } = ask;
    assertFollowed(listChanges(this.#config, next));
    const change = await prepareAll([models, upstreams, identity], next, terms);
    return {
      // No request comes between: what holds, and the handler that is made of it, change in one turn.
      commit: () => {
        change.commit();
        this.#answering = this.#compose(next);
        this.#config = next;
      },
      discard: () => change.discard(),
    };
  };

  readonly reloadModel = (name: string, version: string, terms: ChangeTerms): Promise<void> =>
    this.#takeTurn(() =>
      tellModelReload(this.#options.host.operations, { name, version }, async () => {
        (await this.prepare({ kind: 'model', name, version, terms })).commit();
      }),
    );

  readonly reload = (terms: ChangeTerms): Promise<readonly string[]> =>
    this.#takeTurn(() => {
      const { operations } = this.#options.host;
      return tellReload(operations, async () => {
        const config = await operations.readConfig();
        const members = listChanges(this.#config, config);
        (await this.prepare({ kind: 'config', config, terms })).commit();
        return members;
      });
    });

  #compose(config: GatewayConfig): Answering {
    const { host, version } = this.#options;
    const { clock, nowUs, makeRequestId, meter, sealer, log, operations } = host;
    const { models, upstreams, identity, limits, permits } = this.#parts;
    const { tracing, hashKey, journal } = operations;
    const handle = createGateway({
      ...{ nowMs: () => clock.nowMs(), nowUs, makeRequestId, meter, sealer, log, permits },
      protocols: toProtocols(config),
      targets: toTargets(config, {
        ...{ models: models.table, upstreams: upstreams.current(), hashKey },
        reader: host.upstreams.reader,
      }),
      addresses: this.#addresses,
      ...{ identifier: identity.identifier(), limiter: limits.toLimiter(config) },
      ...(tracing !== null && { tracing }),
      settings: {
        ...{ name: 'modelward', version, isHealthOpen: config.openHealth, isDraining: () => this.#isDraining },
        ...{ batchMax: config.limits.batchMax, hashKey },
      },
      onFault: (error) => {
        journal.fault(error, { part: 'request' });
      },
    });
    const greet = createGreeter({ addresses: this.#addresses, identifier: identity.identifier() });
    const { trustedProxies } = config.identity;
    return { handle: behindProxies(handle, trustedProxies), greet: behindProxies(greet, trustedProxies) };
  }
}
