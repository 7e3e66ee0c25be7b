/**
 * TorchServe's inference API: `/predictions/{model}[/{version}]` and `/ping`. Management, metrics, workflows and
 * explanations have no row here.
 * @see https://pytorch.org/serve/inference_api.html
 */
import type { GatewayAnswer } from '../ports.ts';
import { toErrorAnswer, toJsonAnswer, toSentence, toToldError } from './errors.ts';
import type { Info, Protocol, Route } from './ports.ts';
import { RouteTable } from './routes.ts';
import { toEmbedded, toProxy } from './simple/codec.ts';

const PING: Route = { method: 'GET', path: '/ping', kind: 'server-ready', route: '' };
const PREDICT: Route = { method: 'POST', path: '/predictions/{model}', kind: 'infer', route: '' };
const PREDICT_VERSION: Route = { method: 'POST', path: '/predictions/{model}/{version}', kind: 'infer', route: '' };

const TORCHSERVE_ROUTES: readonly Route[] = [PREDICT, PREDICT_VERSION, PING];

/** @example createTorchserve().routes */
export function createTorchserve(): Protocol {
  const table = new RouteTable('torchserve', TORCHSERVE_ROUTES);
  return {
    name: 'torchserve',
    routes: TORCHSERVE_ROUTES,
    findCall: ({ method, path }) => table.find(method, path),
    embedded: toEmbedded({ roots: ['bare', 'inputs', 'instances'], hasText: true }),
    proxy: toProxy(
      {
        rows: ['inputs', 'instances'],
        members: null,
        isBare: true,
        requestHeaders: [],
        answerHeaders: [],
        answerMember: null,
      },
      { infer: (hasVersion) => (hasVersion ? PREDICT_VERSION : PREDICT), ready: PING },
    ),
    encodeInfo,
    encodeError: (code, fields) => {
      const told = toToldError(code, fields);
      return toErrorAnswer(told, { code: told.status, type: told.code, message: toSentence(told) });
    },
  };
}

function encodeInfo(info: Info): GatewayAnswer {
  if (info.kind !== 'server-ready') throw new TypeError(`TorchServe has no answer for ${info.kind}`);
  return toJsonAnswer(info.isReady ? 200 : 503, JSON.stringify({ status: info.isReady ? 'Healthy' : 'Unhealthy' }));
}
