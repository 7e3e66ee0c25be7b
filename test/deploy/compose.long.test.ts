/**
 * The recipe of two gateways, started without containers: its own scripts make the secrets, its own files configure PostgreSQL, Redis,
 * nginx and the gateways; addresses and paths of containers alone are replaced.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bin, createWorkplace, samples } from '../e2e/command.ts';
import { askServing, type Serving, startServing, type Told, until } from '../e2e/serving.ts';
import { findFreePort } from '../free-port.ts';
import { createPostgres, describeWithPostgres, type Postgres } from '../postgres.ts';
import { describeWithProgram } from '../shared-data.ts';
import { readCompose, recipe } from './compose-recipe.ts';

describeWithPostgres('the recipe of two gateways', () => {
  describeWithProgram('with Redis', 'redis-server', ['--version'], () => {
    describeWithProgram('and nginx', 'nginx', ['-v'], runTests);
  });
});

function runTests(): void {
  const place = createWorkplace({ isOneProcess: true });
  const folder = join(place.folder, 'compose');
  const at = (name: string): string => join(folder, name);
  const compose = readCompose();
  const children: ChildProcess[] = [];
  const ports = { first: 0, second: 0, redis: 0, edge: 0 };
  const gateways: Serving[] = [];
  let postgres: Postgres;
  let apiKey: string;
  let ca: string;

  beforeAll(async () => {
    for (const name of ['first', 'second', 'redis', 'edge'] as const) ports[name] = await findFreePort();
    cpSync(compose.folder, folder, { recursive: true });
    prepare();
    await startPostgres();
    startRedis();
    seal();
    makeKey();
    gateways.push(await startGateway(0), await startGateway(1));
    startNginx();
    ca = readFileSync(at('secrets/edge/ca.pem'), 'utf8');
    await until('nginx', () =>
      ask().then(
        () => true,
        () => false,
      ),
    );
  });
  afterAll(() => {
    for (const child of [...children, ...gateways.map(({ child: one }) => one)]) child.kill('SIGKILL');
    postgres.remove();
    place.remove();
  });

  /** Names of containers are this machine's: certificates are made for it as well. */
  function prepare(): void {
    const isRoot = process.getuid?.() === 0;
    const script = recipe('prepare')
      .replace('tls init postgres ', 'tls init postgres 127.0.0.1 ')
      .replace('tls init redis ', 'tls init redis 127.0.0.1 ')
      .replace(/^chown .*$/gm, (line) => (isRoot ? line : ''));
    writeFileSync(at('prepare'), script, { mode: 0o755 });
    mkdirSync(at('bin'));
    writeFileSync(at('bin/modelward'), `#!/bin/sh\nexec "${process.execPath}" "${bin}" "$@"\n`, { mode: 0o755 });
    const env = { ...process.env, PATH: `${at('bin')}:${process.env.PATH}`, MODELWARD_HOME: place.home };
    execFileSync(at('prepare'), ['127.0.0.1'], { env, stdio: 'ignore' });
  }

  /** A path within a container, as it is here. */
  function toHere(text: string): string {
    return text
      .replace(/\/run\/secrets\/([\w-]+)/g, (_, name: string) => at(compose.secrets[name].file))
      .replaceAll('/models/', at('models/'));
  }

  async function startPostgres(): Promise<void> {
    postgres = await createPostgres({ isTls: true });
    writeFileSync(at('postgres-init.sql'), toHere(recipe('postgres-init.sql')));
    const { port, password } = postgres;
    const words = ['-h', '127.0.0.1', '-p', String(port), '-U', 'fleet_owner', '-v', 'ON_ERROR_STOP=1'];
    const env = { ...process.env, PGPASSWORD: password };
    execFileSync('psql', [...words, '-f', at('postgres-init.sql'), 'postgres'], { env, stdio: 'ignore' });
    const url = readFileSync(at('secrets/database_url'), 'utf8')
      .replace('@postgres:5432', `@127.0.0.1:${port}`)
      .replace('/run/secrets/postgres_ca', postgres.certificatePath);
    writeFileSync(at('secrets/database_url'), url);
  }

  function startRedis(): void {
    const [, ...words] = compose.services.redis.command!.map(toHere);
    children.push(
      spawn(
        'redis-server',
        words.map((word) => (word === '6379' ? String(ports.redis) : word)),
        { stdio: 'ignore' },
      ),
    );
  }

  function seal(): void {
    copyFileSync(join(samples, 'mlp.onnx'), at('bin/digits.onnx'));
    const key = `local:${at('secrets/model_key')}`;
    expect(place.run(['seal', at('bin/digits.onnx'), '--key', key, '-o', at('models/digits.seal')])).toMatchObject({
      status: 0,
    });
    const envelopes = join(place.home, 'envelopes');
    copyFileSync(join(envelopes, readdirSync(envelopes)[0]), at('models/digits.keys.json'));
  }

  const tables = (): readonly string[] => ['--database-file', at('secrets/database_url')];

  /** From the balancer's side of the network alone: what callers claim of their address must not count. */
  function makeKey(): void {
    const terms = ['--model', 'digits', '--per-minute', '6000', '--burst', '100', '--network', '127.0.0.0/8'];
    const pepper = ['--pepper-file', at('secrets/pepper')];
    const create = ['apikey', 'create', '--name', 'a', '-o', at('keys/a.json'), ...terms, ...tables(), ...pepper];
    expect(place.run(create)).toMatchObject({ status: 0 });
    ({ apiKey } = JSON.parse(readFileSync(at('keys/a.json'), 'utf8')) as { apiKey: string });
  }

  function startGateway(which: number): Promise<Serving> {
    const file = `gateway-${which}.yaml`;
    const text = toHere(recipe('gateway.yaml'))
      .replace('host: 0.0.0.0', 'host: 127.0.0.1')
      .replace('port: 8443', `port: ${which === 0 ? ports.first : ports.second}`)
      .replace('172.30.10.2/32', '127.0.0.1/32')
      .replace('redis:6379', `127.0.0.1:${ports.redis}`);
    writeFileSync(at(file), text);
    return startServing({ folder, home: join(place.folder, `home-${which}`), args: [at(file)] });
  }

  function startNginx(): void {
    const text = toHere(recipe('nginx.conf'))
      .replace('gateway-1:8443', `127.0.0.1:${ports.first}`)
      .replace('gateway-2:8443', `127.0.0.1:${ports.second}`)
      .replace('listen 443', `listen 127.0.0.1:${ports.edge}`)
      .replace('/run/nginx.pid', at('nginx.pid'))
      .replace('/dev/stdout', at('access.log'))
      .replace('/dev/stderr', at('error.log'))
      .replace('http {', `http {\n${TEMPORARY.map((name) => `  ${name}_temp_path ${at(name)};`).join('\n')}`);
    writeFileSync(at('nginx.conf'), text);
    const words = ['-p', folder, '-c', at('nginx.conf'), '-e', at('error.log'), '-g', 'daemon off;'];
    children.push(spawn('nginx', words, { stdio: 'ignore' }));
  }

  const ask = (headers: Readonly<Record<string, string>> = {}): Promise<Told> =>
    askServing({ port: ports.edge }, { ca, headers: { authorization: `Bearer ${apiKey}`, ...headers } });

  const exportLog = (name: string): string => {
    expect(place.run(['log', 'export', '-o', at(name), ...tables()])).toMatchObject({ status: 0 });
    return readFileSync(at(name), 'utf8');
  };

  test('answers through the balancer, by both; one that is killed is passed over', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask()));
    expect(answers.map(({ status }) => status)).toEqual(Array<number>(20).fill(200));
    gateways[0].child.kill('SIGKILL');
    await gateways[0].ended;
    for (let n = 0; n < 10; n += 1) expect((await ask()).status).toBe(200);
    gateways[0] = await startGateway(0);
    let round = 0;
    await until('rows', () => {
      const text = exportLog(`log-${round++}.jsonl`);
      return answers.every(({ requestId }) => text.includes(requestId));
    });
    const streams = new Set(
      Array.from(readFileSync(at(`log-${round - 1}.jsonl`), 'utf8').matchAll(/"stream":"(\w+)"/g), ([, one]) => one),
    );
    expect(streams.size).toBe(2);
  });

  test('each gateway is replaced by another under load, and every answer is 200', async () => {
    const statuses = new Map<number | string, number>();
    let isOver = false;
    const callers = Array.from({ length: 12 }, async () => {
      while (!isOver) {
        const status = await ask().then(
          (told) => told.status,
          (error: unknown) => String(error),
        );
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        await new Promise((done) => setTimeout(done, 150));
      }
    });
    for (const which of [0, 1, 0, 1]) {
      // nginx looks again at a server that was away; the other one may go once this one is known to be back.
      await new Promise((done) => setTimeout(done, 5000));
      expect(await gateways[which].stop()).toBe(0);
      gateways[which] = await startGateway(which);
    }
    isOver = true;
    await Promise.all(callers);
    const errors = readFileSync(at('error.log'), 'utf8').split('\n');
    // What nginx says of a lost request, beside its numbers.
    expect({ lost: errors.filter((line) => line.includes('prematurely')), statuses: [...statuses.keys()] }).toEqual({
      ...{ lost: [], statuses: [200] },
    });
    expect(statuses.get(200)).toBeGreaterThan(300);
  });

  test('rates are counted in the store, by users who may do nothing else there', () => {
    expect(gateways.map((gateway) => gateway.told()).join('')).not.toContain('store of rates');
    const cli = (user: string, password: string, ...words: readonly string[]): string => {
      const login = ['--user', user, '--pass', password, '--no-auth-warning'];
      const tls = ['--tls', '--cacert', at('secrets/redis/ca.pem')];
      return execFileSync('redis-cli', ['-p', String(ports.redis), ...tls, ...login, ...words], { encoding: 'utf8' });
    };
    const password = readFileSync(at('secrets/redis_password'), 'utf8').trim();
    expect(cli('modelward', password, 'GET', 'modelward:rate:empty')).toMatch(/^\d{16}\n/);
    for (const words of [['FLUSHALL'], ['CONFIG', 'GET', '*'], ['KEYS', '*'], ['GET', 'other'], ['ACL', 'LIST']]) {
      expect(cli('modelward', password, ...words)).toContain('NOPERM');
    }
    expect(cli('default', password, 'PING')).toMatch(/WRONGPASS|NOAUTH/);
  });

  test('what a caller says of his address is dropped, and gateways are reached by the balancer alone', async () => {
    expect((await ask({ 'x-forwarded-for': '203.0.113.9', forwarded: 'for=203.0.113.9' })).status).toBe(200);
    const inner = readFileSync(at('secrets/inner/ca.pem'), 'utf8');
    const direct = askServing({ port: ports.first }, { ca: inner, headers: { authorization: `Bearer ${apiKey}` } });
    await expect(direct).rejects.toThrow();
  });

  test('keys, queries and passwords are in no log', () => {
    const database = /:\/\/modelward:(\w+)@/.exec(readFileSync(at('secrets/database_url'), 'utf8'))![1];
    const redis = readFileSync(at('secrets/redis_password'), 'utf8').trim();
    const logs = ['access.log', 'error.log'].map((name) => readFileSync(at(name), 'utf8'));
    const all = [...logs, ...gateways.map((gateway) => gateway.told())].join('');
    expect(all).toContain('POST /v2/models/digits/infer 200');
    for (const secret of [apiKey, database, redis]) expect(all).not.toContain(secret);
  });
}

const TEMPORARY = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
