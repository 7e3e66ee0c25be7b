/** The gateway's data path in one process: the front, the steps, the protocols, lines, and servers that really speak them. */
import { createServer, type IncomingMessage, request as sendHttp, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach } from 'vitest';
import { openHttpFront } from '../../src/adapters/http-front/index.ts';
import { openHttpUpstream, type OpenedUpstream, type UpstreamLimits } from '../../src/adapters/upstream/index.ts';
import { GatewayError } from '../../src/core/errors.ts';
import { HTTP_FRONT_LIMITS } from '../../src/core/limits/http-front.ts';
import { createAddressLimiter, createPermits, type Permits } from '../../src/gateway/limits/index.ts';
import { createGateway } from '../../src/gateway/pipeline/pipeline.ts';
import type { GatewayParts } from '../../src/gateway/pipeline/parts.ts';
import type { LogRow, ModelSignature, OutputPolicy, Principal } from '../../src/gateway/ports.ts';
import {
  createOip,
  createOpenAi,
  createSagemaker,
  createTorchserve,
  createVertex,
} from '../../src/gateway/protocols/index.ts';
import { makeBareParts, makeGoodIdentifier, readNowUs } from './bare-parts.ts';
import { createProxiedTarget } from '../../src/gateway/targets/proxied.ts';

/** Planted in all that a server behind could let slip. */
export const CANARY = 'c4naryOfTheServerBehind';

export interface Behind {
  readonly url: string;
  /** Method and path of each request. */
  readonly asked: string[];
  readonly heads: IncomingMessage['headers'][];
  /** Requests that are being answered now. */
  readonly working: Set<ServerResponse>;
  answer: (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;
}

const SIGNATURE: ModelSignature = {
  inputs: [{ name: 'x', dtype: 'f32', shape: [null, 2] }],
  outputs: [{ name: 'y', dtype: 'f32', shape: [null, 2] }],
};

export const ALL: OutputPolicy = { topK: null, decimals: null, isLabelOnly: false, hidden: [] };

export interface GatewaySetting {
  /** A server of another make, instead of the one in this process. */
  readonly url?: string;
  readonly limits?: Partial<UpstreamLimits>;
  readonly policy?: OutputPolicy;
  readonly isUnsigned?: boolean;
  readonly concurrency?: number;
  /** No row is taken any more. */
  readonly isLogFull?: boolean;
}

export interface Opened {
  readonly behind: Behind;
  readonly port: number;
  readonly upstream: OpenedUpstream;
  readonly permits: Permits;
  readonly rows: LogRow[];
  readonly faults: unknown[];
  /** Settles when no request is at work: neither here nor at the server behind. */
  readonly quiet: () => Promise<void>;
}

async function openBehind(ends: (() => Promise<unknown>)[]): Promise<Behind> {
  const behind = {
    asked: [] as string[],
    heads: [] as IncomingMessage['headers'][],
    working: new Set<ServerResponse>(),
  };
  const state: Behind = { ...behind, url: '', answer: (_request, response) => response.end() };
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    state.working.add(response);
    response.on('close', () => state.working.delete(response));
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      state.asked.push(`${request.method} ${request.url}`);
      state.heads.push(request.headers);
      state.answer(request, response, Buffer.concat(chunks));
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  ends.push(() => {
    server.closeAllConnections();
    return new Promise((done) => server.close(done));
  });
  return Object.assign(state, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}

function toPrincipal(setting: GatewaySetting): Principal {
  const { concurrency = 64, policy = ALL } = setting;
  const limits = {
    perMinute: 1_000_000,
    burst: 100_000,
    daily: null,
    lifetime: null,
    concurrency,
    bodyBytesMax: 65_536,
    batchMax: 8,
  };
  return {
    id: 'key:a',
    kind: 'api-key',
    tenant: 't',
    scopes: ['infer:*', 'meta:*'],
    limits,
    output: policy,
    tagKey: null,
  };
}

/** Gateways that end with the test. One model for each protocol, called by its name. */
export function useGateways() {
  const ends: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0)) await end();
  });
  return async (setting: GatewaySetting = {}): Promise<Opened> => {
    const behind = await openBehind(ends);
    const upstream = await openHttpUpstream({
      ...{ name: 'behind', url: setting.url ?? behind.url, onTrouble: () => undefined },
      ...(setting.limits === undefined ? {} : { limits: setting.limits }),
    });
    const permits = createPermits();
    const rows: LogRow[] = [];
    const faults: unknown[] = [];
    const handler = createGateway(toParts({ setting, upstream, permits, rows, faults }));
    const front = await openHttpFront({
      ...{ host: '127.0.0.1', port: 0, tls: null, limits: HTTP_FRONT_LIMITS, handler },
      onTrouble: (error) => faults.push(error),
    });
    ends.unshift(
      () => front.close(),
      () => upstream.close(),
    );
    const isQuiet = (): boolean =>
      permits.count === 0 &&
      upstream.stats.requestsNow === 0 &&
      front.stats.requestsNow === 0 &&
      behind.working.size === 0;
    const quiet = async (): Promise<void> => {
      while (!isQuiet()) await new Promise((done) => setTimeout(done, 5));
    };
    return { behind, port: front.port, upstream, permits, rows, faults, quiet };
  };
}

interface Made {
  readonly setting: GatewaySetting;
  readonly upstream: OpenedUpstream;
  readonly permits: Permits;
  readonly rows: LogRow[];
  readonly faults: unknown[];
}

function toParts({ setting, upstream, permits, rows, faults }: Made): GatewayParts {
  const principal = toPrincipal(setting);
  const signature = setting.isUnsigned === true ? null : SIGNATURE;
  const protocols = [
    createOip(),
    createOpenAi(),
    createTorchserve(),
    createSagemaker({ model: 'sagemaker-model' }),
    createVertex({ model: 'vertex-model', predictRoute: '/predict', healthRoute: '/health' }),
  ];
  const targets = protocols.map((protocol) =>
    createProxiedTarget({
      ...{ model: `${protocol.name}-model`, protocol, versions: ['7'], upstreamName: 'inner', upstream },
      ...{ findSignature: () => (protocol.name === 'openai' ? null : signature), isReady: () => true },
      ...{ answerBytesMax: 1 << 20, isHashed: true, hashKey: null },
    }),
  );
  const bare = makeBareParts(rows);
  return {
    ...bare,
    protocols,
    targets: new Map(targets.map((target) => [target.model, target])),
    addresses: createAddressLimiter({ policy: { perMinute: 6000, burst: 1000 }, nowUs: readNowUs }),
    identifier: makeGoodIdentifier(principal),
    permits,
    log: {
      append: (row) => {
        if (setting.isLogFull === true) throw new GatewayError('GATEWAY_LOG_FULL');
        return bare.log.append(row);
      },
    },
    onFault: (error) => faults.push(error),
  };
}

export interface Asked {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

export interface Told {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  /** Latin-1. */
  readonly body: string;
  /** Everything that came, as one text. */
  readonly all: string;
}

/** Asks with a credential, unless `headers` hold another. Rejects when the answer is cut off. */
export function ask(port: number, { method = 'POST', path, headers = {}, body = '' }: Asked): Promise<Told> {
  return new Promise((done, fail) => {
    const sent = sendHttp(
      { host: '127.0.0.1', port, method, path, agent: false, headers: { authorization: 'Bearer good', ...headers } },
      (response) => {
        let text = '';
        response.setEncoding('latin1');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('error', fail);
        response.on('end', () => {
          const { statusCode: status = 0, statusMessage, rawHeaders } = response;
          done({ status, headers: response.headers, body: text, all: [statusMessage, ...rawHeaders, text].join('\n') });
        });
      },
    );
    sent.on('error', fail);
    sent.end(body);
  });
}

export const JSON_TYPE = { 'content-type': 'application/json' };

/** One good inference of each protocol, and what a server behind answers to it. */
export const CALLS: Readonly<
  Record<string, { readonly asked: Asked; readonly behind: string; readonly path: string }>
> = {
  oip: {
    asked: {
      path: '/v2/models/oip-model/infer',
      headers: JSON_TYPE,
      body: '{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2]}]}',
    },
    behind: `{"model_name":"inner-${CANARY}","outputs":[{"name":"y","datatype":"FP32","shape":[1,2],"data":[0.25,0.75]}]}`,
    path: 'POST /v2/models/inner/infer',
  },
  openai: {
    asked: {
      path: '/v1/chat/completions',
      headers: JSON_TYPE,
      body: '{"model":"openai-model","messages":[{"role":"user","content":"hi"}]}',
    },
    behind: `{"id":"1","object":"chat.completion","model":"/models/${CANARY}.gguf","choices":[{"index":0,"message":{"role":"assistant","content":"yes"}}],"timings":{"path":"${CANARY}"}}`,
    path: 'POST /v1/chat/completions',
  },
  torchserve: {
    asked: { path: '/predictions/torchserve-model', headers: JSON_TYPE, body: '[[1,2]]' },
    behind: '[[0.25,0.75]]',
    path: 'POST /predictions/inner',
  },
  sagemaker: {
    asked: { path: '/invocations', headers: JSON_TYPE, body: '{"instances":[[1,2]]}' },
    behind: '{"predictions":[[0.25,0.75]]}',
    path: 'POST /invocations',
  },
  vertex: {
    asked: { path: '/v1/models/vertex-model:predict', headers: JSON_TYPE, body: '{"instances":[[1,2]]}' },
    behind: `{"predictions":[[0.25,0.75]],"deployedModelId":"${CANARY}"}`,
    path: 'POST /predict',
  },
};
