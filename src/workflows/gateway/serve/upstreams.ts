/** Inference servers behind the gateway: lines to them, and what answers calls for their models. */
import { ModelwardError } from '../../../core/errors.ts';
import {
  type BodyReader,
  createJointTarget,
  createProxiedTarget,
  createUpstreamProtocol,
  type GatewayConfig,
  type Target,
  type UpstreamConfig,
} from '../../../gateway/index.ts';
import type { Upstream } from '../../../gateway/ports.ts';
import { type WatchedModel, watchModels, type WatchTerms } from './upstream-watch.ts';

/** What lines are made of. */
export interface UpstreamHost {
  /** @throws GatewayError UPSTREAM_… for what cannot be used; CliError CLI_SECRET_… of the file of a token */
  readonly openLine: (config: UpstreamConfig, terms: LineTerms) => Promise<Upstream>;
  readonly openWatch: WatchTerms['openWatch'];
  /** Reads large bodies elsewhere. */
  readonly reader: BodyReader;
}

export interface LineTerms {
  readonly answerBytesMax: number;
  readonly onTrouble: (error: unknown) => void;
}

export interface UpstreamState {
  readonly name: string;
  /** Whether every model that is asked of it was ready when it was asked last. */
  readonly isReady: boolean;
}

export interface OpenedUpstreams {
  /** By the name that callers use. */
  readonly targets: ReadonlyMap<string, Target>;
  list(): readonly UpstreamState[];
  /** Requests under way over all lines. */
  readonly inFlight: number;
  /** Asks nobody any more whether he is ready; requests go on. */
  stopWatching(): void;
  close(): Promise<void>;
}

export interface UpstreamTerms {
  readonly host: UpstreamHost;
  /** Key of the hashes of what came in; null for plain SHA-256. */
  readonly hashKey: Uint8Array | null;
  /** Told the code of what is wrong, and with which server. */
  readonly onTrouble: (code: string, part: string) => void;
  /** Told when a server, or one model of it, is ready and when it is not any more. */
  readonly onReadiness: (isReady: boolean, of: UpstreamPart) => void;
}

export interface UpstreamPart {
  readonly upstream: string;
  readonly model?: string;
}

interface Opened {
  readonly name: string;
  readonly watched: readonly WatchedModel[];
  readonly targets: readonly Target[];
  readonly line: Upstream;
  close(): Promise<void>;
}

/**
 * Opens all lines, and asks each server once whether it is ready; one that is away is told, and asked again and again.
 * @throws GatewayError UPSTREAM_…; CliError CLI_SECRET_…; then no line is open
 */
export async function openUpstreams(config: GatewayConfig, terms: UpstreamTerms): Promise<OpenedUpstreams> {
  const outcomes = await Promise.allSettled(config.upstreams.map((upstream) => openUpstream(upstream, config, terms)));
  const opened = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  const close = async (): Promise<void> => {
    await Promise.all(opened.map((one) => one.close()));
  };
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) {
    await close();
    throw failed.reason;
  }
  return {
    targets: joinByName(opened.flatMap(({ targets }) => targets)),
    list: () => opened.map(({ name, watched }) => ({ name, isReady: watched.every((one) => one.isReady()) })),
    get inFlight() {
      return opened.reduce((sum, { line }) => sum + line.inFlight, 0);
    },
    stopWatching: () => {
      for (const { watched } of opened) for (const one of watched) one.stop();
    },
    close,
  };
}

async function openUpstream(upstream: UpstreamConfig, config: GatewayConfig, terms: UpstreamTerms): Promise<Opened> {
  const { name } = upstream;
  const { answerBytesMax } = config.limits;
  const tell = (code: string): void => {
    terms.onTrouble(code, `upstream ${name}`);
  };
  const onTrouble = (error: unknown): void => {
    tell(error instanceof ModelwardError ? error.code : 'UNKNOWN');
  };
  const line = await terms.host.openLine(upstream, { answerBytesMax, onTrouble });
  const protocol = createUpstreamProtocol(upstream);
  const onReadiness = (isReady: boolean, model: string | null): void => {
    terms.onReadiness(isReady, { upstream: name, ...(model !== null && { model }) });
  };
  const { openWatch } = terms.host;
  const watched = await watchModels({ upstream, line, protocol, tell, onReadiness, openWatch });
  const { parameters, openai, path, readiness } = upstream;
  const settings = { protocol: upstream.protocol, parameters, openai, path, readiness };
  const slow = { reader: terms.host.reader, settings };
  const targets = watched.map((one) => {
    const { name: model, upstreamName = model, versions } = one.model;
    return createProxiedTarget({
      ...{ model, protocol, versions, upstreamName, upstream: line, answerBytesMax, hashKey: terms.hashKey },
      ...{ isReady: () => one.isReady(), findSignature: () => one.findSignature() },
      ...{ isHashed: config.integrity.tensors, slow },
    });
  });
  return {
    ...{ name, watched, targets, line },
    close: async () => {
      for (const one of watched) one.stop();
      await line.close();
    },
  };
}

/** A model that several protocols ask for is one to callers. */
function joinByName(targets: readonly Target[]): ReadonlyMap<string, Target> {
  const byName = new Map<string, Target[]>();
  for (const target of targets) byName.set(target.model, [...(byName.get(target.model) ?? []), target]);
  return new Map(Array.from(byName, ([name, parts]) => [name, createJointTarget(name, parts)] as const));
}
