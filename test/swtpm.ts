/** A software TPM of a test's own: swtpm on two ports of this machine, and tpm2-tools that speak to it. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openTpm } from '../src/adapters/tpm/index.ts';
import type { Tpm } from '../src/tpm/index.ts';
import { seededRandom } from './fakes/seal-kit.ts';
import { hasProgram } from './shared-data.ts';

export const hasSwtpm = hasProgram('swtpm', ['--version']) && hasProgram('tpm2_getrandom', ['--version']);
export const hasSwtpmSetup = hasSwtpm && hasProgram('swtpm_setup', ['--help']);
export const SWTPM_NEEDED = 'swtpm, swtpm-tools and tpm2-tools';

export interface TestTpm {
  readonly folder: string;
  /** As `openTpm` takes it. */
  readonly address: string;
  /** Calls `use` with a line of its own: a swtpm has one client at a time. */
  readonly with: <T>(use: (tpm: Tpm) => Promise<T>) => Promise<T>;
  /** Runs a program of tpm2-tools in the folder; its stdout. */
  readonly tool: (program: string, ...args: readonly string[]) => string;
  readonly stop: () => Promise<void>;
}

/** Starts a TPM that was never used; `folder` of an earlier one starts that one again. */
export async function startTestTpm(folder = mkdtempSync(join(tmpdir(), 'modelward-swtpm-'))): Promise<TestTpm> {
  const port = await findPorts();
  const args = ['socket', '--tpm2', '--tpmstate', `dir=${folder}`, '--flags', 'not-need-init,startup-clear'];
  const lines = [
    '--server',
    `type=tcp,port=${port},bindaddr=127.0.0.1`,
    '--ctrl',
    `type=tcp,port=${port + 1},bindaddr=127.0.0.1`,
  ];
  const child = spawn('swtpm', [...args, ...lines], { stdio: 'ignore' });
  await waitForPort(port, child);
  const address = `tcp:127.0.0.1:${port}`;
  return {
    folder,
    address,
    with: async (use) => {
      const transport = await openTpm(address);
      try {
        return await use({ transport, random: seededRandom(port), pause: (ms) => sleep(ms) });
      } finally {
        await transport.close();
      }
    },
    tool: (program, ...given) => {
      const env = { ...process.env, TPM2TOOLS_TCTI: `swtpm:host=127.0.0.1,port=${port}` };
      return execFileSync(program, [...given], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] }).toString();
    },
    stop: async () => {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      if (child.exitCode === null && child.kill()) await ended;
    },
  };
}

/** State of a TPM whose endorsement key a test authority certified; a folder for {@link startTestTpm}. */
export function makeCertifiedTpm(): string {
  const folder = mkdtempSync(join(tmpdir(), 'modelward-swtpm-'));
  const config = join(folder, 'setup.conf');
  const authority = join(folder, 'authority.conf');
  const options = join(folder, 'authority.options');
  writeFileSync(
    config,
    `create_certs_tool = swtpm_localca\ncreate_certs_tool_config = ${authority}\ncreate_certs_tool_options = ${options}\nactive_pcr_banks = sha256\n`,
  );
  const keys = ['statedir', 'signingkey', 'issuercert', 'certserial'];
  const files = [folder, join(folder, 'ca-key.pem'), join(folder, 'ca-cert.pem'), join(folder, 'ca-serial')];
  writeFileSync(authority, keys.map((key, at) => `${key} = ${files[at]}\n`).join(''));
  writeFileSync(options, '--platform-manufacturer Test\n--platform-version 1\n--platform-model Test\n');
  execFileSync('swtpm_setup', ['--tpm2', '--tpmstate', folder, '--create-ek-cert', '--config', config], {
    stdio: 'ignore',
  });
  return folder;
}

export function removeTestTpm({ folder }: TestTpm): void {
  rmSync(folder, { recursive: true, force: true });
}

/** Two free ports side by side: the tools look for the control channel behind the other one. */
async function findPorts(): Promise<number> {
  for (;;) {
    const first = await listen(0);
    const port = first.port;
    const second = await listen(port + 1).catch(() => undefined);
    await first.close();
    await second?.close();
    if (second !== undefined) return port;
  }
}

function listen(port: number): Promise<{ port: number; close: () => Promise<void> }> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      const address = server.address() as { port: number };
      const close = (): Promise<void> =>
        new Promise((done) => {
          server.close(() => {
            done();
          });
        });
      resolve({ port: address.port, close });
    });
  });
}

async function waitForPort(port: number, child: ChildProcess): Promise<void> {
  while (child.exitCode === null) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      }).on('error', () => {
        resolve(false);
      });
    });
    if (isOpen) return;
    await sleep(20);
  }
  throw new Error('swtpm did not start');
}
