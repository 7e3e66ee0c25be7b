/** Workers that are killed at any moment, on a real server: no copy is ever half there, and the fleet is finished. */
import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { FleetItem } from '../../src/workflows/index.ts';
import { toRng } from '../formats/random.ts';
import { createPostgres, describeWithPostgres } from '../postgres.ts';
import { bin, createWorkplace, samples } from './command.ts';

const MODELS = 40;
const KILLS = 25;

describeWithPostgres('a fleet whose workers are killed', () => {
  test(`${KILLS} times at random moments: every copy is whole or absent at each, and all are there at last`, async () => {
    const server = await createPostgres();
    const place = createWorkplace();
    const at = (name: string): string => join(place.folder, name);
    mkdirSync(at('in'));
    const files = Array.from({ length: MODELS }, (_, index) => `in/m${index}.onnx`);
    for (const file of files) cpSync(join(samples, 'mlp.onnx'), at(file));
    const node = (index: number): object => ({ op: 'Identity', name: `n${index}` });
    const steps = Array.from({ length: 4000 }, (_, index) => ({
      ...{ verb: 'insertAfter', at: { value: 'logits' }, node: node(index) },
    }));
    writeFileSync(at('plan.json'), JSON.stringify({ format: 'modelward-edit-plan', version: 1, steps }));
    writeFileSync(at('queue.url'), server.url(), { mode: 0o600 });
    place.json(['graph', 'apply', 'plan.json', files[0], '--out', 'here']);
    const expected = readFileSync(at('here/m0.onnx'));

    const start = (...args: readonly string[]): ChildProcess =>
      spawn(process.execPath, [bin, ...args, '--queue-file', 'queue.url', '--json', '--quiet'], {
        cwd: place.folder,
        stdio: ['ignore', 'pipe', 'ignore'],
        env: { ...process.env, MODELWARD_HOME: place.home },
      });
    const ended = (child: ChildProcess): Promise<void> => new Promise((resolve) => child.once('close', resolve));
    const startWorker = (): ChildProcess => start('worker', '--root', '.', '--lease', '3', '--grace', '0');
    const readCopies = (): string[] => {
      const names = existsSync(at('out')) ? readdirSync(at('out')).filter((name) => !name.startsWith('.')) : [];
      for (const name of names) expect(readFileSync(at(`out/${name}`)).equals(expected), name).toBe(true);
      return names;
    };
    /** One call of `graph apply`; a model that no worker survives for long enough is lost, and is done by the next call. */
    const apply = async (): Promise<readonly FleetItem[]> => {
      const child = start('graph', 'apply', 'plan.json', ...files, '--out', 'out');
      let text = '';
      child.stdout?.setEncoding('utf8').on('data', (part: string) => (text += part));
      await ended(child);
      return (JSON.parse(text) as { models: readonly FleetItem[] }).models;
    };

    const random = toRng(31);
    const workers = [startWorker(), startWorker()];
    const applying = apply();
    for (let kill = 0; kill < KILLS; kill++) {
      await setTimeout(300 + random.int(700));
      const index = random.int(workers.length);
      const gone = ended(workers[index]);
      // Some are told to stop, most are not asked.
      workers[index].kill(random.int(4) === 0 ? 'SIGTERM' : 'SIGKILL');
      await gone;
      readCopies();
      workers[index] = startWorker();
    }
    const first = await applying;
    const codes = first.map((item) => (item.outcome === 'failed' ? item.code : item.outcome));
    expect(codes.filter((code) => !['edited', 'present', 'QUEUE_JOB_LOST'].includes(code))).toEqual([]);
    // Some kills met a worker at a job, which was given out again.
    expect(Number(server.query('SELECT count(*) FROM modelward.job WHERE retry_count > 0'))).toBeGreaterThan(0);
    const last = await apply();
    expect(last.filter(({ outcome }) => outcome === 'failed')).toEqual([]);
    expect(readCopies()).toHaveLength(MODELS);
    for (const worker of workers) {
      const gone = ended(worker);
      worker.kill('SIGTERM');
      await gone;
    }
    expect(readdirSync(at('out'))).toHaveLength(MODELS);
    place.remove();
    server.remove();
  });
});
