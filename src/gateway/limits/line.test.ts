/** What workers share with the first process beside rates: requests at work, and addresses that failed. */
import { describe, expect, test } from 'vitest';
import {
  createAddressLimiter,
  createAddressRelay,
  createLineAddresses,
  createLinePermits,
  createPermits,
  servePermits,
} from './index.ts';
import type { MessageLine } from './ports.ts';

interface End extends MessageLine {
  readonly sent: unknown[];
  readonly deliver: (message: unknown) => void;
  readonly end: () => void;
}

function createEnd(send: (message: unknown) => boolean): End {
  const sent: unknown[] = [];
  const [listeners, enders]: [((message: unknown) => void)[], (() => void)[]] = [[], []];
  return {
    sent,
    send: (message) => {
      sent.push(message);
      return send(JSON.parse(JSON.stringify(message)));
    },
    onMessage: (listen) => listeners.push(listen),
    onEnd: (listen) => enders.push(listen),
    deliver: (message) => {
      for (const listen of listeners) listen(message);
    },
    end: () => {
      for (const listen of enders) listen();
    },
  };
}

/** Both ends of a line: messages arrive in a later turn. `hold` keeps answers back until it is called off. */
function createLine() {
  const state = { isHeld: false, isOpen: true, late: [] as unknown[] };
  const first: End = createEnd((message) => {
    if (!state.isOpen) return false;
    if (state.isHeld) state.late.push(message);
    else
      setImmediate(() => {
        worker.deliver(message);
      });
    return true;
  });
  const worker: End = createEnd((message) => {
    if (state.isOpen)
      setImmediate(() => {
        first.deliver(message);
      });
    return state.isOpen;
  });
  return { first, worker, state };
}

const never = (): Promise<void> => new Promise(() => undefined);
const turn = (): Promise<void> => new Promise((done) => setImmediate(done));
const turns = async (): Promise<void> => {
  for (let n = 0; n < 5; n += 1) await turn();
};
const caller = (concurrency: number, id = 'key:a') => ({ id, limits: { concurrency } });

describe('requests at work, counted in the first process', () => {
  function start(count: number) {
    const permits = createPermits();
    const lines = Array.from({ length: count }, createLine);
    const workers = lines.map(({ first, worker }) => {
      servePermits(first, permits);
      return createLinePermits(worker, { pause: never });
    });
    return { permits, lines, workers };
  }

  test.each([1, 4])('are as many over all workers as one caller may have: %i', async (concurrency) => {
    const { workers, permits } = start(3);
    const asked = workers.flatMap((worker) =>
      Array.from({ length: 5 }, async () => worker.acquire(caller(concurrency))),
    );
    const given = (await Promise.all(asked)).filter((permit) => permit !== null);
    expect(given).toHaveLength(concurrency);
    expect(await workers[0].acquire(caller(1, 'key:b'))).not.toBeNull();
    for (const permit of [...given, ...given]) permit.release();
    await turns();
    expect(permits.count).toBe(1);
    expect(await workers[2].acquire(caller(concurrency))).not.toBeNull();
  });

  test('of one turn are asked for in one message', async () => {
    const { workers, lines } = start(1);
    await Promise.all(Array.from({ length: 50 }, async () => workers[0].acquire(caller(100))));
    expect(lines[0].worker.sent).toHaveLength(1);
    expect(workers[0].count).toBe(50);
  });

  test('of a worker that ended are over', async () => {
    const { workers, lines, permits } = start(2);
    for (const worker of workers) expect(await worker.acquire(caller(2))).not.toBeNull();
    expect(await workers[1].acquire(caller(2))).toBeNull();
    lines[0].first.end();
    expect(permits.count).toBe(1);
    expect(await workers[1].acquire(caller(2))).not.toBeNull();
  });

  test('without an answer are refused, and what is given too late is given back', async () => {
    const permits = createPermits();
    const { first, worker, state } = createLine();
    let tick = (): void => undefined;
    servePermits(first, permits);
    const lent = createLinePermits(worker, { pause: () => new Promise((done) => (tick = done)) });
    state.isHeld = true;
    const asked = Promise.resolve(lent.acquire(caller(1)));
    asked.catch(() => undefined);
    for (let n = 0; n < 2; n += 1) {
      await turns();
      tick();
    }
    await expect(asked).rejects.toMatchObject({ code: 'LIMITS_STORE_FAILED', fields: { reason: 'time' } });
    expect(permits.count).toBe(1);
    state.isHeld = false;
    for (const message of state.late) worker.deliver(message);
    await turns();
    expect([permits.count, lent.count]).toEqual([0, 0]);
  });

  test('are refused once the line has ended', async () => {
    const { workers, lines } = start(1);
    lines[0].worker.end();
    await expect(workers[0].acquire(caller(1))).rejects.toMatchObject({ code: 'LIMITS_STORE_FAILED' });
  });

  test.each([
    null,
    { modelward: 'modelward-permits-1', ask: [['enter', 1, 'a', 0]] },
    { modelward: 'modelward-permits-1', ask: [['enter', 1, 'x'.repeat(513), 1]] },
    { modelward: 'modelward-permits-1', ask: [['enter', 0, 'a', 1]] },
    { modelward: 'modelward-permits-2', ask: [['enter', 1, 'a', 1]] },
  ])('%j is no question', async (message) => {
    const { lines, permits } = start(1);
    lines[0].worker.send(message);
    await turns();
    expect([permits.count, lines[0].first.sent]).toEqual([0, []]);
  });

  test('one number is one permit: asked twice it is given once', async () => {
    const [permits, { first, worker }] = [createPermits(), createLine()];
    servePermits(first, permits);
    worker.send({ modelward: 'modelward-permits-1', ask: [1, 2].map(() => ['enter', 1, 'a', 9]) });
    await turns();
    expect(permits.count).toBe(1);
    expect(first.sent).toEqual([
      {
        modelward: 'modelward-permits-1',
        answer: [
          [1, true],
          [1, false],
        ],
      },
    ]);
  });
});

describe('addresses that failed', () => {
  test('at one worker have failed at all of them, and are told no further', async () => {
    const relay = createAddressRelay();
    const lines = [createLine(), createLine(), createLine()];
    const policy = { perMinute: 3, burst: 3 };
    const workers = lines.map(({ first, worker }) => {
      relay.join(first);
      return createLineAddresses(worker, createAddressLimiter({ policy, nowUs: () => 1e9 }));
    });
    for (const at of [0, 1, 2]) {
      expect(workers.map((worker) => worker.look('192.0.2.1').isAdmitted)).toEqual([true, true, true]);
      workers[at].blame('192.0.2.1');
      await turns();
    }
    expect(workers.map((worker) => worker.look('192.0.2.1').isAdmitted)).toEqual([false, false, false]);
    expect(workers.map((worker) => worker.look('192.0.2.2').isAdmitted)).toEqual([true, true, true]);
    expect(lines.map(({ first, worker }) => [first.sent.length, worker.sent.length])).toEqual([
      [2, 1],
      [2, 1],
      [2, 1],
    ]);
  });

  test.each([
    null,
    { modelward: 'modelward-addresses-1', blame: [''] },
    { modelward: 'modelward-addresses-1', blame: [] },
  ])('%j is handed to nobody', async (message) => {
    const relay = createAddressRelay();
    const [one, other] = [createLine(), createLine()];
    relay.join(one.first);
    relay.join(other.first);
    one.worker.send(message);
    await turns();
    expect(other.first.sent).toEqual([]);
  });
});
