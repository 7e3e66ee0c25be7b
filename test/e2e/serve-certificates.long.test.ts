/** Certificates of a gateway of two workers that are exchanged while it serves: each process and each listener takes them, and speaks TLS 1.3 alone. */
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { makeServerFiles } from '../gateway/reliability/certificates.ts';
import { describeWhere } from '../shared-data.ts';
import { createWorkplace, samples } from './command.ts';
import { askServing, type Serving, startServing, until } from './serving.ts';

const place = createWorkplace({ isOneProcess: true });
const at = (...names: readonly string[]): string => join(place.folder, ...names);
const LISTENERS = ['data', 'admin'] as const;
const ROUNDS = 2;
/** Connections in a row, which the workers take in turn. */
const IN_TURN = 6;

let gateway: Serving;
/** Of each listener, before and after each exchange. */
const authorities: Record<(typeof LISTENERS)[number], readonly string[]> = { data: [], admin: [] };

/** Makes a certificate in a folder beside that of the listener. */
function make(listener: string, round: number): string {
  mkdirSync(at(`${listener}-${round}`));
  return makeServerFiles(at(`${listener}-${round}`), `authority ${listener} ${round}`).ca;
}

function exchange(listener: string, round: number): void {
  for (const name of ['server.pem', 'server.key']) copyFileSync(at(`${listener}-${round}`, name), at(listener, name));
}

beforeAll(async () => {
  for (const listener of LISTENERS) {
    mkdirSync(at(listener));
    authorities[listener] = Array.from({ length: ROUNDS + 1 }, (_, round) => make(listener, round));
    exchange(listener, 0);
  }
  copyFileSync(join(samples, 'mlp.onnx'), at('net.onnx'));
  const tls = (listener: string) => ({ cert: `${listener}/server.pem`, key: `${listener}/server.key` });
  const config = {
    ...{ workers: 2, listen: { port: 0, tls: tls('data') }, admin: { port: 0, tls: tls('admin') } },
    models: [{ name: 'digits', file: 'net.onnx' }],
  };
  writeFileSync(at('gateway.yaml'), stringify(config));
  const create = ['apikey', 'create', '--name', 'a', '--model', 'digits', '--burst', '1000', '--per-minute', '60000'];
  expect(place.run([...create, '-o', 'a.json']).status).toBe(0);
  gateway = await startServing({ folder: place.folder, home: place.home, args: ['gateway.yaml'] });
  await until('its admin listener', () => gateway.adminPort > 0);
});
afterAll(() => {
  gateway.child.kill('SIGKILL');
  place.remove();
});

/** The version that a handshake ends in, or the code of its failure. */
function shake(port: number, ca: string, maxVersion: 'TLSv1.2' | 'TLSv1.3' = 'TLSv1.3'): Promise<string> {
  return new Promise((done) => {
    const socket = connect({ host: '127.0.0.1', port, ca, maxVersion, minVersion: 'TLSv1.2' });
    socket.on('secureConnect', () => {
      done(socket.getProtocol() ?? '');
      socket.destroy();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      done(error.code ?? 'error');
    });
  });
}

async function shakeInTurn(...given: Parameters<typeof shake>): Promise<readonly string[]> {
  const told: string[] = [];
  for (let n = 0; n < IN_TURN; n += 1) told.push(await shake(...given));
  return [...new Set(told)];
}

const REFUSED = ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION'];
const toPort = (listener: string): number => (listener === 'data' ? gateway.port : gateway.adminPort);

/** All processes show the certificate of this round, and no other; none of them speaks TLS 1.2. */
async function expectRound(round: number): Promise<void> {
  for (const listener of LISTENERS) {
    const port = toPort(listener);
    expect(await shakeInTurn(port, authorities[listener][round])).toEqual(['TLSv1.3']);
    for (const other of authorities[listener].filter((_, n) => n !== round)) {
      expect(await shakeInTurn(port, other)).not.toContain('TLSv1.3');
    }
    expect(await shakeInTurn(port, authorities[listener][round], 'TLSv1.2')).toEqual(REFUSED);
  }
  const { apiKey } = JSON.parse(readFileSync(at('a.json'), 'utf8')) as { apiKey: string };
  const asking = { ca: authorities.data[round], headers: { authorization: `Bearer ${apiKey}` } };
  for (let n = 0; n < 4; n += 1) expect(await askServing(gateway, asking)).toMatchObject({ status: 200 });
}

describeWhere(existsSync('/proc/self/task'), 'certificates of two workers', '/proc', () => {
  test('each exchange is taken by every process and listener; before and after it TLS 1.2 is refused', async () => {
    await expectRound(0);
    for (let round = 1; round <= ROUNDS; round += 1) {
      for (const listener of LISTENERS) exchange(listener, round);
      await until(`exchange ${round}`, async () => {
        const told = await Promise.all(
          LISTENERS.map((listener) => shakeInTurn(toPort(listener), authorities[listener][round])),
        );
        return told.every((versions) => versions.join() === 'TLSv1.3');
      });
      await expectRound(round);
    }
  });

  test('files that are none are told, and change nothing in any of them', async () => {
    for (const listener of LISTENERS) writeFileSync(at(listener, 'server.pem'), 'no certificate');
    const countTold = (): number => gateway.told().split('TLS_CERTIFICATE_MALFORMED').length - 1;
    // Of both workers, and of the admin listener.
    await until('told', () => countTold() >= 3);
    await expectRound(ROUNDS);
    expect(gateway.told()).not.toContain('no certificate');
  });
});
