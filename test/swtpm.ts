/** A software TPM of a test's own: swtpm on two ports of this machine, and tpm2-tools that speak to it. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createPublicKey, type KeyObject } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openTpm } from '../src/adapters/tpm/index.ts';
import type { Tpm } from '../src/tpm/index.ts';
import { type CertificateSpec, type Issued, issue, type KeyPair, toPurposes } from './fakes/attest/x509.ts';
import { encodeDer, TAG } from '../src/core/der.ts';
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

/** Where {@link makeCertifiedTpm} leaves its authorities, PEM: the root, and the one below it that certifies keys. */
export function readTestAuthorities({ folder }: TestTpm): { readonly root: string; readonly between: string } {
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
  return { root: read('swtpm-localca-rootca-cert.pem'), between: read('ca-cert.pem') };
}

/** Puts bytes where a maker puts a certificate; the index is longer, as those of makers are. */
export function writeNv(tpm: TestTpm, index: string, bytes: Uint8Array): void {
  writeFileSync(join(tpm.folder, 'nv.bin'), bytes);
  const attributes = 'ownerread|ownerwrite|authread|no_da';
  tpm.tool('tpm2_nvdefine', index, '-C', 'o', '-s', String(bytes.length + 16), '-a', attributes);
  tpm.tool('tpm2_nvwrite', index, '-C', 'o', '-i', 'nv.bin');
}

/** The P-256 endorsement key of a TPM, as tpm2-tools make it. */
function readEccEndorsementKey(tpm: TestTpm): KeyObject {
  tpm.tool('tpm2_createek', '-Q', '-c', 'ek.ctx', '-G', 'ecc', '-u', 'ek-ecc.pem', '-f', 'pem');
  tpm.tool('tpm2_flushcontext', '-t');
  return createPublicKey(readFileSync(join(tpm.folder, 'ek-ecc.pem')));
}

/** tcg-kp-EKCertificate. */
export const EK_PURPOSE = '2.23.133.8.1';
/** keyAgreement. */
const KEY_AGREEMENT = 0x08;

/** What a test asks of a certificate of an endorsement key: by default one as makers issue them. */
export function toEndorsementSpec(key: KeyPair, authority: Issued): CertificateSpec {
  const extensions = [toPurposes(EK_PURPOSE), { oid: '2.5.29.17', isCritical: true, value: encodeDer(TAG.sequence) }];
  return { commonName: '', key, issuer: authority, serial: 77, keyUsage: KEY_AGREEMENT, extensions };
}

/** Gives a TPM a certificate of its P-256 endorsement key, by a test authority. @param change of the certificate */
export function certifyEccEndorsementKey(tpm: TestTpm, authority: Issued, change: Partial<CertificateSpec> = {}): void {
  // The private half is in the TPM; the authority signs without it.
  const key = { publicKey: readEccEndorsementKey(tpm), privateKey: authority.key.privateKey };
  writeNv(tpm, '0x01c0000a', issue({ ...toEndorsementSpec(key, authority), ...change }).der);
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
