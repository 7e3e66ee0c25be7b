/** Bars 1, 2, 3 and 6: small requests, as many as go. */
import { findObstacle } from '../processes.ts';
import { type Ratio, type Standing, toRatio, toText } from '../rounds.ts';
import { measureSmall, SMALL, type Small } from '../small.ts';
import type { GatewayRow } from '../types.ts';

const CHECKS = 'API key, scope, GCRA, SHA-256, tag of the answer, row of the log';

const pick = (small: Small, name: keyof typeof SMALL): Standing => small.get(SMALL[name])!;

const against = (small: Small, name: keyof typeof SMALL): Ratio => toRatio(pick(small, 'gateway'), pick(small, name));

const isClean = (...standings: readonly Standing[]): boolean => standings.every(({ failed }) => failed === 0);

/** One core for everything is the strictest reading: the thread that moves the log into its database works beside. */
function toServing(ours: Standing, yardstick: Standing): string {
  return `${(yardstick.cpuUs.main / ours.cpuUs.main).toFixed(2)} x by CPU of the thread that answers`;
}

export const rows: readonly GatewayRow[] = [
  {
    id: 'gateway-01-throughput',
    title: `small OIP requests through the gateway (${CHECKS}), against nginx with limit_req, each with all its threads on one core`,
    bar: '>= 0.35 x nginx + limit_req',
    findObstacle: () => findObstacle('wrk', 'nginx'),
    run: async (bench) => {
      const small = await measureSmall(bench);
      const [ours, nginx, full] = [pick(small, 'gateway'), pick(small, 'nginx'), pick(small, 'defaults')];
      const ratio = toRatio(ours, nginx);
      return {
        figure: `${ratio.text}; ${toServing(ours, nginx)}; ours ${toText(ours)}; nginx ${toText(nginx)}; with hashes of tensors, too: ${toText(full)}`,
        met: ratio.value >= 0.35 && isClean(ours, nginx),
      };
    },
  },
  {
    id: 'gateway-02-portkey',
    title: 'small requests, against Portkey OSS 1.15.2, which forwards without any of these checks',
    bar: '>= 10 x Portkey OSS, CPU <= 0.12 x',
    findObstacle: () => findObstacle('wrk', 'nginx', 'npm'),
    run: async (bench) => {
      const small = await measureSmall(bench);
      const [ours, portkey] = [pick(small, 'gateway'), pick(small, 'portkey')];
      const ratio = toRatio(ours, portkey);
      const cpu = ours.cpuUs.all / portkey.cpuUs.all;
      return {
        figure: `${ratio.text}; CPU ${cpu.toFixed(3)} x; Portkey ${toText(portkey)}, ${Math.round(portkey.peakRssMib)} MiB`,
        met: ratio.value >= 10 && cpu <= 0.12 && isClean(ours, portkey),
      };
    },
  },
  {
    id: 'gateway-03-undici',
    title: 'small requests, against a bare proxy of node:http and undici: what all steps of security cost',
    bar: '>= 0.7 x bare undici',
    findObstacle: () => findObstacle('wrk', 'nginx'),
    run: async (bench) => {
      const small = await measureSmall(bench);
      const [ours, bare] = [pick(small, 'gateway'), pick(small, 'bare')];
      const ratio = against(small, 'bare');
      return {
        figure: `${ratio.text}; ${toServing(ours, bare)}; bare ${toText(bare)}`,
        met: ratio.value >= 0.7 && isClean(ours, bare),
      };
    },
  },
  {
    id: 'gateway-06-tls-token',
    title:
      'small requests over TLS 1.3 that is kept alive, against plaintext; with RS256 tokens that were seen before, against API keys whose answers are signed by Ed25519 as those to tokens are',
    bar: 'TLS >= 0.80 x, tokens >= 0.85 x',
    findObstacle: () => findObstacle('wrk', 'nginx'),
    run: async (bench) => {
      const small = await measureSmall(bench);
      const [ours, tls, token] = [pick(small, 'gateway'), pick(small, 'tls'), pick(small, 'token')];
      const [byTls, byToken] = [toRatio(tls, ours), toRatio(token, pick(small, 'signed'))];
      const toTagged = toRatio(token, ours).text;
      return {
        figure: `TLS ${byTls.text} (${toText(tls)}); tokens ${byToken.text} (${toText(token)}), and ${toTagged} of API keys whose answers have a tag alone`,
        met: byTls.value >= 0.8 && byToken.value >= 0.85 && isClean(tls, token),
      };
    },
  },
];
