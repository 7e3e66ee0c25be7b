/** What the simple protocols have in common beside their routes. */
import { GATEWAY_LIMITS } from '../../../core/limits/gateway.ts';
import type { EmbeddedCodec, ProxyCodec, Route, UpstreamPlan } from '../ports.ts';
import { toPath } from '../routes.ts';
import { decodeSimple, type SimpleRules } from './body.ts';
import { encodeSimple } from './encode.ts';
import { type SimpleProxyRules, toSimpleAnswers, toSimplePlan } from './proxy.ts';

export function toEmbedded(rules: SimpleRules): EmbeddedCodec {
  return {
    isSlow: ({ headers, body }) =>
      body.length > GATEWAY_LIMITS.loopJsonBytesMax && headers['content-type'] !== 'application/octet-stream',
    decode: (request, signature, caps) => decodeSimple(request, signature, caps, rules),
    encode: encodeSimple,
  };
}

export interface SimpleRoutes {
  /** The row that the server behind is asked by, for inference; its own path, whatever that of the caller was. */
  readonly infer: (hasVersion: boolean) => Route;
  /** The row that tells whether it is ready. */
  readonly ready: Route;
}

export function toProxy(rules: SimpleProxyRules, routes: SimpleRoutes): ProxyCodec {
  return {
    toUpstream: (call, request, model, _policy, caps) => {
      if (call.kind !== 'infer') return toReady(routes.ready);
      const path = toPath(routes.infer(model.version !== null), model.name, model.version);
      return toSimplePlan(request, path, caps, rules);
    },
    ...toSimpleAnswers(rules),
  };
}

function toReady({ path }: Route): UpstreamPlan {
  return { request: { method: 'GET', path, headers: [], body: new Uint8Array(), isStreamed: false }, items: 1 };
}
