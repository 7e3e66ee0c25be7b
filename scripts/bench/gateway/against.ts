/**
 * What is built here against another commit, body by body: one process after the other on one core, each sample of a process of its
 * own, since what a process has compiled differs from one to the next.
 */
import { join } from 'node:path';
import { RANKED_MIN, rankTest, toHolm } from '../rank-test.ts';
import { ANY_SIGNATURE, BODIES, type Body, writeBody } from './bodies.ts';
import { buildCommit, findOtherPackages, nameHead } from './commit.ts';
import { createPlace, LISTEN, type Place, root, toBearers, toUpstream } from './place.ts';
import { readRss, type Server, withServers } from './processes.ts';
import { measure, type Standing, toMedian } from './rounds.ts';
import { PORTS, startReady, startSmallUpstream, toUrl } from './small.ts';

/** A process that has just begun compiles for seconds what small requests use; what only larger ones use is warm sooner. */
const WARM_SECONDS = { first: 4, other: 1 } as const;
const SIDES = ['before', 'now'] as const;
type Side = (typeof SIDES)[number];
type Samples = Readonly<Record<Side, readonly number[]>>;

/** One figure of one body, or of all. */
export interface Compared extends Samples {
  readonly body: string;
  readonly figure: 'CPU us' | 'requests/s' | 'p99 ms' | 'peak MiB';
  readonly isLessBetter: boolean;
}

export interface Verdict extends Compared {
  readonly medianBefore: number;
  readonly medianNow: number;
  /** Of the median, percent. */
  readonly changePercent: number;
  /** Of the rank test, corrected for all tests of its figure. */
  readonly probability: number;
  /** Whether it is no chance; null where there are too few samples to tell. */
  readonly isClear: boolean | null;
}

export interface Against {
  readonly names: Readonly<Record<Side, string>>;
  readonly notes: readonly string[];
  readonly verdicts: readonly Verdict[];
}

export interface AgainstOptions {
  readonly commit: string;
  readonly rounds: number;
  readonly seconds: number;
}

/** Of one process: its standing by each body, and the most memory that it took. */
interface Turn {
  readonly standings: readonly Standing[];
  readonly peakMib: number;
}

/** Progress goes to stderr. @throws Error when the commit cannot be built, or a request fails */
export async function runAgainst(folder: string, { commit, rounds, seconds }: AgainstOptions): Promise<Against> {
  console.error(`building ${commit}`);
  const other = buildCommit(commit, join(folder, 'commit'));
  const places = {
    before: createPlace(join(folder, 'before'), other.root),
    now: createPlace(join(folder, 'now'), root),
  };
  const turns: Record<Side, Turn[]> = { before: [], now: [] };
  await withServers(async (start) => {
    const upstream = await start(startSmallUpstream(places.now));
    for (let round = 0; round < rounds; round++) {
      // Who is first changes, so that what the machine does meanwhile meets both.
      const order = round % 2 === 0 ? SIDES : SIDES.toReversed();
      for (const side of order) turns[side].push(await takeTurn(places[side], upstream, seconds));
      console.error(`round ${round + 1} of ${rounds}: ${toProgress(turns)}`);
    }
  });
  const packages = findOtherPackages(commit);
  return {
    names: { before: other.name, now: nameHead() },
    notes: [
      ...(packages === null ? [] : [packages]),
      ...(rounds < RANKED_MIN ? [`fewer than ${RANKED_MIN} rounds: nothing is clear`] : []),
    ],
    verdicts: toVerdicts(compare(turns)),
  };
}

async function takeTurn(place: Place, upstream: Server, seconds: number): Promise<Turn> {
  return withServers(async (start) => {
    const config = { listen: LISTEN, upstreams: [toUpstream(PORTS.upstream, ANY_SIGNATURE)] };
    const server = await start(startReady(place, 'gateway', config));
    const standings: Standing[] = [];
    for (const body of BODIES) standings.push(await askFor(place, server, upstream, body, seconds));
    return { standings, peakMib: readRss(server).peakMib };
  });
}

async function askFor(place: Place, server: Server, upstream: Server, body: Body, seconds: number): Promise<Standing> {
  const ask = { ...writeBody(place, body), url: toUrl(server), credentials: toBearers(place.keys) };
  const contestant = { server, ask, connections: body.connections };
  const warmSeconds = body === BODIES[0] ? WARM_SECONDS.first : WARM_SECONDS.other;
  await measure(place.folder, contestant, [upstream], warmSeconds);
  const standing = await measure(place.folder, contestant, [upstream], seconds);
  if (standing.failed > 0) throw new Error(`${body.name}: ${standing.failed} of ${standing.requests} requests failed`);
  return standing;
}

const toProgress = (turns: Readonly<Record<Side, readonly Turn[]>>): string =>
  BODIES.map(({ name }, index) => {
    const [before, now] = SIDES.map((side) => turns[side].at(-1)!.standings[index].cpuUs.all);
    return `${name} ${((now / before - 1) * 100).toFixed(1)} %`;
  }).join(', ');

function compare(turns: Readonly<Record<Side, readonly Turn[]>>): Compared[] {
  const of = (read: (turn: Turn) => number): Samples => ({ before: turns.before.map(read), now: turns.now.map(read) });
  const ofBody = (figure: Compared['figure'], isLessBetter: boolean, read: (one: Standing) => number): Compared[] =>
    BODIES.map(({ name }, index) => ({
      body: name,
      figure,
      isLessBetter,
      ...of(({ standings }) => read(standings[index])),
    }));
  return [
    ...ofBody('CPU us', true, ({ cpuUs }) => cpuUs.all),
    ...ofBody('requests/s', false, ({ rps }) => rps),
    ...ofBody('p99 ms', true, ({ p99Ms }) => p99Ms),
    { body: 'all', figure: 'peak MiB', isLessBetter: true, ...of(({ peakMib }) => peakMib) },
  ];
}

const ALPHA = 0.05;

/** Figures of one kind are judged together: a run of nothing but chance shows a clear change of one kind in one of twenty cases. */
export function toVerdicts(compared: readonly Compared[]): Verdict[] {
  const figures = [...new Set(compared.map(({ figure }) => figure))];
  return figures.flatMap((figure) => {
    const some = compared.filter((one) => one.figure === figure);
    const probabilities = toHolm(some.map(({ before, now }) => rankTest(before, now)));
    return some.map((one, index) => {
      const [medianBefore, medianNow] = [toMedian(one.before), toMedian(one.now)];
      const isEnough = Math.min(one.before.length, one.now.length) >= RANKED_MIN;
      return {
        ...one,
        ...{ medianBefore, medianNow, changePercent: (medianNow / medianBefore - 1) * 100 },
        ...{ probability: probabilities[index], isClear: isEnough ? probabilities[index] <= ALPHA : null },
      };
    });
  });
}

/** Clear changes for the worse in CPU time of a request that are larger than so many percent. */
export const findWorse = (verdicts: readonly Verdict[], percent: number): Verdict[] =>
  verdicts.filter((one) => one.figure === 'CPU us' && one.isClear === true && one.changePercent > percent);

const toCell = (value: number): string => value.toLocaleString('en', { maximumSignificantDigits: 4 });

/** A table for people: `~` where a change may be chance. */
export function toTable({ names, notes, verdicts }: Against): string {
  const samples = verdicts.at(0)?.now.length ?? 0;
  const rows = verdicts.map((one) => {
    const change = `${one.changePercent >= 0 ? '+' : ''}${one.changePercent.toFixed(1)} %`;
    const isBetter = one.changePercent < 0 === one.isLessBetter;
    const word = one.isClear === true ? (isBetter ? 'better' : 'worse') : '~';
    const cells = [
      one.body,
      one.figure,
      toCell(one.medianBefore),
      toCell(one.medianNow),
      change,
      one.probability.toFixed(3),
      word,
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return [
    `before: ${names.before}`,
    `now:    ${names.now}`,
    `Medians of ${samples} processes each, in turn on one core; p of the rank sum test, corrected by Holm; ~ may be chance.`,
    ...notes,
    '',
    '| body | figure | before | now | change | p | clear |',
    '|---|---|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}
