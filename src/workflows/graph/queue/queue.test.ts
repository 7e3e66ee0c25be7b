/** Submitting and working on a queue in memory; the real one is in test/e2e/fleet-workers.long.test.ts. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createMemoryQueue, type MemoryQueue } from '../../../../test/fakes/memory-queue.ts';
import { type Pause, silentProgress } from '../../../core/ports.ts';
import { claimSibling, nodeRun } from '../../../source/leftovers.ts';
import { nodeStorage } from '../../../source/node-storage.ts';
import { applyPlanToFleet, type FleetItem, type FleetRunner, runFleetJob } from '../fleet.ts';
import { toJobId, toJobMessage } from './messages.ts';
import { applyPlanByQueue, type QueuedFleetOptions, type SubmitPorts, withdrawPlan } from './submit.ts';
import { type WorkEvent, type WorkOptions, workOnQueue, type WorkPorts, type WorkTally } from './work.ts';

const services = { storage: nodeStorage, progress: silentProgress };
const sample = resolve(import.meta.dirname, '../../../../samples/mlp.onnx');
const PLAN = JSON.stringify({
  ...{ format: 'modelward-edit-plan', version: 1 },
  steps: [{ verb: 'insertAfter', at: { value: 'logits' }, node: { op: 'Identity', name: 'stamp' } }],
});

let root: string;
let queue: MemoryQueue;
let events: WorkEvent[];
let stop: AbortController;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'fleet-queue-'));
  mkdirSync(join(root, 'in'));
  queue = createMemoryQueue(1);
  events = [];
  stop = new AbortController();
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

/** The next turn of the event loop: nothing here waits by the clock. */
const turn: Pause = () => new Promise((done) => setImmediate(done));
/** Until it is aborted. */
const forever: Pause = (_, signal) =>
  new Promise((done) => {
    if (signal?.aborted === true) done();
    signal?.addEventListener('abort', () => {
      done();
    });
  });
const edit: FleetRunner = (job) => Promise.resolve(runFleetJob(services, job));

function put(...names: readonly string[]): string[] {
  return names.map((name) => {
    cpSync(sample, join(root, 'in', name));
    return join(root, 'in', name);
  });
}

const work = (ports: Partial<WorkPorts> = {}, options: Partial<WorkOptions> = {}): Promise<WorkTally> =>
  workOnQueue(
    {
      ...{ queue, storage: nodeStorage, pause: turn, run: edit, endRuns: () => Promise.resolve() },
      ...{ stop: stop.signal, tell: (event) => events.push(event) },
      ...ports,
    },
    {
      ...{ root, mayReplace: false, concurrency: 1, leaseSeconds: 60, graceSeconds: 5, jobsMax: null, isDrain: true },
      ...options,
    },
  );

const fleet = (paths: readonly string[], part: Partial<QueuedFleetOptions> = {}): QueuedFleetOptions => ({
  ...{ root, paths, outFolder: join(root, 'out'), plan: PLAN, force: false },
  ...part,
});
const submit = (options: QueuedFleetOptions, ports: Partial<SubmitPorts> = {}): Promise<readonly FleetItem[]> =>
  applyPlanByQueue(services, options, { queue, pause: turn, onNoWorker: () => undefined, ...ports });
const outcomes = (items: readonly FleetItem[]): string[] =>
  items.map((item) => (item.outcome === 'failed' ? item.code : item.outcome));

/** Submits while workers run until all is answered. */
async function apply(options: QueuedFleetOptions, workers = 1): Promise<readonly FleetItem[]> {
  const working = Array.from({ length: workers }, () => work({}, { isDrain: false }));
  try {
    return await submit(options);
  } finally {
    stop.abort();
    await Promise.all(working);
    stop = new AbortController();
  }
}

describe('a fleet by a queue', () => {
  test('gives the items and the bytes of the same call without one; a second call finds all of it', async () => {
    const paths = put('a.onnx', 'b.onnx', 'c.onnx');
    writeFileSync(join(root, 'in/bad.onnx'), 'not a model');
    paths.push(join(root, 'in/bad.onnx'));
    const items = await apply(fleet(paths), 2);
    expect(outcomes(items)).toEqual(['edited', 'edited', 'edited', 'ONNX_WIRE']);
    const local = { paths, plan: PLAN, force: false, outFolder: join(root, 'local') };
    const expected = await applyPlanToFleet(services, local, { run: edit, parallel: 2 });
    const moved = JSON.stringify(expected).replaceAll(join(root, 'local'), join(root, 'out'));
    expect(items).toEqual(JSON.parse(moved));
    for (const name of ['a.onnx', 'b.onnx', 'c.onnx']) {
      expect(readFileSync(join(root, 'out', name)).equals(readFileSync(join(root, 'local', name)))).toBe(true);
    }
    rmSync(join(root, 'out/b.onnx'));
    expect(outcomes(await apply(fleet(paths)))).toEqual(['present', 'edited', 'present', 'ONNX_WIRE']);
    expect(events.filter(({ kind }) => kind === 'answered')).toHaveLength(6);
  });

  test('is refused before anything is submitted: a bad plan, a model outside', async () => {
    const paths = put('a.onnx');
    const bad = submit(fleet(paths, { plan: '{}' }));
    await expect(bad).rejects.toMatchObject({ code: 'SURGERY_PLAN_MALFORMED' });
    const outside = submit(fleet([...paths, '/elsewhere/b.onnx']));
    await expect(outside).rejects.toMatchObject({ code: 'QUEUE_OUTSIDE_ROOT', fields: { file: 'b.onnx' } });
    expect(queue.rows.size).toBe(0);
  });

  test('that nobody works on is said to be so, once; what nobody began is withdrawn', async () => {
    const options = fleet(put('a.onnx', 'b.onnx'));
    let told = 0;
    const onNoWorker = (): void => {
      told += 1;
      void withdrawPlan(options, { queue }).then((count) => {
        expect(count).toBe(2);
      });
    };
    expect(outcomes(await submit(options, { onNoWorker }))).toEqual(['QUEUE_JOB_WITHDRAWN', 'QUEUE_JOB_WITHDRAWN']);
    expect(told).toBe(1);
  });

  test('goes on when the queue is out of reach for a while; ends when it stays so', async () => {
    const options = fleet(put('a.onnx'));
    const items = submit(options);
    await turn(0);
    queue.breakOff(5);
    await work({}, { isDrain: false, jobsMax: 1 });
    expect(outcomes(await items)).toEqual(['edited']);
    queue.rows.clear();
    const lost = submit({ ...options, force: true });
    await turn(0);
    queue.breakOff(Infinity);
    await expect(lost).rejects.toMatchObject({ code: 'QUEUE_UNREACHABLE' });
  });

  test('believes no result that is malformed, or speaks of a copy that is not there', async () => {
    const paths = put('a.onnx', 'b.onnx', 'c.onnx');
    const items = submit(fleet(paths));
    const present = { format: 'modelward-fleet-result', version: 1, outcome: 'present' };
    for (const result of [present, { ...present, out: '/etc' }, null]) {
      const job = await queue.take();
      await job!.finish(result!);
    }
    expect(outcomes(await items)).toEqual(['QUEUE_OUTPUT_MISSING', 'QUEUE_RESULT_REFUSED', 'QUEUE_RESULT_REFUSED']);
  });
});

describe('a worker', () => {
  /** Puts jobs into the queue, and follows none. */
  const post = async (names: readonly string[], force = false): Promise<void> => {
    const jobs = put(...names).map((path) => ({ path, out: join(root, 'out', basename(path)), plan: PLAN, force }));
    const messages = jobs.map((job) => toJobMessage(root, job));
    await queue.submit(messages.map((data) => ({ id: toJobId(data), data })));
  };

  test('drains: ends when no job waits; ends after as many jobs as it was given', async () => {
    await post(['a.onnx', 'b.onnx', 'c.onnx']);
    expect(await work({}, { jobsMax: 2, concurrency: 2 })).toMatchObject({ edited: 2 });
    expect(await work()).toMatchObject({ edited: 1, present: 0 });
    expect(await work()).toEqual({ edited: 0, present: 0, failed: 0, crashed: 0, givenBack: 0 });
  });

  test('refuses what it does not do, says so to who asked, and goes on', async () => {
    await queue.submit([
      { id: '00000000-0000-8000-8000-000000000001', data: { model: '../../etc/passwd' } },
      { id: '00000000-0000-8000-8000-000000000002', data: [] },
    ]);
    await post(['a.onnx'], true);
    await post(['b.onnx']);
    expect(await work()).toMatchObject({ failed: 3, edited: 1 });
    const codes = [...queue.rows.values()].map(({ state }) => ('result' in state ? state.result : state));
    const refused = { outcome: 'failed', code: 'QUEUE_JOB_REFUSED' };
    expect(codes).toMatchObject([refused, refused, refused, { outcome: 'edited' }]);
    expect(readdirSync(join(root, 'out'))).toEqual(['b.onnx']);
  });

  test('replaces a copy only where it may', async () => {
    await post(['a.onnx']);
    await work();
    writeFileSync(join(root, 'out/a.onnx'), 'other');
    await post(['a.onnx'], true);
    await work({}, { mayReplace: true });
    expect(readFileSync(join(root, 'out/a.onnx'), 'utf8')).not.toBe('other');
  });

  test('leaves a copy that came between alone', async () => {
    await post(['a.onnx']);
    mkdirSync(join(root, 'out'));
    writeFileSync(join(root, 'out/a.onnx'), 'other');
    expect(await work()).toMatchObject({ present: 1 });
    expect(readFileSync(join(root, 'out/a.onnx'), 'utf8')).toBe('other');
  });

  test('whose run ends without an answer lets the job be tried again, until it is lost', async () => {
    await post(['a.onnx']);
    const run: FleetRunner = () => Promise.reject(new Error('out of memory'));
    expect(await work({ run })).toMatchObject({ crashed: 2, failed: 0 });
    expect([...queue.rows.values()]).toMatchObject([{ state: { state: 'lost' } }]);
  });

  test('does not take a job for ever, whatever the queue allows', async () => {
    queue = createMemoryQueue(1000);
    await post(['a.onnx']);
    const run: FleetRunner = () => Promise.reject(new Error('out of memory'));
    expect(await work({ run })).toMatchObject({ crashed: 5, failed: 1 });
    expect([...queue.rows.values()]).toMatchObject([{ state: { result: { code: 'QUEUE_JOB_LOST' } } }]);
  });

  test('that is told to stop takes no more, and lets the running job end', async () => {
    await post(['a.onnx', 'b.onnx']);
    const run: FleetRunner = async (job) => {
      stop.abort();
      await turn(0);
      return edit(job);
    };
    expect(await work({ run, pause: forever }, { isDrain: false })).toMatchObject({ edited: 1, givenBack: 0 });
    expect([...queue.rows.values()].map(({ state }) => state.state)).toEqual(['done', 'waiting']);
  });

  test('gives a job back that does not end in time, with nothing of it left', async () => {
    await post(['a.onnx']);
    mkdirSync(join(root, 'out'));
    let end = (): void => undefined;
    const run: FleetRunner = ({ out }) => {
      // What a thread of this process was writing when it was ended.
      const part = claimSibling(nodeStorage, out, 'part', nodeRun);
      writeFileSync(part.path, 'half');
      part.release();
      stop.abort();
      return new Promise((_, reject) => {
        end = () => {
          reject(new Error('ended'));
        };
      });
    };
    const endRuns = (): Promise<void> => {
      end();
      return Promise.resolve();
    };
    expect(await work({ run, endRuns }, { isDrain: false })).toMatchObject({ edited: 0, givenBack: 1, crashed: 0 });
    expect(readdirSync(join(root, 'out'))).toEqual([]);
    expect([...queue.rows.values()]).toMatchObject([{ state: { state: 'waiting' }, retries: 0 }]);
    expect(await work({ stop: new AbortController().signal })).toMatchObject({ edited: 1 });
  });

  test('goes on when the queue is out of reach, but does not take that for an empty one', async () => {
    await post(['a.onnx']);
    queue.breakOff(3);
    expect(await work({}, { isDrain: false, jobsMax: 1 })).toMatchObject({ edited: 1 });
    expect(events.filter(({ kind }) => kind === 'unreachable')).toHaveLength(3);
    queue.breakOff(1);
    await expect(work()).rejects.toMatchObject({ code: 'QUEUE_UNREACHABLE' });
  });

  test('that lost its job to another one cannot answer for it', async () => {
    await post(['a.onnx']);
    const [id] = queue.rows.keys();
    const run: FleetRunner = async (job) => {
      queue.endLease(id);
      return edit(job);
    };
    await work({ run }, { jobsMax: 1 });
    expect(queue.rows.get(id)?.state).toEqual({ state: 'waiting' });
    expect(await work()).toMatchObject({ present: 1 });
    expect(existsSync(join(root, 'out/a.onnx'))).toBe(true);
  });
});
