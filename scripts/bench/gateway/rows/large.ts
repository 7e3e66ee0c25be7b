/** Bar 7: images as they are, 1 x 3 x 224 x 224 floats by the binary extension of the Open Inference Protocol. */
import { randomFillSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import type { Ask } from '../load.ts';
import { LISTEN, startNginx, startScript, toBearers, toUpstream } from '../place.ts';
import { CORE, findObstacle, type Server, withServers } from '../processes.ts';
import { type Contestant, runRounds, type Standing, toRatio, toText } from '../rounds.ts';
import { PORTS, SIGNATURE, startReady, startSmallUpstream, toLimitReq, toUrl } from '../small.ts';
import type { GatewayBench, GatewayRow } from '../types.ts';

const SHAPE = [1, 3, 224, 224];
const BYTES = 602_112;
const CONNECTIONS = 8;

function writeBody(path: string): Ask['headers'] {
  const input = { name: 'x', datatype: 'FP32', shape: SHAPE, parameters: { binary_data_size: BYTES } };
  const json = Buffer.from(JSON.stringify({ inputs: [input] }));
  const values = new Float32Array(randomFillSync(new Int16Array(BYTES / 4)));
  writeFileSync(path, Buffer.concat([json, Buffer.from(values.buffer)]));
  return { 'content-type': 'application/octet-stream', 'inference-header-content-length': String(json.length) };
}

const NGINX_PORTS = { streaming: PORTS.streaming, defaults: PORTS.nginx } as const;

function measure(bench: GatewayBench): Promise<ReadonlyMap<string, Standing>> {
  const { place } = bench;
  return bench.once('large', () =>
    withServers(async (start) => {
      const upstream = await start(startSmallUpstream(place));
      const bodyPath = place.at('image.bin');
      const headers = writeBody(bodyPath);
      const compete = (server: Server): Contestant => {
        const ask = { url: toUrl(server), bodyPath, headers, credentials: toBearers(place.keys) };
        return { server, connections: CONNECTIONS, ask };
      };
      const signature = { ...SIGNATURE, inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 3, 224, 224] }] };
      const config = { listen: LISTEN, upstreams: [toUpstream(PORTS.upstream, signature)] };
      const nginx = (name: keyof typeof NGINX_PORTS, more: string): Promise<Server> =>
        start(
          startNginx(place, name, CORE.tested, NGINX_PORTS[name], toLimitReq(PORTS.upstream, NGINX_PORTS[name], more)),
        );
      const contestants = [
        compete(await nginx('streaming', 'proxy_request_buffering off;')),
        compete(await nginx('defaults', '')),
        compete(await start(startScript('bare-undici.js', CORE.tested, [`http://127.0.0.1:${PORTS.upstream}`]))),
        compete(await start(startReady(place, 'gateway', { ...config, integrity: { tensors: false } }))),
        compete(await start(startReady(place, 'gateway defaults', config))),
      ];
      return await runRounds(bench, contestants, [upstream]);
    }),
  );
}

export const rows: readonly GatewayRow[] = [
  {
    id: 'gateway-07-large',
    title:
      'binary tensors of 600 KB: collected, hashed, checked, logged; against undici, and nginx that streams or spills to a file',
    bar: '>= 0.50 x bare undici, >= 0.33 x nginx that streams, >= 2.5 x nginx as it comes',
    findObstacle: () => findObstacle('wrk', 'nginx'),
    run: async (bench) => {
      const standings = await measure(bench);
      const [ours, bare, streaming, defaults, full] = [
        'gateway',
        'bare-undici.js',
        'nginx streaming',
        'nginx defaults',
        'gateway defaults',
      ].map((name) => standings.get(name)!);
      const [byBare, byStreaming, byDefaults] = [bare, streaming, defaults].map((one) => toRatio(ours, one));
      return {
        figure: `undici ${byBare.text}; nginx that streams ${byStreaming.text}; nginx as it comes ${byDefaults.text}; ours ${toText(ours)}, with hashes of tensors, too, ${toText(full)}; undici ${toText(bare)}`,
        met: byBare.value >= 0.5 && byStreaming.value >= 0.33 && byDefaults.value >= 2.5 && ours.failed === 0,
      };
    },
  },
];
