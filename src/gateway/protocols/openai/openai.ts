/**
 * The part of OpenAI's API that asks text models: chat, completions, embeddings, and the list of models. Files,
 * fine-tuning, assistants, batches and the loading of adapters have no row here.
 * @see https://platform.openai.com/docs/api-reference
 */
import { GatewayError } from '../../../core/errors.ts';
import { GATEWAY_LIMITS } from '../../../core/limits/gateway.ts';
import type { GatewayAnswer, HeaderList } from '../../ports.ts';
import { refuse } from '../../tensors/refuse.ts';
import { type ToldError, toErrorAnswer, toJsonAnswer, toSentence, toToldError } from '../errors.ts';
import { checkContent, findHeader, toMediaType } from '../headers.ts';
import type { Info, Protocol, RequestBytes, Route, UpstreamPlan } from '../ports.ts';
import { RouteTable } from '../routes.ts';
import { toGoodHeaders } from '../upstream.ts';
import { toOpenAiBody, toOpenAiEvents } from './answer.ts';
import { checkMedia } from './media.ts';
import { type Members, readMembers, rebuild } from './members.ts';
import { checkNames, checkPolicy, checkTokens, countAnswers, readFlag, readModel } from './request.ts';

/** For whatever went wrong behind in the middle of a stream. */
const REFUSED = 'GATEWAY_UPSTREAM_REFUSED';
const LIST: Route = { method: 'GET', path: '/v1/models', kind: 'model-list', route: '' };

const OPENAI_ROUTES: readonly Route[] = [
  { method: 'POST', path: '/v1/chat/completions', kind: 'infer', route: 'chat/completions' },
  { method: 'POST', path: '/v1/completions', kind: 'infer', route: 'completions' },
  { method: 'POST', path: '/v1/embeddings', kind: 'infer', route: 'embeddings' },
  LIST,
];

export interface OpenAiOptions {
  /** Members of requests that are taken beside those of {@link MEMBERS}, such as `guided_json`; in small letters. */
  readonly members?: readonly string[];
  /** Tokens of one answer: a request for more is refused, and one that says nothing goes on with this number. */
  readonly maxTokens?: number;
  /** False: event streams are refused. */
  readonly hasStreams?: boolean;
  /** True: messages may name addresses, which the server then asks. */
  readonly hasRemoteMedia?: boolean;
}

const EVENTS = 'text/event-stream';

/** @example createOpenAi().routes */
export function createOpenAi(options: OpenAiOptions = {}): Protocol {
  const table = new RouteTable('openai', OPENAI_ROUTES);
  const extra = new Set(options.members ?? []);
  return {
    name: 'openai',
    routes: OPENAI_ROUTES,
    findRoute: ({ method, path }) => table.find(method, path),
    findCall: ({ method, path, headers, body }) => {
      const call = table.find(method, path);
      if (call === null || call === 'method' || call.kind !== 'infer') return call;
      return { ...call, model: readModel(readBody({ headers, body })) };
    },
    embedded: null,
    proxy: {
      isSlow: ({ body }) => body.length > GATEWAY_LIMITS.loopSkimBytesMax,
      toUpstream: (call, request, model, policy, caps) => {
        if (call.kind !== 'infer') return toPlan('GET', LIST.path, [], new Uint8Array(), false, 1);
        const members = readBody(request);
        checkNames(members, call.route, extra);
        checkPolicy(members, call.route, policy);
        if (options.hasRemoteMedia !== true) checkMedia(members);
        const items = countAnswers(members, caps.batchMax);
        const isStreamed = readFlag(members, 'stream');
        if (isStreamed && options.hasStreams === false) refuse('GATEWAY_OUTPUT_NOT_ALLOWED', 'stream');
        const body = toBody(members, model.name, checkTokens(members, call.route, options.maxTokens));
        const headers = [['content-type', 'application/json'] as const];
        return toPlan('POST', `/v1/${call.route}`, headers, body, isStreamed, items);
      },
      toAnswerHeaders: (plan, answer) => {
        const headers = toGoodHeaders(answer, ['content-type']);
        const type = toMediaType({ 'content-type': findHeader(headers, 'content-type') });
        if (type !== (plan.request.isStreamed ? EVENTS : 'application/json')) {
          throw new GatewayError('GATEWAY_UPSTREAM_MALFORMED', { fields: { at: 'content-type' } });
        }
        return plan.request.isStreamed ? [...headers, ['cache-control', 'no-store']] : headers;
      },
      toAnswer: (_plan, answer, rules) => {
        const headers = toGoodHeaders(answer, ['content-type']);
        return { status: 200, headers, body: toOpenAiBody(answer.body, rules) };
      },
      readReady: ({ status }) => status === 200,
      readSignature: null,
      toEvents: (body, rules) =>
        toOpenAiEvents(body, rules, { code: REFUSED, body: toErrorText(toToldError(REFUSED)) }),
    },
    encodeInfo,
    encodeError: (code, fields) => {
      const told = toToldError(code, fields);
      return toErrorAnswer(told, toErrorBody(told));
    },
  };
}

function readBody({ headers, body }: RequestBytes): Members {
  checkContent(headers, ['application/json']);
  return readMembers(body, 'GATEWAY_INPUT_MALFORMED');
}

/** The body under the server's name of the model, and with a cap of tokens where one is to be said; as it came where it can. */
function toBody(members: Members, model: string, tokens: number | null): Uint8Array {
  const isSame = model === readModel(members);
  if (isSame && tokens === null) return members.bytes;
  const { byName } = members;
  const said: Record<string, string> = tokens === null ? {} : { max_tokens: String(tokens) };
  const replaced = { ...(!isSame && { model: JSON.stringify(model) }), ...(byName.has('max_tokens') && said) };
  return rebuild(members, new Set(byName.keys()), replaced, byName.has('max_tokens') ? {} : said);
}

function toPlan(
  method: string,
  path: string,
  headers: HeaderList,
  body: Uint8Array,
  isStreamed: boolean,
  items: number,
): UpstreamPlan {
  return { request: { method, path, headers, body, isStreamed }, items };
}

/** @see https://platform.openai.com/docs/guides/error-codes */
const ERROR_TYPES: Readonly<Record<number, string | undefined>> = {
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  429: 'rate_limit_error',
};

function toErrorBody(told: ToldError): unknown {
  const type = ERROR_TYPES[told.status] ?? (told.status < 500 ? 'invalid_request_error' : 'server_error');
  return { error: { message: toSentence(told), type, param: told.fields.at ?? null, code: told.code } };
}

function toErrorText(told: ToldError): string {
  return JSON.stringify(toErrorBody(told));
}

function encodeInfo(info: Info): GatewayAnswer {
  if (info.kind === 'model-list') {
    const data = info.models.map((id) => ({ id, object: 'model', created: 0, owned_by: 'modelward' }));
    return toJsonAnswer(200, JSON.stringify({ object: 'list', data }));
  }
  if (info.kind !== 'server-ready') throw new TypeError(`OpenAI's API has no answer for ${info.kind}`);
  return toJsonAnswer(info.isReady ? 200 : 503, JSON.stringify({ ready: info.isReady }));
}
