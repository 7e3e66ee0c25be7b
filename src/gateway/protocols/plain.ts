/** JSON over routes of the configuration: `{"inputs": …}` gives `{"outputs": …}`, tensors as nested arrays by their names. */
import type { Call, GatewayAnswer } from '../ports.ts';
import { toErrorAnswer, toJsonAnswer, toToldError } from './errors.ts';
import type { Info, Protocol, Route } from './ports.ts';
import { RouteTable } from './routes.ts';
import { toEmbedded, toProxy } from './simple/codec.ts';

export interface PlainRoute {
  /** Beginning with "/", without names in braces. */
  readonly path: string;
  readonly model: string;
  readonly version: string | null;
}

export interface PlainOptions {
  readonly routes: readonly PlainRoute[];
  /** Path of the server behind, for inference; the caller's never goes on. */
  readonly upstreamPath?: string;
  /** Path that tells whether it is ready. */
  readonly upstreamReadyPath?: string;
}

/** @example createPlain({ routes: [{ path: '/score', model: 'classifier', version: null }] }).routes */
export function createPlain({ routes, upstreamPath = '/', upstreamReadyPath = '/' }: PlainOptions): Protocol {
  const rows = routes.map(({ path }): Route => ({ method: 'POST', path, kind: 'infer', route: path }));
  const table = new RouteTable('plain', rows);
  const infer: Route = { method: 'POST', path: upstreamPath, kind: 'infer', route: '' };
  const ready: Route = { method: 'GET', path: upstreamReadyPath, kind: 'server-ready', route: '' };
  return {
    name: 'plain',
    routes: rows,
    findCall: ({ method, path }) => withModel(table.find(method, path), routes),
    embedded: toEmbedded({ roots: ['inputs'], hasText: false }),
    proxy: toProxy(
      {
        rows: ['inputs'],
        members: ['inputs'],
        isBare: false,
        requestHeaders: [],
        answerHeaders: [],
        answerMember: 'outputs',
      },
      { infer: () => infer, ready },
    ),
    encodeInfo,
    encodeError: (code, fields) => {
      const told = toToldError(code, fields);
      return toErrorAnswer(told, { error: { code: told.code, message: told.message, ...told.fields } });
    },
  };
}

function withModel(call: Call | 'method' | null, routes: readonly PlainRoute[]): Call | 'method' | null {
  if (call === null || call === 'method') return call;
  const row = routes.find(({ path }) => path === call.route);
  return row === undefined ? null : { ...call, model: row.model, version: row.version };
}

function encodeInfo(info: Info): GatewayAnswer {
  if (info.kind !== 'server-ready') throw new TypeError(`plain routes have no answer for ${info.kind}`);
  return toJsonAnswer(info.isReady ? 200 : 503, JSON.stringify({ ready: info.isReady }));
}
