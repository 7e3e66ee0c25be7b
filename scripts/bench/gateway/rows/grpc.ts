/** Bar 12: gRPC with 600 KB of values, through the gateway and through a bare proxy of node:http2. */
import { writeFileSync } from 'node:fs';
import { runOnOthers } from '../load.ts';
import { LISTEN, MODEL, startScript, toBearers, toUpstream } from '../place.ts';
import { CORE, findObstacle, readBusyUs, readCpu, type Server } from '../processes.ts';
import { startGateway } from '../place.ts';
import { BUSY_MAX, toMedian } from '../rounds.ts';
import type { GatewayBench, GatewayRow, GatewayVerdict } from '../types.ts';

const BYTES = 602_112;
const PATH = '/inference.GRPCInferenceService/ModelInfer';
const REQUESTS = 2000;

const toVarint = (value: number): number[] =>
  value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...toVarint(value >>> 7)];
/** A field of bytes, text or a message (protobuf's wire type 2). */
const toField = (number: number, value: Uint8Array | string): Buffer => {
  const bytes = Buffer.from(value as string);
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...toVarint(bytes.length)]), bytes]);
};
const toTensor = (name: string, shape: readonly number[]): Buffer =>
  Buffer.concat([toField(1, name), toField(2, 'FP32'), toField(3, Uint8Array.from(shape.flatMap(toVarint)))]);

/** Length-prefixed, not compressed. */
function toFrame(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

const toRequest = (): Buffer =>
  toFrame(
    Buffer.concat([toField(1, MODEL), toField(5, toTensor('x', [1, 3, 224, 224])), toField(7, new Uint8Array(BYTES))]),
  );
const toAnswer = (): Buffer =>
  toFrame(
    Buffer.concat([
      toField(1, MODEL),
      toField(2, '1'),
      toField(5, toTensor('y', [1, 2])),
      toField(6, new Uint8Array(8)),
    ]),
  );

interface Run {
  readonly rps: number;
  readonly cpuUs: number;
  readonly failed: number;
  /** Cores that other processes of the machine used meanwhile. */
  readonly busy: number;
}

async function ask({ place }: GatewayBench, server: Server, behind: Server): Promise<Run> {
  const headers = ['content-type: application/grpc', 'te: trailers', `authorization: ${toBearers(place.keys)[0]}`];
  const flags = ['-n', String(REQUESTS), '-c', '8', '-m', '1', '-d', place.at('request.grpc')];
  const readOurs = (): number => readCpu(server).all + readCpu(behind).all;
  const [cpuUs, oursUs, busyUs, startMs] = [readCpu(server).all, readOurs(), readBusyUs(), performance.now()];
  const { out, cpuUs: loadUs } = await runOnOthers([
    ...['h2load', ...flags, ...headers.flatMap((header) => ['-H', header])],
    `http://127.0.0.1:${server.port}${PATH}`,
  ]);
  const rps = Number(/([\d.]+) req\/s/.exec(out)?.[1]);
  const good = Number(/status codes: (\d+) 2xx/.exec(out)?.[1]);
  // A call that failed is answered by 200 and has no message: the answer's bytes tell.
  const bytes = Number(/\((\d+)\) data/.exec(out)?.[1]);
  const isWhole = bytes >= REQUESTS * 20;
  const failed = isWhole ? REQUESTS - good : REQUESTS;
  const others = (readBusyUs() - busyUs - (readOurs() - oursUs) - loadUs) / ((performance.now() - startMs) * 1000);
  return { rps, cpuUs: (readCpu(server).all - cpuUs) / REQUESTS, failed, busy: Math.max(0, others) };
}

async function judge(bench: GatewayBench): Promise<GatewayVerdict> {
  const { place, repetitions } = bench;
  writeFileSync(place.at('request.grpc'), toRequest());
  writeFileSync(place.at('answer.grpc'), toAnswer());
  const started: Server[] = [];
  try {
    const behind = await startScript('http2.js', CORE.others, ['answer', place.at('answer.grpc')]);
    started.push(behind, await startScript('http2.js', CORE.tested, ['proxy', String(behind.port)]));
    const upstream = { ...toUpstream(behind.port), protocol: 'oip-grpc', readiness: {} };
    const config = { listen: LISTEN, upstreams: [upstream], integrity: { tensors: false } };
    started.push(await startGateway(place, 'grpc', config));
    const [, bare, gateway] = started;
    const runs: Round[] = [];
    // The first round warms.
    for (let repetition = 0; repetition <= repetitions; repetition++) {
      runs.push({ bare: await ask(bench, bare, behind), ours: await ask(bench, gateway, behind) });
    }
    return toVerdict(runs);
  } finally {
    await Promise.all(started.map((server) => server.stop()));
  }
}

interface Round {
  readonly bare: Run;
  readonly ours: Run;
}

/** By throughput on a quiet machine, by CPU time on a busy one: the median of the rounds, each with its own yardstick. */
function toVerdict(all: readonly Round[]): GatewayVerdict {
  const rounds = all.slice(1);
  const median = (read: (round: Round) => number): number => toMedian(rounds.map(read));
  const failed = all.reduce((sum, { ours }) => sum + ours.failed, 0);
  const byRate = median(({ bare, ours }) => ours.rps / bare.rps);
  const byCpu = median(({ bare, ours }) => bare.cpuUs / ours.cpuUs);
  const busy = median(({ bare, ours }) => Math.max(bare.busy, ours.busy));
  const isQuiet = busy <= BUSY_MAX;
  const side = (name: keyof Round): string =>
    `${median((round) => round[name].rps).toFixed(0)}/s, ${median((round) => round[name].cpuUs).toFixed(0)} us`;
  const note = isQuiet ? '' : `, machine busy (${busy.toFixed(1)} cores by others): judged by CPU`;
  return {
    figure: `${byRate.toFixed(2)} x by throughput, ${byCpu.toFixed(2)} x by CPU${note}; ours ${side('ours')}; bare ${side('bare')}; ${failed} failed`,
    met: (isQuiet ? byRate : byCpu) >= 0.6 && failed === 0,
  };
}

export const rows: readonly GatewayRow[] = [
  {
    id: 'gateway-12-grpc',
    title: 'gRPC calls with 600 KB of values through the gateway, against a proxy of node:http2 that checks nothing',
    bar: '>= 0.6 x bare node:http2',
    findObstacle: () => findObstacle('h2load'),
    run: judge,
  },
];
