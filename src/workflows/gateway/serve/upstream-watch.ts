/** Whether models of a server behind are ready, and what the server says that they take and give. */
import { ModelwardError } from '../../../core/errors.ts';
import type { Protocol, UpstreamConfig, UpstreamModelConfig } from '../../../gateway/index.ts';
import type { Call, ModelSignature, Upstream, UpstreamAnswer, UpstreamRequest } from '../../../gateway/ports.ts';

export interface WatchOptions {
  readonly upstream: Pick<Upstream, 'send'>;
  readonly request: Omit<UpstreamRequest, 'signal'>;
  readonly judge: (answer: UpstreamAnswer) => boolean;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** So many bad answers in a row, and what was ready is not. */
  readonly failuresMax: number;
  readonly onChange: (isReady: boolean) => void;
}

export interface Watch {
  isReady(): boolean;
  /** Looks now; never rejects. */
  look(): Promise<boolean>;
  stop(): void;
}

export interface WatchTerms {
  readonly upstream: UpstreamConfig;
  readonly line: Upstream;
  readonly protocol: Protocol;
  readonly openWatch: (options: WatchOptions) => Promise<Watch>;
  readonly tell: (code: string) => void;
  /** Told when it comes and when it goes after the first look, and of which model where each is asked for. */
  readonly onReadiness: (isReady: boolean, model: string | null) => void;
}

export interface WatchedModel {
  readonly model: UpstreamModelConfig;
  isReady(): boolean;
  /** undefined while the server was to tell it, and has not yet. */
  findSignature(): ModelSignature | null | undefined;
  stop(): void;
}

/**
 * Looks once before it returns. Where the protocol asks for a model, each has a watch of its own; else one asks for the
 * server.
 */
export async function watchModels(terms: WatchTerms): Promise<readonly WatchedModel[]> {
  const { upstream } = terms;
  const isOfModel = upstream.readiness.path === undefined && upstream.protocol.startsWith('oip');
  if (!isOfModel) return watchTogether(terms, upstream.models, null);
  const watched = await Promise.all(upstream.models.map((model) => watchTogether(terms, [model], model.name)));
  return watched.flat();
}

async function watchTogether(
  terms: WatchTerms,
  models: readonly UpstreamModelConfig[],
  askedFor: string | null,
): Promise<readonly WatchedModel[]> {
  const { upstream, line, protocol, tell } = terms;
  const { intervalMs, timeoutMs, failures } = upstream.readiness;
  const lessons = models.map((model) => new Lesson(terms, model));
  let isBegun = false;
  const watch = await terms.openWatch({
    ...{ upstream: line, intervalMs, timeoutMs, failuresMax: failures },
    request: toQuestion(terms, models[0]),
    judge: (answer) => {
      const isReady = isWhole(answer) && protocol.proxy.readReady(answer);
      if (isReady) for (const lesson of lessons) void lesson.learn();
      return isReady;
    },
    onChange: (isReady) => {
      if (!isReady) tell('GATEWAY_UPSTREAM_UNREACHABLE');
      if (isBegun) terms.onReadiness(isReady, askedFor);
    },
  });
  if (await watch.look()) await Promise.all(lessons.map((lesson) => lesson.learn()));
  else tell('GATEWAY_UPSTREAM_UNREACHABLE');
  isBegun = true;
  return models.map((model, at) => ({
    model,
    isReady: () => watch.isReady() && lessons[at].signature !== undefined,
    findSignature: () => lessons[at].signature,
    stop: () => {
      watch.stop();
    },
  }));
}

/** The signature of one model: as declared, or asked of the server until it has told it once. */
class Lesson {
  signature: ModelSignature | null | undefined;
  readonly #terms: WatchTerms;
  readonly #model: UpstreamModelConfig;
  #asking: Promise<void> | null = null;
  #isTold = false;

  constructor(terms: WatchTerms, model: UpstreamModelConfig) {
    this.#terms = terms;
    this.#model = model;
    const { signature = null } = model;
    this.signature = signature === 'server' ? undefined : signature;
  }

  /** What was learnt holds until the end: answers of another form are refused. Never rejects. */
  learn(): Promise<void> {
    if (this.signature !== undefined) return Promise.resolve();
    return (this.#asking ??= this.#ask().finally(() => {
      this.#asking = null;
    }));
  }

  async #ask(): Promise<void> {
    const { line, protocol, upstream, tell } = this.#terms;
    try {
      const signal = AbortSignal.timeout(upstream.readiness.timeoutMs);
      const answer = await line.send({ ...toQuestion(this.#terms, this.#model, 'model-metadata'), signal });
      if (isWhole(answer)) this.signature = protocol.proxy.readSignature?.(answer);
    } catch (error) {
      // It is asked again at each look, and said once.
      if (!this.#isTold) tell(error instanceof ModelwardError ? error.code : 'UNKNOWN');
      this.#isTold = true;
    }
  }
}

function isWhole(answer: UpstreamAnswer): answer is UpstreamAnswer & { readonly body: Uint8Array } {
  return answer.body instanceof Uint8Array;
}

const NO_BYTES = new Uint8Array();
const SEES_ALL = { topK: null, decimals: null, isLabelOnly: false, hidden: [] };

/** From the protocol's table, or the path of the configuration. */
function toQuestion(
  { upstream, protocol }: WatchTerms,
  { name, upstreamName = name, versions }: UpstreamModelConfig,
  kind: 'model-ready' | 'model-metadata' = 'model-ready',
): Omit<UpstreamRequest, 'signal'> {
  const { path } = upstream.readiness;
  if (path !== undefined && kind === 'model-ready') {
    return { method: 'GET', path, headers: [], body: NO_BYTES, isStreamed: false };
  }
  const call: Call = { protocol: protocol.name, kind, model: name, version: null, route: '' };
  const behind = { name: upstreamName, version: versions.at(-1) ?? null, signature: null };
  return protocol.proxy.toUpstream(call, { headers: {}, body: NO_BYTES }, behind, SEES_ALL, { batchMax: 1 }).request;
}
