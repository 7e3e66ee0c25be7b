/**
 * The container contract of SageMaker hosting: `POST /invocations` and `GET /ping`. Models are not loaded or listed here
 * (`/models` of multi-model end points): which one answers is the gateway's configuration.
 * @see https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
 */
import type { Call, GatewayAnswer, HeaderList } from '../ports.ts';
import { toErrorAnswer, toSentence, toToldError } from './errors.ts';
import type { Info, Protocol, Route } from './ports.ts';
import { isName, RouteTable } from './routes.ts';
import { toEmbedded, toProxy } from './simple/codec.ts';

const PING: Route = { method: 'GET', path: '/ping', kind: 'server-ready', route: '' };
const INVOKE: Route = { method: 'POST', path: '/invocations', kind: 'infer', route: '' };

const SAGEMAKER_ROUTES: readonly Route[] = [INVOKE, PING];

/** Names the model where there are several; the value is looked up in the configuration and never goes on. */
const TARGET_HEADER = 'x-amzn-sagemaker-target-model';

export interface SagemakerOptions {
  /** Who is asked when the request names no model. */
  readonly model: string;
  /** Names of custom attributes that go on; some choose another model, version or method in the server. */
  readonly attributes?: readonly string[];
}

const ATTRIBUTES_HEADER = 'x-amzn-sagemaker-custom-attributes';
const ATTRIBUTES_MAX = 64;

/** @example createSagemaker({ model: 'classifier' }).routes */
export function createSagemaker({ model, attributes = [] }: SagemakerOptions): Protocol {
  const table = new RouteTable('sagemaker', SAGEMAKER_ROUTES);
  return {
    name: 'sagemaker',
    routes: SAGEMAKER_ROUTES,
    findCall: ({ method, path, headers }) => withTarget(table.find(method, path), headers[TARGET_HEADER], model),
    embedded: toEmbedded({ roots: ['bare', 'inputs', 'instances'], hasText: true }),
    proxy: toProxy(
      {
        rows: ['inputs', 'instances'],
        members: null,
        isBare: true,
        requestHeaders: ['x-amzn-sagemaker-inference-id'],
        toHeaders: (headers) => toAttributes(headers[ATTRIBUTES_HEADER], attributes),
        answerHeaders: [ATTRIBUTES_HEADER],
        answerMember: null,
      },
      { infer: () => INVOKE, ready: PING },
    ),
    encodeInfo,
    encodeError: (code, fields) => {
      const told = toToldError(code, fields);
      return toErrorAnswer(told, { error: toSentence(told), code: told.code });
    },
  };
}

function withTarget(call: Call | 'method' | null, target: string | undefined, model: string): Call | 'method' | null {
  if (call === null || call === 'method' || call.kind !== 'infer') return call;
  if (target === undefined) return { ...call, model };
  return isName(target) ? { ...call, model: target } : null;
}

/** Values without "=": TensorFlow Serving's container finds its own attributes also within those of others. */
const ATTRIBUTE = /^([A-Za-z0-9._-]+)=[A-Za-z0-9._:/+@-]*$/;

/** @see https://github.com/aws/sagemaker-tensorflow-serving-container, `parse_tfs_custom_attributes` */
function toAttributes(text: string | undefined, taken: readonly string[]): HeaderList {
  const words = text?.split(',', ATTRIBUTES_MAX).map((word) => word.trim()) ?? [];
  const kept = words.filter((word) => taken.includes(ATTRIBUTE.exec(word)?.[1] ?? ''));
  return kept.length === 0 ? [] : [[ATTRIBUTES_HEADER, kept.join(',')]];
}

/** The contract asks for an empty answer. */
function encodeInfo(info: Info): GatewayAnswer {
  if (info.kind !== 'server-ready') throw new TypeError(`SageMaker has no answer for ${info.kind}`);
  return { status: info.isReady ? 200 : 503, headers: [], body: new Uint8Array() };
}
