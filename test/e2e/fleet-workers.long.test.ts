/** A fleet on several machines: real processes on a real PostgreSQL server. */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { FleetItem, WorkTally } from '../../src/workflows/index.ts';
import { createPostgres, describeWithPostgres, type Postgres } from '../postgres.ts';
import { bin, createWorkplace, samples, type Workplace } from './command.ts';

const PLAN = {
  ...{ format: 'modelward-edit-plan', version: 1 },
  steps: [{ verb: 'insertAfter', at: { value: 'logits' }, node: { op: 'Identity', name: 'stamp' } }],
};
/** Takes about a second, so that a worker can be met at work. */
const LONG_PLAN = {
  ...PLAN,
  steps: Array.from({ length: 4000 }, (_, at) => ({ ...PLAN.steps[0], node: { op: 'Identity', name: `n${at}` } })),
};

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves when stderr says `text`. */
  saying(text: string): Promise<void>;
}

describeWithPostgres('a fleet on several machines', () => {
  let server: Postgres;
  let place: Workplace;
  let children: Running[];
  let schemas = 0;
  beforeAll(async () => {
    server = await createPostgres();
  });
  afterAll(() => {
    server.remove();
  });
  beforeEach(() => {
    place = createWorkplace();
    children = [];
    schemas += 1;
    mkdirSync(at('in'));
    writeFileSync(at('plan.json'), JSON.stringify(PLAN));
    writeFileSync(at('long.json'), JSON.stringify(LONG_PLAN));
    writeFileSync(at('queue.url'), `${server.url()}\n`, { mode: 0o600 });
  });
  afterEach(async () => {
    for (const { child } of children) child.kill('SIGKILL');
    await Promise.all(children.map(({ ended }) => ended));
    place.remove();
  });

  const at = (name: string): string => join(place.folder, name);
  /** Every test has a schema of its own. */
  const schema = (): string => `fleet_${schemas}`;
  const queued = (): string[] => ['--queue-file', 'queue.url', '--queue-schema', schema()];

  function start(args: readonly string[], env: Readonly<Record<string, string>> = {}): Running {
    const child = spawn(process.execPath, [bin, ...args], {
      cwd: place.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, MODELWARD_HOME: place.home, NO_COLOR: '1', ...env },
    });
    let stdout = '';
    let stderr = '';
    const ended = new Promise<Ended>((resolve) => {
      child.on('close', (code) => {
        resolve({ code, stdout, stderr });
      });
    });
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    const saying = (text: string): Promise<void> =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (stderr.includes(text)) resolve();
        };
        child.stderr.on('data', look);
        look();
        void ended.then((end) => {
          reject(new TypeError(`ended without saying "${text}": ${JSON.stringify(end)}`));
        });
      });
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const running = { child, ended, saying };
    children.push(running);
    return running;
  }
  const startWorker = (...args: readonly string[]): Running =>
    start(['worker', '--root', '.', '--json', ...queued(), ...args]);
  const startApply = (names: readonly string[], ...args: readonly string[]): Running => {
    const files = names.map((name) => `in/${name}`);
    return start(['graph', 'apply', 'plan.json', ...files, '--out', 'out', '--json', ...queued(), ...args]);
  };

  async function result<T extends object>(running: Running, code = 0): Promise<T> {
    const end = await running.ended;
    expect(end, end.stderr).toMatchObject({ code });
    return JSON.parse(end.stdout) as T;
  }
  const items = async (running: Running, code = 0): Promise<readonly FleetItem[]> =>
    (await result<{ models: readonly FleetItem[] }>(running, code)).models;
  const outcomes = async (running: Running, code = 0): Promise<string[]> =>
    (await items(running, code)).map((item) => (item.outcome === 'failed' ? item.code : item.outcome));

  function put(count: number): string[] {
    return Array.from({ length: count }, (_, index) => {
      const name = `m${String(index).padStart(2, '0')}.onnx`;
      cpSync(join(samples, index % 2 === 0 ? 'mlp.onnx' : 'cnn.onnx'), at(`in/${name}`));
      return name;
    });
  }

  /** What the same call gives without a queue, with its copies in `out`'s place. */
  function applyHere(names: readonly string[], plan = 'plan.json'): readonly FleetItem[] {
    const files = names.map((name) => `in/${name}`);
    const run = place.run(['graph', 'apply', plan, ...files, '--out', 'here', '--json', '--quiet']);
    return (JSON.parse(run.stdout.replaceAll(at('here'), at('out'))) as { models: readonly FleetItem[] }).models;
  }
  const expectSameCopies = (): void => {
    expect(readdirSync(at('out')).sort()).toEqual(readdirSync(at('here')).sort());
    for (const name of readdirSync(at('here'))) {
      expect(readFileSync(at(`out/${name}`)).equals(readFileSync(at(`here/${name}`))), name).toBe(true);
    }
  };
  /** Jobs by state, such as "active 1, created 5". */
  const countJobs = (): string =>
    server
      .query(`SELECT state || ' ' || count(*) FROM ${schema()}.job GROUP BY state ORDER BY state`)
      .split('\n')
      .join(', ');

  /** Stops a worker (SIGSTOP) at a moment when it has a job, and has said for how long. */
  async function freezeAtWork({ child }: Running, leaseSeconds: number): Promise<void> {
    const having = `state = 'active' AND started_on IS NOT NULL AND expire_in = interval '${leaseSeconds} seconds'`;
    const isAtWork = (): boolean => server.query(`SELECT count(*) FROM ${schema()}.job WHERE ${having}`) === '1';
    for (;;) {
      while (!isAtWork()) await setTimeout(10);
      child.kill('SIGSTOP');
      // What it had sent before is done by now, or it is met at its next job.
      await setTimeout(50);
      if (isAtWork()) return;
      child.kill('SIGCONT');
    }
  }

  test('two workers share 24 models: each edited once, the bytes of one machine, and a second run finds all', async () => {
    const names = put(24);
    const workers = [startWorker('--max-jobs', '12'), startWorker('--max-jobs', '12', '--concurrency', '2')];
    // Twelve jobs each: this ends only when both take part.
    const models = await items(startApply(names));
    const tallies = await Promise.all(workers.map((worker) => result<WorkTally>(worker)));
    const twelve = { edited: 12, present: 0, failed: 0, crashed: 0, givenBack: 0 };
    expect(tallies).toEqual([twelve, twelve]);
    expect(models).toEqual(applyHere(names));
    expectSameCopies();
    const again = await items(startApply(names));
    expect(again.map(({ outcome }) => outcome)).toEqual(names.map(() => 'present'));
  });

  test('the job of a worker that is killed is done by another one; nothing half-done stays', async () => {
    const names = put(3);
    cpSync(at('long.json'), at('plan.json'));
    const killed = startWorker('--lease', '3');
    await killed.saying('taking jobs');
    const apply = startApply(names);
    await freezeAtWork(killed, 3);
    killed.child.kill('SIGKILL');
    expect(countJobs()).toContain('active 1');
    const worker = startWorker('--lease', '3');
    expect(await outcomes(apply)).toEqual(names.map(() => 'edited'));
    worker.child.kill('SIGTERM');
    const { edited, failed } = await result<WorkTally>(worker);
    expect([failed, countJobs()]).toEqual([0, 'completed 3']);
    expect(edited).toBeGreaterThan(0);
    applyHere(names);
    expectSameCopies();
  });

  test('a model that fails is told as on one machine, and is tried again by the next run', async () => {
    const names = [...put(2), 'bad.onnx'];
    writeFileSync(at('in/bad.onnx'), 'not a model');
    startWorker();
    const first = await items(startApply(names), 3);
    expect(first).toEqual(applyHere(names));
    expect(await outcomes(startApply(names), 3)).toEqual(['present', 'present', 'ONNX_WIRE']);
    cpSync(join(samples, 'mlp.onnx'), at('in/bad.onnx'));
    expect(await outcomes(startApply(names))).toEqual(['present', 'present', 'edited']);
  });

  test('a worker that is stopped ends with what it did, and gives back what it cannot end', async () => {
    cpSync(at('long.json'), at('plan.json'));
    const worker = startWorker('--grace', '0', '--lease', '30');
    await worker.saying('taking jobs');
    const apply = startApply(put(1));
    await freezeAtWork(worker, 30);
    worker.child.kill('SIGTERM');
    worker.child.kill('SIGCONT');
    expect(await result<WorkTally>(worker)).toMatchObject({ edited: 0, failed: 0, crashed: 0, givenBack: 1 });
    expect(countJobs()).toBe('created 1');
    expect(existsSync(at('out')) ? readdirSync(at('out')) : []).toEqual([]);
    const next = startWorker('--drain');
    expect(await outcomes(apply)).toEqual(['edited']);
    expect(await result<WorkTally>(next)).toMatchObject({ edited: 1 });
  });

  test('Ctrl-C leaves the jobs: workers go on, the same call follows them, --withdraw takes them back', async () => {
    const names = put(3);
    const interrupted = startApply(names);
    while (!server.query(`SELECT to_regclass('${schema()}.job')`) || countJobs() !== 'created 3') await setTimeout(20);
    interrupted.child.kill('SIGINT');
    const { code, stderr } = await interrupted.ended;
    expect([code, stderr]).toEqual([130, expect.stringContaining('the jobs stay in the queue')]);
    expect(countJobs()).toBe('created 3');
    expect(await result<WorkTally>(startWorker('--max-jobs', '1'))).toMatchObject({ edited: 1 });
    expect(await result(startApply(names, '--withdraw'))).toEqual({ withdrawn: 2 });
    expect(await result<WorkTally>(startWorker('--drain'))).toMatchObject({ edited: 0 });
    const apply = startApply(names);
    await startWorker('--max-jobs', '2').ended;
    expect((await outcomes(apply)).sort()).toEqual(['edited', 'edited', 'present']);
  });

  test('a server that goes away: a new call is told so, and the worker goes on when it is back', async () => {
    const worker = startWorker();
    await worker.saying('taking jobs');
    server.stop();
    await worker.saying('the queue does not answer');
    const away = await startApply(put(1)).ended;
    expect([away.code, away.stdout]).toEqual([6, expect.stringContaining('QUEUE_UNREACHABLE')]);
    server.start();
    expect(await outcomes(startApply(put(2)))).toEqual(['edited', 'edited']);
  });

  test('jobs that others wrote into the queue reach nothing outside the root, and no file is replaced', async () => {
    const [name] = put(1);
    await startWorker('--drain').ended;
    mkdirSync(at('root'));
    cpSync(at('in'), at('root/in'), { recursive: true });
    const job = { format: 'modelward-fleet-job', version: 1, plan: JSON.stringify(PLAN), force: false };
    const inside = { ...job, model: `in/${name}`, out: `out/${name}` };
    const evil = [
      { ...inside, model: `../in/${name}` },
      { ...inside, out: `../out/${name}` },
      { ...inside, out: `${at('out')}/${name}` },
      { ...inside, force: true },
      { ...inside, plan: '{}' },
      { ...inside, dataRoot: '/' },
      ['not', 'a', 'job'],
    ];
    for (const data of evil) {
      server.query(`INSERT INTO ${schema()}.job (name, data) VALUES ('modelward-fleet-1', '${JSON.stringify(data)}')`);
    }
    const worker = start(['worker', '--root', 'root', '--drain', '--json', ...queued()]);
    expect(await result<WorkTally>(worker)).toMatchObject({ failed: evil.length, edited: 0, crashed: 0 });
    const codes = server.query(`SELECT output->>'code' FROM ${schema()}.job`).split('\n').sort();
    const outside = ['SOURCE_OUTSIDE_FOLDER', 'SOURCE_OUTSIDE_FOLDER', 'SOURCE_OUTSIDE_FOLDER'];
    expect(codes).toEqual([
      ...Array.from({ length: 3 }, () => 'QUEUE_JOB_REFUSED'),
      ...outside,
      'SURGERY_PLAN_MALFORMED',
    ]);
    expect([existsSync(at('out')), readdirSync(at('root'))]).toEqual([false, ['in']]);
  });

  describe('what is wrong is told with a code and without the password', () => {
    const canary = 'canary-7f3a';
    const code = (end: Ended): string => (JSON.parse(end.stdout) as { error: { code: string } }).error.code;

    test.each<[string, string[], Record<string, string>, number, string]>([
      ['a wrong password', ['--queue-file', 'wrong.url'], {}, 6, 'QUEUE_LOGIN_REFUSED'],
      [
        'a wrong password, from the environment',
        ['--queue'],
        { MODELWARD_QUEUE_FILE: 'wrong.url' },
        6,
        'QUEUE_LOGIN_REFUSED',
      ],
      [
        'a password among the arguments',
        ['--queue', `postgres://u:${canary}@127.0.0.1/d`],
        {},
        2,
        'QUEUE_PASSWORD_EXPOSED',
      ],
      [
        'a password in the environment',
        ['--queue'],
        { MODELWARD_QUEUE_URL: `postgres://u:${canary}@127.0.0.1/d` },
        2,
        'QUEUE_PASSWORD_EXPOSED',
      ],
      ['a file that others can read', ['--queue-file', 'open.url'], {}, 2, 'CLI_SECRET_FILE_EXPOSED'],
      ['a file that is not there', ['--queue-file', 'none.url'], {}, 6, 'CLI_SECRET_UNREADABLE'],
      ['no address', ['--queue'], {}, 2, 'QUEUE_URL_MISSING'],
      ['an address that is none', ['--queue', `http://${canary}`], {}, 2, 'QUEUE_URL_MALFORMED'],
      ['a name that is no schema', ['--queue-file', 'queue.url', '--queue-schema', 'a;b'], {}, 2, 'QUEUE_SCHEMA_NAME'],
    ])('%s', async (_, args, env, exit, expected) => {
      writeFileSync(at('wrong.url'), server.url({ password: canary }), { mode: 0o600 });
      writeFileSync(at('open.url'), server.url({ password: canary }));
      chmodSync(at('open.url'), 0o640);
      const [name] = put(1);
      const worker = start(['worker', '--root', '.', '--drain', ...args, '--json'], env);
      const apply = start(['graph', 'apply', 'plan.json', `in/${name}`, '--out', 'out', ...args, '--json'], env);
      for (const end of [await worker.ended, await apply.ended]) {
        expect([end.code, code(end)], end.stderr).toEqual([exit, expected]);
        expect(end.stdout + end.stderr).not.toContain(canary);
      }
    });

    test('options of one way are refused in the other; a model outside the root', async () => {
      const [name] = put(1);
      const apply = ['graph', 'apply', 'plan.json', `in/${name}`, '--out', 'out', '--json'];
      const queue = ['--queue-file', 'queue.url'];
      const cases = [
        [['--withdraw'], 'CLI_USAGE'],
        [['--root', '.'], 'CLI_USAGE'],
        [[...queue, '--parallel', '2'], 'CLI_USAGE'],
        [[...queue, '--data-root', '.'], 'CLI_USAGE'],
        [[...queue, '--queue', 'postgres://u@h/d'], 'CLI_USAGE'],
        [[...queued(), '--root', 'in'], 'QUEUE_OUTSIDE_ROOT'],
      ] as const;
      const ends = cases.map(async ([args, expected]) => {
        const end = await start([...apply, ...args]).ended;
        expect([end.code, code(end)], end.stderr).toEqual([2, expected]);
      });
      await Promise.all(ends);
    });

    test('a root that is not there', async () => {
      const end = await start(['worker', '--root', 'nosuch', '--json', ...queued()]).ended;
      expect([end.code, code(end)]).toEqual([6, 'SOURCE_NOT_FOUND']);
    });

    test('without pg-boss, only the queue is missing', async () => {
      const [name] = put(1);
      const hook =
        'export const resolve = (name, context, next) => { if (name === "pg-boss") throw new Error("absent"); return next(name, context); };';
      writeFileSync(at('hook.mjs'), hook);
      writeFileSync(
        at('register.mjs'),
        'import { register } from "node:module"; register("./hook.mjs", import.meta.url);',
      );
      const env = { NODE_OPTIONS: `--import=${at('register.mjs')}` };
      const apply = ['graph', 'apply', 'plan.json', `in/${name}`, '--out', 'out', '--json'];
      const end = await start([...apply, ...queued()], env).ended;
      expect([end.code, code(end)]).toEqual([6, 'QUEUE_PACKAGE_MISSING']);
      expect(end.stderr).toContain('npm install pg-boss@10.4.2');
      expect(await outcomes(start(apply, env))).toEqual(['edited']);
    });
  });
});
