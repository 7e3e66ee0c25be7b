/** Calls for a model of an inference server behind the gateway. */
import { GatewayError } from '../../core/errors.ts';
import type { GatewayAnswer, HeaderList, ModelSignature, Upstream, UpstreamAnswer } from '../ports.ts';
import type { AnswerRules, Protocol, ProxyCodec, UpstreamPlan } from '../protocols/ports.ts';
import { type Trace, toTraceParent } from '../telemetry/index.ts';
import { hashTensors } from '../tensors/hash.ts';
import type { UpstreamSettings } from '../protocols/choose.ts';
import type { BodyReader } from './body-reader.ts';
import type { Asked, Prepared, Target } from './ports.ts';

export interface ProxiedOptions {
  /** As callers name it. */
  readonly model: string;
  /** As the server speaks it: callers speak the same. */
  readonly protocol: Pick<Protocol, 'name' | 'proxy'>;
  /** Versions that callers may ask for; empty where they may ask for none. */
  readonly versions: readonly string[];
  /** What the server calls the model. */
  readonly upstreamName: string;
  /**
   * As declared; null holds answers against the form of the protocol alone, undefined is not known yet: then the model is
   * not ready.
   */
  readonly findSignature: () => ModelSignature | null | undefined;
  readonly upstream: Upstream;
  /** Whether the server was ready when it was asked last. */
  readonly isReady: () => boolean;
  readonly answerBytesMax: number;
  /** Whether tensors of requests are hashed for the log, and of answers for what stands within them. */
  readonly isHashed: boolean;
  /** Key of the hashes of what came in; null for plain SHA-256. */
  readonly hashKey: Uint8Array | null;
  /** Reads large bodies elsewhere, by the same settings; without it they are read here. */
  readonly slow?: { readonly reader: BodyReader; readonly settings: UpstreamSettings };
}

const ANY_VERSION = '';

export function createProxiedTarget(options: ProxiedOptions): Target {
  const { model, versions, protocol, findSignature } = options;
  const isThere = (version: string | null): boolean => version === null || versions.includes(version);
  return {
    model,
    versions: () => versions,
    isAskedBy: ({ name }) => name === protocol.name,
    isReady: (version) => isThere(version) && findSignature() !== undefined && options.isReady(),
    findSignature: (version) => (isThere(version) ? (findSignature() ?? null) : null),
    prepare: (asked) =>
      isThere(asked.call.version) && asked.protocol.name === protocol.name ? prepare(options, asked) : null,
  };
}

/** @throws GatewayError GATEWAY_MODEL_UNAVAILABLE; those of ProxyCodec.toUpstream */
function prepare(options: ProxiedOptions, asked: Asked): Prepared | Promise<Prepared> {
  const { upstreamName: name, isHashed, slow } = options;
  const { proxy } = options.protocol;
  const { call, request, principal, batchMax } = asked;
  const signature = options.findSignature();
  if (signature === undefined) throw new GatewayError('GATEWAY_MODEL_UNAVAILABLE');
  const model = { name, version: call.version, signature };
  const [policy, caps] = [principal.output, { batchMax, isHashed }];
  if (slow === undefined || !proxy.isSlow(request)) {
    return toPrepared(options, asked, { signature, plan: proxy.toUpstream(call, request, model, policy, caps) });
  }
  return slow.reader
    .plan({ settings: slow.settings, call, request, model, policy, caps })
    .then((plan) => toPrepared(options, asked, { signature, plan }));
}

interface Planned {
  readonly signature: ModelSignature | null;
  readonly plan: UpstreamPlan;
}

function toPrepared(options: ProxiedOptions, asked: Asked, { signature, plan }: Planned): Prepared {
  const { answerBytesMax, isHashed, hashKey } = options;
  const { proxy } = options.protocol;
  const { call, request, principal, trace } = asked;
  const answering = { name: options.model, version: call.version ?? ANY_VERSION };
  const { items } = plan;
  const rules: AnswerRules = { call, model: answering, signature, policy: principal.output, items, answerBytesMax };
  return {
    version: answering.version,
    items,
    tensorHash: plan.tensors === undefined ? null : hashTensors(plan.tensors, { key: hashKey }),
    run: async (inBand) => {
      // Written out: to copy an object and name a member of it anew takes V8 a microsecond.
      const { method, path, body, isStreamed } = plan.request;
      const headers = toTracedHeaders(plan.request.headers, trace ?? null);
      const answer = await options.upstream.send({ method, path, headers, body, isStreamed, signal: request.signal });
      if (!isCollected(answer)) return toStreamed(proxy, { plan, answer, rules });
      if (answer.isRequestSent === true) request.freeBody?.();
      return proxy.toAnswer(plan, answer, isHashed ? { ...rules, inBand } : rules);
    },
  };
}

/** The server behind is part of the caller's trace. */
function toTracedHeaders(headers: HeaderList, trace: Trace | null): HeaderList {
  if (trace === null) return headers;
  const traced = [...headers, ['traceparent', toTraceParent(trace)] as const];
  return trace.state === null ? traced : [...traced, ['tracestate', trace.state] as const];
}

function isCollected(answer: UpstreamAnswer): answer is UpstreamAnswer & { readonly body: Uint8Array } {
  return answer.body instanceof Uint8Array;
}

interface Streamed {
  readonly plan: UpstreamPlan;
  readonly answer: UpstreamAnswer;
  readonly rules: AnswerRules;
}

/** @throws GatewayError GATEWAY_UPSTREAM_MALFORMED | GATEWAY_UPSTREAM_REFUSED */
function toStreamed(proxy: ProxyCodec, { plan, answer, rules }: Streamed): GatewayAnswer {
  const { body } = answer;
  try {
    const headers = proxy.toAnswerHeaders(plan, answer);
    if (proxy.toEvents === null || body instanceof Uint8Array) throw new GatewayError('GATEWAY_UPSTREAM_MALFORMED');
    return { status: answer.status, headers, body: endWith(proxy.toEvents(body, rules), body) };
  } catch (error) {
    // Nobody will read it: the server is told to stop.
    if (!(body instanceof Uint8Array)) void body[Symbol.asyncIterator]().return?.();
    throw error;
  }
}

/** A generator that has not begun does not hear that nobody wants it: the server's stream is told beside. */
function endWith(events: AsyncIterable<Uint8Array>, source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]: () => {
      const [outer, inner] = [events[Symbol.asyncIterator](), source[Symbol.asyncIterator]()];
      return {
        next: () => outer.next(),
        return: async () => {
          await inner.return?.();
          await outer.return?.();
          return { done: true, value: undefined };
        },
      };
    },
  };
}
