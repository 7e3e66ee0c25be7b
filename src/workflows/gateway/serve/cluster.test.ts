/** The first process and its workers over lines in memory: what is done when workers end, refuse or hang. */
import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../../core/errors.ts';
import type { MessageLine } from '../../../gateway/ports.ts';
import { createCalls } from './cluster-calls.ts';
import { openCluster, type WorkerProcess } from './cluster.ts';

interface FakeWorker extends WorkerProcess {
  /** What it was asked, of changes. */
  readonly changes: string[];
  readonly isAlive: () => boolean;
  /** Asks the first process. */
  readonly call: ReturnType<typeof createCalls>;
}

interface Behaviour {
  readonly onStart?: () => unknown;
  readonly onPrepare?: (name: string) => unknown;
  readonly onCommit?: () => unknown;
  readonly onStatus?: () => unknown;
}

/** Both ends; messages are copies, and arrive in a later turn. */
function createLines() {
  const ends = [0, 1].map(() => ({ listeners: [] as ((message: unknown) => void)[], enders: [] as (() => void)[] }));
  let isOpen = true;
  const toLine = (own: number): MessageLine => ({
    send: (message) => {
      const text = JSON.stringify(message);
      if (isOpen)
        setImmediate(() => {
          for (const listen of ends[1 - own].listeners) listen(JSON.parse(text));
        });
      return isOpen;
    },
    onMessage: (listen) => ends[own].listeners.push(listen),
    onEnd: (listen) => ends[own].enders.push(listen),
  });
  const end = (): void => {
    isOpen = false;
    for (const { enders } of ends) for (const ender of enders) ender();
  };
  return { first: toLine(0), worker: toLine(1), end };
}

const STARTED = { port: 8443, runtimes: [] };

function createWorker({ onStart = () => STARTED, onPrepare, onCommit, onStatus }: Behaviour): FakeWorker {
  const { first, worker, end } = createLines();
  const changes: string[] = [];
  let isAlive = true;
  let onEnd = (): void => undefined;
  const ended = new Promise<void>((done) => (onEnd = done));
  const kill = (): void => {
    isAlive = false;
    end();
    onEnd();
  };
  const call = createCalls(worker, {
    start: onStart,
    prepare: (argument) => {
      const { name } = argument as { readonly name: string };
      changes.push(`prepare ${name}`);
      return onPrepare?.(name);
    },
    commit: () => {
      changes.push('commit');
      return onCommit?.();
    },
    discard: () => {
      changes.push('discard');
    },
    status: () => onStatus?.(),
    stop: () => {
      setImmediate(() => setImmediate(kill));
      return { isWhole: true };
    },
  });
  call('hello').catch(() => undefined);
  return { line: first, ended, kill, changes, call, isAlive: () => isAlive };
}

function prepare(behaviours: readonly Behaviour[] = []) {
  const forked: FakeWorker[] = [];
  const told: string[] = [];
  const noted: unknown[] = [];
  const appended: unknown[] = [];
  const receipt = { firstIndex: 3, checkpoint: 'c' };
  const options = {
    ...{ workers: 2, task: () => ({}), nowUs: () => 0, drainTimeoutMs: () => 0 },
    fork: () => {
      const worker = createWorker(behaviours[forked.length] ?? {});
      forked.push(worker);
      return worker;
    },
    recorder: {
      actor: 'owner',
      writer: {
        append: (entries: unknown) => {
          appended.push(entries);
          return Promise.resolve(receipt);
        },
        refuse: () => Promise.resolve(),
      },
    },
    anchor: { note: (news: unknown) => noted.push(news) },
    ownMetrics: () => ({ families: [], startedMs: 0 }),
    pause: () => new Promise<void>((done) => setImmediate(done)),
    after: () => () => undefined,
    onTrouble: (code: string, part: string) => told.push(`${part}: ${code}`),
  };
  return { options, forked, told, noted, appended };
}

async function until(isSo: () => boolean): Promise<void> {
  for (let n = 0; n < 500 && !isSo(); n += 1) await new Promise(setImmediate);
  expect(isSo()).toBe(true);
}

/** All that was sent has arrived, and all that follows from it: lines and pauses here take turns, and no time. */
async function settle(): Promise<void> {
  for (let n = 0; n < 100; n += 1) await new Promise(setImmediate);
}

describe('the first process', () => {
  test('fills the place of a worker that ended, and ends those that there are', async () => {
    const { options, forked, told } = prepare();
    const cluster = await openCluster(options);
    forked[0].kill();
    await until(() => forked.length === 3 && forked[2].isAlive());
    expect(told).toEqual(['worker 1: GATEWAY_WORKER_ENDED']);
    await settle();
    expect(await cluster.stop()).toBe(true);
    expect(forked.map((worker) => worker.isAlive())).toEqual([false, false, false]);
    expect(forked).toHaveLength(3);
  });

  test('gives up when they end again and again, with a code', async () => {
    const { options, forked } = prepare();
    const cluster = await openCluster(options);
    const failing = setInterval(() => forked.at(-1)?.kill(), 0);
    await expect(cluster.failed).rejects.toMatchObject({ code: 'GATEWAY_WORKERS_FAILING', fields: { ends: 11 } });
    clearInterval(failing);
    await cluster.stop();
    expect(forked.some((worker) => worker.isAlive())).toBe(false);
  });

  test('serves not at all when one worker cannot, and says for what', async () => {
    const onStart = () => {
      throw new GatewayError('GATEWAY_MODEL_UNFIT', { fields: { model: 'digits' } });
    };
    const { options, forked } = prepare([{}, { onStart }]);
    await expect(openCluster(options)).rejects.toMatchObject({
      ...{ code: 'GATEWAY_MODEL_UNFIT', fields: { model: 'digits' } },
    });
    expect(forked.map((worker) => worker.isAlive())).toEqual([false, false]);
  });

  const toAsk = (name: string) => ({ kind: 'model', name, version: '1', terms: { isSignatureFree: false } }) as const;
  const refuse = (): never => {
    throw new GatewayError('ADMIN_SIGNATURE_CHANGED');
  };

  test('has all workers make a change ready before any takes it up; where one refuses, none does', async () => {
    const onPrepare = (name: string): unknown => (name === 'bad' ? refuse() : null);
    const { options, forked } = prepare([{}, { onPrepare }]);
    const cluster = await openCluster(options);
    const taken: string[] = [];
    const change = (name: string): Promise<void> => cluster.change(toAsk(name), () => taken.push(name));
    await change('good');
    // Asked for at once: one after the other.
    const outcomes = await Promise.allSettled([change('bad'), change('next')]);
    expect(outcomes).toMatchObject([{ reason: { code: 'ADMIN_SIGNATURE_CHANGED' } }, { status: 'fulfilled' }]);
    expect(taken).toEqual(['good', 'next']);
    const told = ['prepare good', 'commit', 'prepare bad', 'discard', 'prepare next', 'commit'];
    expect(forked.map(({ changes }) => changes)).toEqual([told, told]);
    await cluster.stop();
  });

  test('takes up no change while which a worker ends, and the one that replaces it has what the others have', async () => {
    const onPrepare = (): unknown => {
      forked[1].kill();
      return null;
    };
    const { options, forked } = prepare([{}, { onPrepare }]);
    const cluster = await openCluster(options);
    const taken: string[] = [];
    await expect(cluster.change(toAsk('a'), () => taken.push('a'))).rejects.toMatchObject({
      code: 'GATEWAY_WORKER_ENDED',
    });
    expect([taken, forked[0].changes]).toEqual([[], ['prepare a', 'discard']]);
    await cluster.stop();
  });

  test('ends a worker that does not take up what all others have', async () => {
    const { options, forked } = prepare([{}, { onCommit: refuse }]);
    const cluster = await openCluster(options);
    await cluster.change(toAsk('a'), () => undefined);
    await until(() => forked.length === 3 && !forked[1].isAlive());
    expect(forked[0].isAlive()).toBe(true);
    await cluster.stop();
  });

  test('sees those that say what they have; one that hangs counts as not there, and is asked once', async () => {
    const timers = new Set<() => void>();
    const after = (_ms: number, work: () => void): (() => void) => {
      timers.add(work);
      return () => timers.delete(work);
    };
    const status = { models: [], upstreams: [{ name: 'llm', isReady: true }] };
    let asked = 0;
    let answer: (told: unknown) => void = () => undefined;
    const onStatus = (): unknown => {
      asked += 1;
      return new Promise((done) => (answer = done));
    };
    const { options } = prepare([{ onStatus: () => status }, { onStatus }]);
    const cluster = await openCluster({ ...options, after });
    for (let look = 0; look < 3; look += 1) {
      const seen = cluster.readStatus();
      await settle();
      expect(timers.size).toBe(1);
      for (const work of timers) work();
      timers.clear();
      expect(await seen).toEqual([status]);
    }
    expect(asked).toBe(1);
    answer(status);
    await settle();
    const seen = cluster.readStatus();
    await settle();
    answer(status);
    expect(await seen).toEqual([status, status]);
    expect([asked, timers.size]).toEqual([2, 0]);
    await cluster.stop();
  });

  test('a worker that begins while something changes is started once more, with the task of then', async () => {
    let begin = (): void => undefined;
    const onStart = (): Promise<unknown> =>
      new Promise((done) => {
        begin = () => {
          done(STARTED);
        };
      });
    const { options, forked } = prepare([{}, {}, { onStart }]);
    let config = 'old';
    const tasks: string[] = [];
    const task = (): object => {
      tasks.push(config);
      return {};
    };
    const cluster = await openCluster({ ...options, task });
    forked[0].kill();
    await until(() => tasks.length === 3);
    await settle();
    await cluster.change(toAsk('a'), () => (config = 'new'));
    begin();
    await until(() => tasks.length === 4 && !forked[2].isAlive());
    await settle();
    expect(tasks).toEqual(['old', 'old', 'old', 'new']);
    await cluster.change(toAsk('b'), () => undefined);
    expect([forked[2].changes, forked[3].changes]).toEqual([[], ['prepare b', 'commit']]);
    await cluster.stop();
  });

  test('writes into the ledger what workers have reasons for, in the name of the owner, and nothing else', async () => {
    const { options, forked, appended, noted } = prepare();
    const cluster = await openCluster(options);
    const open = { type: 'open', actor: 'somebody', subject: 'net', digests: {}, detail: {} };
    expect(await forked[0].call('record', [open])).toEqual({ firstIndex: 3, checkpoint: 'c' });
    expect(appended).toEqual([[{ ...open, actor: 'owner' }]]);
    for (const wrong of [[{ ...open, type: 'claim' }], [], null, Array.from({ length: 17 }, () => open)]) {
      await expect(forked[0].call('record', wrong)).rejects.toMatchObject({ code: 'GATEWAY_INTERNAL' });
    }
    const news = { stream: 'a1', seq: 4, hash: '0'.repeat(64) };
    await forked[1].call('checkpoint', news);
    await expect(forked[1].call('checkpoint', { ...news, hash: 'x' })).rejects.toThrow();
    await expect(forked[1].call('toString')).rejects.toMatchObject({ code: 'GATEWAY_INTERNAL' });
    expect([appended.length, noted]).toEqual([1, [news]]);
    await cluster.stop();
  });
});
