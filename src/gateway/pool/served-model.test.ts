import { afterEach, describe, expect, test } from 'vitest';
import { ModelwardError, RuntimeError } from '../../core/errors.ts';
import type { RuntimeSession, RuntimeTensor } from '../../model/runtime.ts';
import type { ModelSignature, NamedTensor } from '../ports.ts';
import { createModelTable } from './model-table.ts';
import { openServedModel, type OpenedModel, type ServedModelOptions } from './served-model.ts';

const signature: ModelSignature = {
  inputs: [{ name: 'x', dtype: 'f32', shape: [null, 2] }],
  outputs: [{ name: 'y', dtype: 'f32', shape: [null, 2] }],
};

const toTensor = (rows: readonly (readonly number[])[]): NamedTensor => ({
  name: 'x',
  dtype: 'f32',
  shape: [rows.length, rows[0].length],
  data: new Uint8Array(Float32Array.from(rows.flat()).buffer),
});
const toNumbers = ({ data }: RuntimeTensor): number[] => [...new Float32Array(data.slice().buffer)];

/** What an engine does with a batch: `compute` sees all rows of a run. */
type Compute = (rows: readonly number[][]) => readonly number[][] | Promise<readonly number[][]>;
const double: Compute = (rows) => rows.map((row) => row.map((value) => 2 * value));

interface Engine extends RuntimeSession {
  /** Rows of each run. */
  readonly runs: number[];
  isReleased: boolean;
}

function toEngine(compute: Compute): Engine {
  const engine: Engine = {
    inputs: [],
    outputs: [],
    runs: [],
    isReleased: false,
    run: async (feeds) => {
      const x = feeds.get('x')!;
      const values = toNumbers(x);
      const rows = Array.from({ length: x.shape[0] }, (_, at) => values.slice(2 * at, 2 * at + 2));
      engine.runs.push(rows.length);
      const out = await compute(rows);
      const data = new Uint8Array(Float32Array.from(out.flat()).buffer);
      return new Map([['y', { dtype: 'f32', shape: [out.length, 2], data }]]);
    },
    release: () => {
      engine.isReleased = true;
      return Promise.resolve();
    },
  };
  return engine;
}

const opened: OpenedModel[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((model) => model.close()));
});

async function open(computes: readonly Compute[], change: Partial<ServedModelOptions> = {}) {
  const engines: Engine[] = [];
  const troubles: string[] = [];
  const timers: { ms: number; work: () => void }[] = [];
  const model = await openServedModel({
    name: 'm',
    version: '1',
    signature,
    instances: 1,
    batchRowsMax: 8,
    queueMax: 16,
    runTimeoutMs: 1000,
    open: () => {
      const engine = toEngine(computes[Math.min(engines.length, computes.length - 1)]);
      engines.push(engine);
      return Promise.resolve(engine);
    },
    defer: (work) => setImmediate(work),
    after: (ms, work) => {
      const timer = { ms, work };
      timers.push(timer);
      return () => void timers.splice(timers.indexOf(timer), 1);
    },
    onTrouble: (code) => troubles.push(code),
    ...change,
  });
  opened.push(model);
  for (const engine of engines) engine.runs.length = 0;
  return { model, engines, troubles, timers };
}

const { signal } = new AbortController();
const ask = async (model: OpenedModel, rows: readonly (readonly number[])[], from: AbortSignal = signal) =>
  toNumbers((await model.run([toTensor(rows)], from))[0]);
const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'none',
    (error: unknown) => (error as ModelwardError).code,
  );

describe('a served model', () => {
  test('requests of one moment share a run, each gets its own rows', async () => {
    const { model, engines } = await open([double]);
    expect(model.isBatched).toBe(true);
    const answers = await Promise.all([
      ask(model, [[1, 2]]),
      ask(model, [
        [3, 4],
        [5, 6],
      ]),
      ask(model, [[7, 8]]),
    ]);
    expect(answers).toEqual([
      [2, 4],
      [6, 8, 10, 12],
      [14, 16],
    ]);
    expect(engines[0].runs).toEqual([4]);
  });

  test('each run is told of, with its requests and rows', async () => {
    const runs: unknown[] = [];
    const { model } = await open([double], { batchRowsMax: 3, onRun: (run) => runs.push(run) });
    const row = [1, 1];
    await Promise.all([[row, row], [row], [row]].map((rows) => ask(model, rows)));
    expect(runs).toEqual([
      { requests: 2, rows: 3 },
      { requests: 1, rows: 1 },
    ]);
  });

  test('a run has no more rows than allowed; a larger request runs alone; order is kept', async () => {
    const { model, engines } = await open([double], { batchRowsMax: 3 });
    const row = [1, 1];
    await Promise.all(
      [[row, row], [row], [row], Array(5).fill(row) as number[][], [row]].map((rows) => ask(model, rows)),
    );
    expect(engines[0].runs).toEqual([3, 1, 5, 1]);
  });

  test('where a row changes the answer to another one, no run is shared', async () => {
    const mean: Compute = (rows) => {
      const sum = rows.flat().reduce((total, value) => total + value, 0);
      return rows.map((row) => row.map((value) => value - sum / rows.length));
    };
    const { model, engines } = await open([mean]);
    expect(model.isBatched).toBe(false);
    await Promise.all([ask(model, [[1, 2]]), ask(model, [[3, 4]])]);
    expect(engines[0].runs).toEqual([1, 1]);
  });

  test('an axis that is no batch, or an output without it, shares no run', async () => {
    const shorter: Compute = (rows) => double(rows.slice(0, 1));
    expect((await open([shorter])).model.isBatched).toBe(false);
    const fixed = { ...signature, inputs: [{ name: 'x', dtype: 'f32', shape: [1, 2] }] } as const;
    expect((await open([double], { signature: fixed })).model.isBatched).toBe(false);
    expect((await open([double], { batchRowsMax: 1 })).model.isBatched).toBe(false);
  });

  test('of requests that share a run, the one that the engine refuses fails alone', async () => {
    const picky: Compute = (rows) => {
      if (rows.some(([first]) => first === 13)) throw new RuntimeError('RUNTIME_RUN_FAILED');
      return double(rows);
    };
    const { model, troubles } = await open([picky]);
    const good = ask(model, [[1, 2]]);
    const bad = codeOf(ask(model, [[13, 2]]));
    expect(await good).toEqual([2, 4]);
    expect(await bad).toBe('GATEWAY_MODEL_FAILED');
    expect(troubles).toEqual([]);
    expect(await ask(model, [[3, 3]])).toEqual([6, 6]);
  });

  test('an engine that ends costs its run, and is replaced', async () => {
    let isBroken = false;
    const broken: Compute = (rows) => {
      if (isBroken) throw new RuntimeError('RUNTIME_ENDED');
      return double(rows);
    };
    const { model, engines, troubles } = await open([broken, double]);
    isBroken = true;
    const ended = { code: 'GATEWAY_MODEL_UNAVAILABLE', fields: { reason: 'run' } };
    await expect(ask(model, [[1, 2]])).rejects.toMatchObject(ended);
    expect(troubles).toEqual(['RUNTIME_ENDED']);
    expect(engines[0].isReleased).toBe(true);
    await new Promise(setImmediate);
    expect(model.isReady).toBe(true);
    expect(await ask(model, [[1, 2]])).toEqual([2, 4]);
  });

  test('while nothing can be loaded the model is not ready, and it is tried again, ever more seldom', async () => {
    let attempts = 0;
    const first = toEngine(double);
    const { model, timers, troubles } = await open([double], {
      open: () => {
        attempts++;
        return attempts === 1 ? Promise.resolve(first) : Promise.reject(new RuntimeError('RUNTIME_LOAD_FAILED'));
      },
    });
    first.run = () => Promise.reject(new RuntimeError('RUNTIME_ENDED'));
    await codeOf(ask(model, [[1, 2]]));
    for (const wait of [100, 200, 400]) {
      await new Promise(setImmediate);
      expect(timers.map(({ ms }) => ms)).toEqual([wait]);
      timers.pop()?.work();
    }
    expect(model.isReady).toBe(false);
    expect(await codeOf(ask(model, [[1, 2]]))).toBe('GATEWAY_MODEL_UNAVAILABLE');
    expect(new Set(troubles)).toEqual(new Set(['RUNTIME_ENDED', 'RUNTIME_LOAD_FAILED']));
  });

  test('that is closed while it waits to be loaded again waits no longer, and holds no process', async () => {
    const first = toEngine(double);
    let attempts = 0;
    const { model, timers } = await open([double], {
      open: () => {
        attempts++;
        return attempts === 1 ? Promise.resolve(first) : Promise.reject(new RuntimeError('RUNTIME_LOAD_FAILED'));
      },
    });
    first.run = () => Promise.reject(new RuntimeError('RUNTIME_ENDED'));
    await codeOf(ask(model, [[1, 2]]));
    await new Promise(setImmediate);
    expect(timers).toHaveLength(1);
    await model.close();
    expect([timers.length, attempts]).toEqual([0, 2]);
  });

  test('a run that does not end in time costs its instance', async () => {
    let isHanging = false;
    const hanging: Compute = (rows) => (isHanging ? new Promise(() => undefined) : double(rows));
    const { model, engines, timers } = await open([hanging, double]);
    isHanging = true;
    const stuck = codeOf(ask(model, [[1, 2]]));
    await new Promise(setImmediate);
    timers.find(({ ms }) => ms === 1000)?.work();
    expect(await stuck).toBe('GATEWAY_MODEL_UNAVAILABLE');
    expect(engines[0].isReleased).toBe(true);
    await new Promise(setImmediate);
    expect(await ask(model, [[1, 2]])).toEqual([2, 4]);
  });

  test('who waits behind too many is refused; who went away is not run', async () => {
    let free: () => void = () => undefined;
    const gate = new Promise<void>((done) => {
      free = done;
    });
    let isHeld = false;
    const slow: Compute = async (rows) => {
      if (isHeld) await gate;
      return double(rows);
    };
    const { model, engines } = await open([slow], { queueMax: 2, batchRowsMax: 1 });
    isHeld = true;
    const running = ask(model, [[1, 1]]);
    await new Promise(setImmediate);
    const left = new AbortController();
    const gone = codeOf(ask(model, [[2, 2]], left.signal));
    const waiting = ask(model, [[3, 3]]);
    expect(await codeOf(ask(model, [[4, 4]]))).toBe('GATEWAY_OVERLOADED');
    left.abort();
    free();
    expect(await running).toEqual([2, 2]);
    expect(await waiting).toEqual([6, 6]);
    // His own doing: it costs what it costs, and is no failure of the model.
    expect(await gone).toBe('GATEWAY_STREAM_CUT');
    expect(engines[0].runs).toEqual([1, 1]);
  });

  test('several instances run at a time; closing lets what was taken end', async () => {
    let [now, most] = [0, 0];
    const counted: Compute = async (rows) => {
      most = Math.max(most, ++now);
      await new Promise(setImmediate);
      now--;
      return double(rows);
    };
    const { model, engines } = await open([counted], { instances: 3, batchRowsMax: 1 });
    const answers = Promise.all([1, 2, 3, 4, 5].map((value) => ask(model, [[value, value]])));
    const closed = model.close();
    expect(await codeOf(ask(model, [[9, 9]]))).toBe('GATEWAY_MODEL_UNAVAILABLE');
    expect((await answers).flat()).toEqual([2, 2, 4, 4, 6, 6, 8, 8, 10, 10]);
    await closed;
    expect(most).toBe(3);
    expect(engines.every(({ isReleased }) => isReleased)).toBe(true);
  });
});

describe('the table of models', () => {
  test('without a version, the one that came last; a version that is replaced ends its work', async () => {
    const table = createModelTable();
    const add = async (version: string) => {
      const { model, engines } = await open([double], { version });
      table.put(model);
      return engines;
    };
    const first = await add('1');
    await add('2');
    expect(table.find('m', null)?.version).toBe('2');
    expect(table.find('m', '1')?.version).toBe('1');
    expect([table.find('m', '3'), table.find('other', null)]).toEqual([undefined, undefined]);
    const asked = table.find('m', '1')!.run([toTensor([[1, 2]])], signal);
    await add('1');
    expect(toNumbers((await asked)[0])).toEqual([2, 4]);
    await new Promise(setImmediate);
    expect(first[0].isReleased).toBe(true);
    await table.remove('m', '1');
    expect(table.list().map(({ version }) => version)).toEqual(['2']);
    await table.close();
    expect(table.list()).toEqual([]);
  });

  test('closes at once what was still being loaded when it was closed', async () => {
    const table = createModelTable();
    const { model, engines } = await open([double], { version: '1' });
    await table.close();
    table.replaceAll([model]);
    await new Promise(setImmediate);
    expect([table.list(), engines[0].isReleased]).toEqual([[], true]);
    await expect(model.run([toTensor([[1, 2]])], signal)).rejects.toMatchObject({ code: 'GATEWAY_MODEL_UNAVAILABLE' });
  });
});
