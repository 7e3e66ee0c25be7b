/** Small requests to everybody: the gateway by API key, TLS and token, and the yardsticks, in turn on one core. */
import { writeFileSync } from 'node:fs';
import type { Ask } from './load.ts';
import {
  LISTEN,
  LISTEN_TLS,
  MODEL,
  type Place,
  startGateway,
  startNginx,
  startPortkey,
  startScript,
  toBearers,
  toUpstream,
  untilAnswered,
} from './place.ts';
import { CORE, type Server, withServers } from './processes.ts';
import { type Contestant, runRounds, type Standing } from './rounds.ts';
import type { GatewayBench } from './types.ts';

const PATH = `/v2/models/${MODEL}/infer`;
const BODY = '{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2]}]}';
const ANSWER = `{"model_name":"${MODEL}","model_version":"1","outputs":[{"name":"y","datatype":"FP32","shape":[1,2],"data":[0.25,0.75]}]}`;
const CHAT = '{"model":"m","messages":[{"role":"user","content":"A question of some twenty letters?"}]}';
export const SIGNATURE = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 2] }],
};
export const JSON_TYPE = { 'content-type': 'application/json' };

export const PORTS = { upstream: 18_901, nginx: 18_902, portkey: 18_903, streaming: 18_904 } as const;
const CONNECTIONS = 32;

const UPSTREAM = `server { listen 127.0.0.1:${PORTS.upstream}; default_type application/json;
  location / { return 200 '${ANSWER}'; } }`;

/** nginx with a rate for each credential, which nobody reaches. */
export const toLimitReq = (upstream: number, port: number, more = ''): string => `
  limit_req_zone $http_authorization zone=keys:10m rate=1000000r/s;
  upstream behind { server 127.0.0.1:${upstream}; keepalive 64; keepalive_requests 1000000000; }
  server { listen 127.0.0.1:${port}; location / {
    limit_req zone=keys burst=100000 nodelay;
    ${more}
    proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection ""; } }`;

export const startSmallUpstream = (place: Place, core: number = CORE.others): Promise<Server> =>
  startNginx(place, 'upstream', core, PORTS.upstream, UPSTREAM);
export const startLimitReq = (place: Place): Promise<Server> =>
  startNginx(place, 'limit', CORE.tested, PORTS.nginx, toLimitReq(PORTS.upstream, PORTS.nginx));

/** One row of the log for each request, one tag for each answer; hashes of tensors, which no yardstick has, apart. */
export const toConfig = (more: Record<string, unknown> = {}) => ({
  listen: LISTEN,
  upstreams: [toUpstream(PORTS.upstream, SIGNATURE)],
  integrity: { tensors: false },
  ...more,
});

export function toAsk(place: Place, url: string, credentials: readonly string[]): Ask {
  const bodyPath = place.at('small.json');
  writeFileSync(bodyPath, BODY);
  return { url, bodyPath, headers: JSON_TYPE, credentials };
}

export function toPortkeyAsk(place: Place, { port }: Server): Ask {
  const bodyPath = place.at('chat.json');
  writeFileSync(bodyPath, CHAT);
  const host = `http://127.0.0.1:${PORTS.upstream}/v1`;
  const headers = { ...JSON_TYPE, 'x-portkey-provider': 'openai', 'x-portkey-custom-host': host };
  const url = `http://127.0.0.1:${port}/v1/chat/completions`;
  return { url, bodyPath, headers, credentials: ['Bearer x'] };
}

export const toUrl = ({ port }: Server, scheme = 'http'): string => `${scheme}://127.0.0.1:${port}${PATH}`;

/** A gateway that has asked its server whether it is ready answers for it. */
export async function startReady(place: Place, name: string, config: Record<string, unknown>, core?: number) {
  const server = await startGateway(place, name, config, core === undefined ? {} : { core });
  const isTls = (config.listen as { tls?: unknown }).tls !== undefined;
  if (!isTls) await untilAnswered(toUrl(server), { authorization: toBearers(place.keys)[0] });
  return server;
}

/** A provider of tokens over https, under the authority of this place. */
async function startIssuer(place: Place): Promise<Server> {
  return startScript('issuer.js', CORE.others, [place.at('tls/server.pem'), place.at('tls/server.key'), '4']);
}

const toTokens = ({ told: { issuer } }: Server) => [
  {
    ...{ name: 'bench', issuer, audiences: ['bench'], jwksUri: `${String(issuer)}/keys`, authority: 'tls/ca.pem' },
    tenant: { name: 'bench' },
    grants: [{ claim: 'role', value: 'bench', scopes: ['infer:*'] }],
    limits: { perMinute: 600_000, burst: 100_000, concurrency: 1000 },
  },
];

export type Small = ReadonlyMap<string, Standing>;

/** Names of the standings. */
export const SMALL = {
  nginx: 'nginx limit',
  bare: 'bare-undici.js',
  gateway: 'gateway',
  defaults: 'gateway defaults',
  tls: 'gateway tls',
  signed: 'gateway signed',
  token: 'gateway token',
  portkey: 'portkey',
} as const;

export function measureSmall(bench: GatewayBench): Promise<Small> {
  const { place } = bench;
  return bench.once('small', () =>
    withServers(async (start) => {
      const upstream = await start(startSmallUpstream(place));
      const issuer = await start(startIssuer(place));
      const bearers = toBearers(place.keys);
      const tokens = toBearers(issuer.told.tokens as string[]);
      const compete = (server: Server, ask: Ask): Contestant => ({ server, ask, connections: CONNECTIONS });
      const plain = (server: Server): Contestant => compete(server, toAsk(place, toUrl(server), bearers));
      const identity = { tokens: toTokens(issuer) };
      const tls = await start(startReady(place, SMALL.tls, toConfig({ listen: LISTEN_TLS })));
      const token = await start(startReady(place, SMALL.token, toConfig({ identity })));
      const portkey = await start(startPortkey(PORTS.portkey));
      const contestants = [
        plain(await start(startLimitReq(place))),
        plain(await start(startScript('bare-undici.js', CORE.tested, [`http://127.0.0.1:${PORTS.upstream}`]))),
        plain(await start(startReady(place, SMALL.gateway, toConfig()))),
        plain(await start(startReady(place, SMALL.defaults, toConfig({ integrity: {} })))),
        plain(await start(startReady(place, SMALL.signed, toConfig({ integrity: { tensors: false, sign: true } })))),
        compete(tls, toAsk(place, toUrl(tls, 'https'), bearers)),
        compete(token, toAsk(place, toUrl(token), tokens)),
        compete(portkey, toPortkeyAsk(place, portkey)),
      ];
      return await runRounds(bench, contestants, [upstream]);
    }),
  );
}
