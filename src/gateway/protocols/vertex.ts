/**
 * The container contract of Vertex AI: a predict route that takes `instances` and gives `predictions`, and a health route,
 * as `AIP_PREDICT_ROUTE` and `AIP_HEALTH_ROUTE` name them; beside them `/v1/models/{model}:predict`.
 * @see https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements
 */
import type { Call, GatewayAnswer } from '../ports.ts';
import { toErrorAnswer, toJsonAnswer, toSentence, toToldError } from './errors.ts';
import type { Info, Protocol, Route } from './ports.ts';
import { RouteTable } from './routes.ts';
import { toEmbedded, toProxy } from './simple/codec.ts';

export interface VertexOptions {
  /** Who is asked by the predict route. */
  readonly model: string;
  /** Paths from the configuration, beginning with "/". */
  readonly predictRoute: string;
  readonly healthRoute: string;
}

const MODEL: Route = { method: 'POST', path: '/v1/models/{model}:predict', kind: 'infer', route: '' };
const VERSION: Route = {
  method: 'POST',
  path: '/v1/models/{model}/versions/{version}:predict',
  kind: 'infer',
  route: '',
};

/** @example createVertex({ model: 'classifier', predictRoute: '/predict', healthRoute: '/health' }).routes */
export function createVertex({ model, predictRoute, healthRoute }: VertexOptions): Protocol {
  const predict: Route = { method: 'POST', path: predictRoute, kind: 'infer', route: '' };
  const health: Route = { method: 'GET', path: healthRoute, kind: 'server-ready', route: '' };
  const routes = [predict, health, MODEL, VERSION];
  const table = new RouteTable('vertex', routes);
  return {
    name: 'vertex',
    routes,
    findCall: ({ method, path }) => withModel(table.find(method, path), model),
    embedded: toEmbedded({ roots: ['instances'], hasText: false }),
    proxy: toProxy(
      {
        rows: ['instances'],
        members: ['instances', 'parameters'],
        isBare: false,
        requestHeaders: [],
        answerHeaders: [],
        answerMember: 'predictions',
      },
      { infer: () => predict, ready: health },
    ),
    encodeInfo,
    encodeError: (code, fields) => {
      const told = toToldError(code, fields);
      const error = {
        code: told.status,
        message: toSentence(told),
        status: toStatusName(told.status),
        reason: told.code,
      };
      return toErrorAnswer(told, { error });
    },
  };
}

function withModel(call: Call | 'method' | null, model: string): Call | 'method' | null {
  if (call === null || call === 'method' || call.kind !== 'infer' || call.model !== null) return call;
  return { ...call, model };
}

function encodeInfo(info: Info): GatewayAnswer {
  if (info.kind !== 'server-ready') throw new TypeError(`Vertex AI has no answer for ${info.kind}`);
  return toJsonAnswer(info.isReady ? 200 : 503, JSON.stringify({ ready: info.isReady }));
}

/** @see https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto */
const STATUS_NAMES: Readonly<Record<number, string | undefined>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  405: 'UNIMPLEMENTED',
  413: 'RESOURCE_EXHAUSTED',
  415: 'INVALID_ARGUMENT',
  429: 'RESOURCE_EXHAUSTED',
  500: 'INTERNAL',
  502: 'UNAVAILABLE',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
};

function toStatusName(status: number): string {
  return STATUS_NAMES[status] ?? 'UNKNOWN';
}
