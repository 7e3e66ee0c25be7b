/** The built gateway ends while the ledger does not take what it has to say: the next one says it. */
import { copyFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { createLedgerLock } from '../../../src/adapters/ledger-lock/index.ts';
import { createWorkplace, samples } from '../../e2e/command.ts';
import { BODY, INFER, type Serving, until } from '../../e2e/serving.ts';
import { Client, readKey, startGateway } from './gateway-process.ts';

const place = createWorkplace({ isOneProcess: true });
const started: Serving[] = [];
afterAll(() => {
  for (const { child } of started) child.kill('SIGKILL');
  place.remove();
});

const TLS = ['--port', '0', '--tls-cert', 'tls/server.pem', '--tls-key', 'tls/server.key'];

async function start(): Promise<Serving> {
  const gateway = await startGateway(place, ['--model', 'digits=net.onnx', ...TLS]);
  started.push(gateway);
  return gateway;
}

interface Entry {
  readonly type: string;
  readonly subject: string;
}

/** Checkpoints of this stream that the ledger has. */
const countCheckpoints = (stream: string): number =>
  place
    .json<{ readonly entries: readonly Entry[] }>(['ledger', 'show', '--last', '1000', '--json'])
    .entries.filter(({ type, subject }) => type === 'request-log' && subject === stream).length;

const listSpool = (): readonly string[] => readdirSync(join(place.home, 'gateway/spool'));

test('the last checkpoint that the ledger did not take is in it after the next start; the log is anchored', async () => {
  copyFileSync(join(samples, 'mlp.onnx'), join(place.folder, 'net.onnx'));
  const runs = place.runAll([
    ['tls', 'init', '--out', 'tls'],
    ['apikey', 'create', '--name', 'a', '--model', 'digits', '-o', 'a.json'],
  ]);
  expect(runs.map(({ status }) => status)).toEqual([0, 0]);
  const first = await start();
  const client = new Client(first.port, readFileSync(join(place.folder, 'tls/ca.pem')));
  const { apiKey } = readKey(place, 'a.json');
  const held = await createLedgerLock().acquire({ folder: join(place.home, 'ledger'), waitMs: 60_000 });
  expect((await client.ask({ path: INFER, body: BODY, apiKey })).status).toBe(200);
  client.close();
  first.child.kill('SIGTERM');
  expect(await first.ended).toBe(6);
  expect(first.told()).toContain('LEDGER_LOCKED');
  held.release();
  const [stream, ...others] = listSpool();
  expect(others).toEqual([]);
  const before = countCheckpoints(stream);

  const second = await start();
  await until('the stream that was left is looked after', () => !listSpool().includes(stream));
  second.child.kill('SIGTERM');
  expect(await second.ended).toBe(0);
  expect(countCheckpoints(stream)).toBe(before + 1);
  expect(listSpool()).toEqual([]);
  expect(place.json<{ isIntact: boolean }>(['log', 'verify', '--json']).isIntact).toBe(true);
}, 300_000);
