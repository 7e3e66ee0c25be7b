/**
 * Open Inference Protocol v2 over HTTP, with the binary tensor extension: KServe, Triton, MLServer, OpenVINO.
 * Repository, load, unload, trace, logging, shared memory, statistics and configuration have no row here.
 * @see https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
 * @see https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
 */
import { GATEWAY_LIMITS } from '../../../core/limits/gateway.ts';
import type { GatewayAnswer } from '../../ports.ts';
import { toErrorAnswer, toJsonAnswer, toSentence, toToldError } from '../errors.ts';
import { checkContent, findHeader } from '../headers.ts';
import type { Info, Protocol, RequestBytes, Route } from '../ports.ts';
import { RouteTable } from '../routes.ts';
import { asUpstream, toGoodHeaders } from '../upstream.ts';
import { toOipAnswer } from './answer.ts';
import { LENGTH_HEADER, type OipBody, splitBody } from './body.ts';
import { decodeOip } from './decode.ts';
import { encodeOip, toMetadata } from './encode.ts';
import { isOipReady, readOipSignature } from './metadata.ts';
import { findRoute, toOipPlan, toReadyPlan } from './proxy.ts';

const MODEL = '/v2/models/{model}';
const VERSION = '/v2/models/{model}/versions/{version}';

const OIP_ROUTES: readonly Route[] = [
  { method: 'POST', path: `${MODEL}/infer`, kind: 'infer', route: '' },
  { method: 'POST', path: `${VERSION}/infer`, kind: 'infer', route: '' },
  { method: 'GET', path: `${MODEL}/ready`, kind: 'model-ready', route: '' },
  { method: 'GET', path: `${VERSION}/ready`, kind: 'model-ready', route: '' },
  { method: 'GET', path: MODEL, kind: 'model-metadata', route: '' },
  { method: 'GET', path: VERSION, kind: 'model-metadata', route: '' },
  { method: 'GET', path: '/v2/health/live', kind: 'server-live', route: '' },
  { method: 'GET', path: '/v2/health/ready', kind: 'server-ready', route: '' },
  { method: 'GET', path: '/v2', kind: 'server-metadata', route: '' },
  { method: 'GET', path: '/v2/', kind: 'server-metadata', route: '' },
];

export interface OipOptions {
  /**
   * Parameters of requests that are taken beside those of the binary extension. Of a server behind: none of them may name
   * memory, files or outputs of another kind.
   */
  readonly parameters?: readonly string[];
}

/** How MLServer tells its codecs what a tensor is; changes nothing of what is answered. */
const HARMLESS_PARAMETERS = ['content_type'];

const TYPES = ['', 'application/json', 'application/octet-stream'];
const ANSWER_HEADERS = ['content-type', LENGTH_HEADER];

/** @example createOip().findCall({ method: 'GET', path: '/v2', headers: {}, body }) */
export function createOip(options: OipOptions = {}): Protocol {
  const table = new RouteTable('oip', OIP_ROUTES);
  const parameters = new Set([...HARMLESS_PARAMETERS, ...(options.parameters ?? [])]);
  return {
    name: 'oip',
    routes: OIP_ROUTES,
    findCall: ({ method, path }) => table.find(method, path),
    embedded: {
      isSlow: isSlowJson,
      decode: (request, signature, caps) => decodeOip(toBody(request), signature, caps, parameters),
      encode: encodeOip,
    },
    proxy: {
      isSlow: isSlowJson,
      toUpstream: (call, request, model, policy, caps) => {
        const route = findRoute(OIP_ROUTES, call.kind, model.version !== null && call.kind !== 'server-ready');
        if (call.kind !== 'infer') return toReadyPlan(route, model);
        return toOipPlan(route, toBody(request), request, model, { policy, caps, parameters });
      },
      toAnswerHeaders: (_plan, answer) => toGoodHeaders(answer, ANSWER_HEADERS),
      toAnswer: (_plan, answer, rules) => {
        const headers = toGoodHeaders(answer, ANSWER_HEADERS);
        return asUpstream(() => {
          const body = splitBody(answer.body, findHeader(headers, LENGTH_HEADER), 'GATEWAY_UPSTREAM_MALFORMED');
          return toOipAnswer(body, rules);
        });
      },
      toEvents: null,
      readReady: isOipReady,
      readSignature: readOipSignature,
    },
    encodeInfo,
    encodeError: (code, fields) => {
      const told = toToldError(code, fields);
      return toErrorAnswer(told, { error: toSentence(told), code: told.code });
    },
  };
}

function toBody({ headers, body }: RequestBytes): OipBody {
  checkContent(headers, TYPES);
  return splitBody(body, headers[LENGTH_HEADER], 'GATEWAY_INPUT_MALFORMED');
}

/** Binary values cost next to nothing; it is the JSON that blocks. */
function isSlowJson({ headers, body }: RequestBytes): boolean {
  const header = headers[LENGTH_HEADER];
  return (header === undefined ? body.length : Number(header)) > GATEWAY_LIMITS.loopJsonBytesMax;
}

function encodeInfo(info: Info): GatewayAnswer {
  switch (info.kind) {
    case 'server-live':
      return toJsonAnswer(200, '{"live":true}');
    case 'server-ready':
      return toJsonAnswer(info.isReady ? 200 : 503, JSON.stringify({ ready: info.isReady, live: true }));
    case 'server-metadata': {
      const { name, version } = info;
      return toJsonAnswer(200, JSON.stringify({ name, version, extensions: ['binary_tensor_data'] }));
    }
    case 'model-ready':
      return toJsonAnswer(info.isReady ? 200 : 503, JSON.stringify({ name: info.name, ready: info.isReady }));
    case 'model-metadata': {
      const { name, versions, signature } = info;
      const inputs = signature.inputs.map(toMetadata);
      const outputs = signature.outputs.map(toMetadata);
      // The protocol wants a platform; which engine runs behind is nobody's business.
      return toJsonAnswer(200, JSON.stringify({ name, versions, platform: 'modelward', inputs, outputs }));
    }
    default:
      throw new TypeError('the Open Inference Protocol has no list of models');
  }
}
