/** The gateway as several processes, under its operator's hands: what he changes holds in all of them, or in none. */
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeWhere } from '../shared-data.ts';
import { createWorkplace, samples } from './command.ts';
import { listWorkers } from './gateway-workers.ts';
import { BODY, INFER, type Serving, startServing, until } from './serving.ts';

const place = createWorkplace({ isOneProcess: true });
const at = (name: string): string => join(place.folder, name);
const SECOND = '/v2/models/digits/versions/2/infer';
const HEAD = 'workers: 2\nlisten: {port: 0}\njournal: {}\nadmin: {port: 0, openMetrics: true}\n';
const toModels = (...files: readonly string[]): string =>
  `models:\n${files.map((file, n) => `  - {name: digits, file: ${file}, version: "${n + 1}"}\n`).join('')}`;

let gateway: Serving;
let [admin, caller] = ['', ''];

const count = (event: string): number => gateway.lines().filter((line) => line.event === event).length;

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown> & { readonly error?: Record<string, unknown> };
}

/** Each request has a connection of its own, and so the next worker in turn. */
async function ask(port: number, line: string, key: string, body?: string): Promise<Answer> {
  const [method, path] = line.split(' ');
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json', connection: 'close' };
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method, headers, body });
  return { status: answer.status, body: (await answer.json()) as Answer['body'] };
}

const control = (line: string, body?: object): Promise<Answer> =>
  ask(gateway.adminPort, line, admin, body === undefined ? undefined : JSON.stringify(body));
const reload = (): Promise<Answer> => control('POST /v1/config/reload', {});
const write = (more: string): void => {
  writeFileSync(at('gateway.yaml'), HEAD + more);
};

/** What eight in turn are answered: both processes, and more than once. */
async function infer(path = INFER, key = caller): Promise<readonly number[]> {
  const statuses: number[] = [];
  for (let n = 0; n < 8; n += 1) statuses.push((await ask(gateway.port, `POST ${path}`, key, BODY)).status);
  return [...new Set(statuses)];
}

async function readMetric(line: string): Promise<number> {
  const page = await (await fetch(`http://127.0.0.1:${gateway.adminPort}/metrics`)).text();
  return Number(
    page
      .split('\n')
      .find((one) => one.startsWith(`${line} `))
      ?.split(' ')
      .at(-1) ?? NaN,
  );
}

describeWhere(existsSync('/proc/self/task'), 'the operator of two workers', '/proc', () => {
  beforeAll(async () => {
    const create = ['apikey', 'create', '--name', 'a'];
    const rate = ['--per-minute', '60000', '--burst', '1000', '--concurrency', '100'];
    expect(place.run([...create, '--model', 'digits', ...rate, '-o', 'a.json']).status).toBe(0);
    const scopes = ['admin', 'keys:read', 'keys:write', 'metrics:read', 'infer:digits'];
    const words = scopes.flatMap((scope) => ['--scope', scope]);
    expect(place.run([...create, ...words, '-o', 'admin.json']).status).toBe(0);
    const read = (name: string): string => (JSON.parse(readFileSync(at(name), 'utf8')) as { apiKey: string }).apiKey;
    [admin, caller] = [read('admin.json'), read('a.json')];
    copyFileSync(join(samples, 'mlp.onnx'), at('net.onnx'));
    write(toModels('net.onnx'));
    gateway = await startServing({ folder: place.folder, home: place.home, args: ['gateway.yaml', '--plaintext'] });
    await until('its admin listener', () => gateway.adminPort > 0);
  });
  afterAll(() => {
    gateway.child.kill('SIGKILL');
    place.remove();
  });

  test('lists keys and makes one, which both let in; models and numbers are those of both', async () => {
    const { body } = await control('GET /v1/keys');
    expect((body.keys as { name: string }[]).map(({ name }) => name)).toEqual(['a', 'a']);
    const limits = { perMinute: 60_000, burst: 1000, concurrency: 100 };
    const terms = { name: 'new', tenant: 'default', scopes: ['infer:digits'], limits };
    const made = await control('POST /v1/keys', terms);
    expect(made.status).toBe(201);
    const key = made.body.apiKey as string;
    await until('both know it', async () => (await infer(INFER, key)).join() === '200');
    expect((await control('GET /v1/models')).body).toMatchObject({ models: [{ name: 'digits', isReady: true }] });
    expect((await fetch(`http://127.0.0.1:${gateway.adminPort}/readyz`)).status).toBe(200);
    const before = await readMetric('modelward_requests_total{protocol="oip",model="digits",status="200",code=""}');
    expect(await infer()).toEqual([200]);
    const after = await readMetric('modelward_requests_total{protocol="oip",model="digits",status="200",code=""}');
    expect(after - before).toBe(8);
  });

  test('exchanges the file of a model in both; one that is broken changes neither', async () => {
    writeFileSync(at('net.onnx'), 'no model');
    expect((await control('POST /v1/models/digits/reload', {})).body.error?.code).toBe('ADMIN_RELOAD_FAILED');
    expect(await infer()).toEqual([200]);
    copyFileSync(join(samples, 'mlp.onnx'), at('net.onnx'));
    expect((await control('POST /v1/models/digits/reload', {})).status).toBe(200);
    expect(await infer()).toEqual([200]);
    await until('told once', () => count('model-refused') === 1 && count('model-reloaded') === 1);
  });

  test('changes the configuration of both, or of neither; what became of it is told once', async () => {
    write(toModels('net.onnx', 'net.onnx'));
    expect((await reload()).body).toEqual({ changed: ['models'] });
    expect(await infer(SECOND)).toEqual([200]);
    write(toModels('net.onnx', 'none.onnx'));
    expect((await reload()).body.error?.code).toBe('ADMIN_RELOAD_FAILED');
    expect(await infer(SECOND)).toEqual([200]);
    // What the first process does for all is held against its own.
    writeFileSync(at('gateway.yaml'), `${HEAD.replace('port: 0, ', 'port: 1, ')}${toModels('net.onnx')}`);
    expect((await reload()).body.error).toMatchObject({ code: 'ADMIN_RESTART_NEEDED', fields: { at: ['admin'] } });
    write(`${toModels('net.onnx', 'net.onnx')}log: {retentionDays: 9}\n`);
    expect((await reload()).body).toEqual({ changed: ['log.retentionDays'] });
    expect((await control('GET /v1/config')).body).toMatchObject({ log: { retentionDays: 9 } });
    await until('told once', () => count('config-reloaded') === 2 && count('config-refused') === 2);
    expect(await readMetric('modelward_config_reloads_total{outcome="taken"}')).toBe(2);
    expect(await readMetric('modelward_config_reloads_total{outcome="refused"}')).toBe(2);
  });

  test('asks for several changes at once: each follows the one before', async () => {
    write(toModels('net.onnx'));
    gateway.child.kill('SIGHUP');
    const answers = await Promise.all([reload(), control('POST /v1/models/digits/reload', { version: '1' }), reload()]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    await until('told', () => count('config-reloaded') === 5);
    expect(await infer(SECOND)).toEqual([403]);
  });

  test('a worker that is killed in the middle of a change has the configuration of the other when it is back', async () => {
    for (const [n, models] of [toModels('net.onnx', 'net.onnx'), toModels('net.onnx')].entries()) {
      write(models);
      const before = listWorkers(gateway);
      const changing = reload();
      process.kill(before[n], 'SIGKILL');
      const { status } = await changing;
      await until('two again', async () => {
        const now = listWorkers(gateway);
        return now.length === 2 && !now.includes(before[n]) && (await control('GET /readyz')).status === 200;
      });
      const statuses = await infer(SECOND);
      expect(statuses).toHaveLength(1);
      // Taken up by all, or by none.
      const isTaken = status === 200;
      expect(statuses[0]).toBe((n === 0) === isTaken ? 200 : 403);
      if (!isTaken) expect((await reload()).status).toBe(200);
    }
  });

  test('ends both; the log is whole', async () => {
    expect((await control('POST /v1/drain')).status).toBe(202);
    expect(await gateway.ended).toBe(0);
    // Of one that was killed before it had a row, an empty folder may be there.
    expect(readdirSync(join(place.home, 'gateway/spool'), { recursive: true })).not.toContainEqual(
      expect.stringMatching(/\.spool$/),
    );
    expect(place.json<{ isIntact: boolean }>(['log', 'verify', '--json'])).toMatchObject({ isIntact: true });
    expect(place.run(['ledger', 'fsck']).status).toBe(0);
  });
});
