import { expect, test } from 'vitest';
import { createBodyReader, createJournal, readGatewayConfig } from '../../../gateway/index.ts';
import { openUpstreamSet } from './upstream-set.ts';

const TERMS = { isSignatureFree: false };
const NOTHING = { status: 200, headers: [], body: new Uint8Array() };

const toConfig = (port: number) =>
  readGatewayConfig({
    limits: { drainTimeoutMs: 30_000 },
    upstreams: [{ name: 'llm', url: `http://127.0.0.1:${port}`, protocol: 'openai', models: [{ name: 'llm' }] }],
  });

/** Lines and timers in memory. */
function createHost(journal = createJournal({ write: () => true, clock: { nowMs: () => 0 } })) {
  const lines: { readonly url: string; inFlight: number; isClosed: boolean; isWatched: boolean }[] = [];
  const timers: { readonly ms: number; readonly work: () => void }[] = [];
  const host = {
    upstreams: {
      openLine: ({ name, url }: { readonly name: string; readonly url: string }) => {
        const line = { url, inFlight: 0, isClosed: false, isWatched: true };
        lines.push(line);
        return Promise.resolve({
          name,
          send: () => Promise.resolve(NOTHING),
          get inFlight() {
            return line.inFlight;
          },
          close: () => Promise.resolve(void (line.isClosed = true)),
        });
      },
      openWatch: () => {
        const line = lines.at(-1)!;
        const stop = (): void => void (line.isWatched = false);
        return Promise.resolve({ isReady: () => true, look: () => Promise.resolve(true), stop });
      },
      reader: createBodyReader({ run: () => Promise.resolve(null) }),
    },
    operations: { hashKey: null, journal },
    onTrouble: () => undefined,
    after: (ms: number, work: () => void) => {
      const timer = { ms, work };
      timers.push(timer);
      return () => void timers.splice(timers.indexOf(timer), 1);
    },
  };
  const runTimer = (): number => {
    const [{ ms, work }] = timers.splice(0, 1);
    work();
    return ms;
  };
  return { host, lines, timers, runTimer };
}

test('a line that has been replaced is watched no more, and closed when its last stream has ended, however long that takes', async () => {
  const { host, lines, timers, runTimer } = createHost();
  const set = await openUpstreamSet(toConfig(1), host);
  lines[0].inFlight = 1;
  (await set.prepare(toConfig(2), TERMS)).commit();
  expect(lines.map(({ isWatched }) => isWatched)).toEqual([false, true]);
  expect([runTimer(), runTimer(), runTimer()]).toEqual([30_000, 1000, 1000]);
  expect(lines[0].isClosed).toBe(false);
  lines[0].inFlight = 0;
  runTimer();
  expect([lines.map(({ isClosed }) => isClosed), timers]).toEqual([[true, false], []]);
  await set.close();
});

test('1,000 changes leave one line, and no timer', async () => {
  const { host, lines, timers, runTimer } = createHost();
  const set = await openUpstreamSet(toConfig(1), host);
  for (let n = 2; n < 1002; n += 1) {
    (await set.prepare(toConfig(n), TERMS)).commit();
    await (await set.prepare(toConfig(1), TERMS)).discard();
  }
  while (timers.length > 0) runTimer();
  expect(lines.filter(({ isClosed }) => !isClosed)).toEqual([
    { url: 'http://127.0.0.1:1001', inFlight: 0, isClosed: false, isWatched: true },
  ]);
  expect(lines.filter(({ isWatched }) => isWatched)).toHaveLength(1);
  await set.close();
});

test('lines that are made while the gateway ends are closed; so are those that still had streams', async () => {
  const { host, lines, timers } = createHost();
  const set = await openUpstreamSet(toConfig(1), host);
  lines[0].inFlight = 1;
  (await set.prepare(toConfig(2), TERMS)).commit();
  const late = await set.prepare(toConfig(3), TERMS);
  await set.close();
  late.commit();
  expect([lines.map(({ isClosed }) => isClosed), timers]).toEqual([[true, true, true], []]);
});

test('that a server is ready, and that it is away, is told in the journal with its name, at changes alone', async () => {
  const lines: string[] = [];
  const clock = { nowMs: () => 0 };
  const { host } = createHost(createJournal({ write: (line) => lines.push(line) > 0, clock }));
  const watches: ((isReady: boolean) => void)[] = [];
  const openWatch = (options: { readonly onChange: (isReady: boolean) => void }) => {
    watches.push(options.onChange);
    options.onChange(true);
    return host.upstreams.openWatch();
  };
  const set = await openUpstreamSet(toConfig(1), { ...host, upstreams: { ...host.upstreams, openWatch } });
  expect(lines).toEqual([]);
  for (const isReady of [false, true, false]) watches[0](isReady);
  const time = '1970-01-01T00:00:00.000Z';
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    { time, level: 'warn', event: 'upstream-away', upstream: 'llm' },
    { time, level: 'info', event: 'upstream-ready', upstream: 'llm' },
    { time, level: 'warn', event: 'upstream-away', upstream: 'llm' },
  ]);
  await set.close();
});
