import { spawn } from 'node:child_process';
import { createServer, type Server, type Socket } from 'node:net';
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { seededRandom } from '../../../test/fakes/seal-kit.ts';
import { describeWhere, hasProgram } from '../../../test/shared-data.ts';
import { hasSwtpm, SWTPM_NEEDED } from '../../../test/swtpm.ts';
import { readPcrs, type TpmTransport } from '../../tpm/index.ts';
import { openTpm } from './index.ts';
import { toTransport } from './line.ts';

const ANSWER = Buffer.from('80010000000a00000000', 'hex');
const COMMAND = Buffer.from('80010000000a00000181', 'hex');

describe('a line to a TPM', () => {
  test('commands go one after the other; a late answer ends the line, since the next could be mistaken for it', async () => {
    let running = 0;
    let most = 0;
    const exchange = async (command: Uint8Array): Promise<Uint8Array> => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, command[0]));
      running--;
      return command;
    };
    const line = toTransport({ exchange, close: () => Promise.resolve() }, 200);
    const answers = await Promise.all([20, 1, 5].map((ms) => line.transmit(Uint8Array.of(ms))));
    expect(answers.map(([first]) => first)).toEqual([20, 1, 5]);
    expect(most).toBe(1);
    const stuck = toTransport({ exchange: () => new Promise(() => undefined), close: () => Promise.resolve() }, 5);
    await expect(stuck.transmit(COMMAND)).rejects.toMatchObject({ code: 'TPM_UNAVAILABLE', fields: { timeoutMs: 5 } });
    await expect(stuck.transmit(COMMAND)).rejects.toMatchObject({ code: 'TPM_UNAVAILABLE' });
  });
});

describe('a TPM behind a socket', () => {
  const servers: Server[] = [];
  const sockets: Socket[] = [];
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
    for (const server of servers.splice(0)) server.close();
  });

  async function serve(answer: (socket: Socket) => void): Promise<TpmTransport> {
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on('data', () => {
        answer(socket);
      });
    }).listen(0, '127.0.0.1');
    servers.push(server);
    await once(server, 'listening');
    return openTpm(`tcp:127.0.0.1:${(server.address() as { port: number }).port}`);
  }

  test('an answer in pieces is one answer', async () => {
    const line = await serve((socket) => {
      socket.write(ANSWER.subarray(0, 3));
      setTimeout(() => socket.write(ANSWER.subarray(3)), 10);
    });
    expect(Buffer.from(await line.transmit(COMMAND)).equals(ANSWER)).toBe(true);
    expect(Buffer.from(await line.transmit(COMMAND)).equals(ANSWER)).toBe(true);
    await line.close();
  });

  test.each([
    ['longer than it says', Buffer.concat([ANSWER, Buffer.of(0)])],
    ['shorter than a header', Buffer.from('8001000000090000000000', 'hex')],
    ['of four gigabytes', Buffer.from('8001ffffffff00000000', 'hex')],
  ])('an answer %s is refused', async (_, bytes) => {
    const line = await serve((socket) => socket.write(bytes));
    await expect(line.transmit(COMMAND)).rejects.toMatchObject({ code: 'TPM_RESPONSE_INVALID' });
    await line.close();
  });

  test('a line that is cut is an outage, for the command under way and the next', async () => {
    const line = await serve((socket) => socket.destroy());
    await expect(line.transmit(COMMAND)).rejects.toMatchObject({ code: 'TPM_UNAVAILABLE' });
    await expect(line.transmit(COMMAND)).rejects.toMatchObject({ code: 'TPM_UNAVAILABLE' });
  });

  test('other hosts, and ports that are none, are no addresses', async () => {
    for (const address of ['tcp:10.0.0.1:2321', 'tcp:127.0.0.1:99999', 'tcp:localhost:1', '']) {
      await expect(openTpm(address)).rejects.toMatchObject({ code: 'TPM_UNAVAILABLE' });
    }
  });
});

/** Two ends of a character device, both raw: what is written into one comes out of the other. */
const PTY = `import os, tty, sys, select
a, a_end = os.openpty(); b, b_end = os.openpty()
for end in (a_end, b_end): tty.setraw(end)
os.write(1, f'{os.ttyname(a_end)} {os.ttyname(b_end)}\\n'.encode())
while True:
    for end in select.select([a, b], [], [])[0]:
        data = os.read(end, 4096)
        os.write(b if end == a else a, data)
`;

/** What is written before the program is there is lost. */
async function waitUntilOpen(pid: number, path: string): Promise<void> {
  const folder = `/proc/${pid}/fd`;
  const isOpen = (): boolean => readdirSync(folder).some((fd) => readlinkSync(join(folder, fd)) === path);
  while (!isOpen()) await new Promise((resolve) => setTimeout(resolve, 20));
  await new Promise((resolve) => setTimeout(resolve, 300));
}

const hasPty = hasSwtpm && hasProgram('python3') && process.platform === 'linux';

describeWhere(hasPty, 'a TPM behind a character device', `Linux, python3, ${SWTPM_NEEDED}`, () => {
  test('swtpm on a terminal pair answers as on a socket', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'modelward-tpm-device-'));
    const pair = spawn('python3', ['-c', PTY], { stdio: ['ignore', 'pipe', 'ignore'] });
    const [said] = (await once(pair.stdout, 'data')) as [Buffer];
    const [ours, theirs] = said.toString().trim().split(' ');
    const state = ['--tpmstate', `dir=${folder}`, '--flags', 'not-need-init,startup-clear'];
    const swtpm = spawn('swtpm', ['chardev', '--tpm2', '--chardev', theirs, ...state], { stdio: 'ignore' });
    try {
      await waitUntilOpen(swtpm.pid ?? 0, theirs);
      const transport = await openTpm(ours);
      const tpm = { transport, random: seededRandom(1), pause: () => Promise.resolve() };
      const values = await readPcrs(tpm, [0, 7, 23]);
      expect(values.map((value) => value.every((byte) => byte === 0))).toEqual([true, true, true]);
      await transport.close();
    } finally {
      swtpm.kill();
      pair.kill();
      rmSync(folder, { recursive: true });
    }
  });
});
