/**
 * The recipes for enclaves, as far as a machine without such hardware goes: the entry of each recipe is started as it is, proves
 * itself to a real broker over TLS with evidence that an authority of our own signed, gets the key, and serves the model to callers
 * who check the evidence first.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type HttpsServer, openHttpsServer } from '../../src/adapters/https-server/index.ts';
import { createTlsAuthority } from '../../src/adapters/tls-authority/index.ts';
import { composeServices } from '../../src/cli/compose.ts';
import { createCleanups } from '../../src/cli/ui/interrupt.ts';
import { BROKER_LIMITS } from '../../src/core/limits/broker.ts';
import { silentProgress } from '../../src/core/ports.ts';
import { toNpyBytes } from '../../src/fidelity/index.ts';
import { openFileSource } from '../../src/source/index.ts';
import { type HomeBroker, listReleases, openBrokerWith } from '../../src/workflows/broker/index.ts';
import { initTls } from '../../src/workflows/gateway/index.ts';
import { sealInto } from '../../src/workflows/seal-model.ts';
import type { Services } from '../../src/workflows/services.ts';
import { openSession, type Session } from '../../src/workflows/session.ts';
import { dcapLab, lab, labVerifier } from '../broker/kit.ts';
import { makeServerIdentity } from '../broker/tls.ts';
import { NOW_MS } from '../fakes/attest/snp.ts';
import { renderManifest, TOML_PROGRAM } from '../recipes/manifest.ts';
import { describeWhere, hasProgram } from '../shared-data.ts';
import { bin, root, samples } from './command.ts';

const identity = makeServerIdentity();
const RESOURCE = 'models/key/mlp';
const recipe = (...parts: readonly string[]) => join(root, 'deploy', ...parts);

let work: string;
let services: Services;
let session: Session;
let sealId: string;
let broker: HomeBroker | undefined;
let server: HttpsServer | undefined;
let watch: NodeJS.Timeout | undefined;
let guest: Guest | undefined;
const at = (...parts: readonly string[]) => join(work, ...parts);

beforeEach(async () => {
  work = mkdtempSync(join(tmpdir(), 'modelward-recipe-'));
  const composed = composeServices({ home: at('home'), progress: silentProgress, cleanups: createCleanups() });
  services = { ...composed, clock: { nowMs: () => NOW_MS } };
  session = openSession(services, 'acme');
  for (const folder of ['kernel', 'config', 'data', 'tmp']) mkdirSync(at(folder));
  sealId = await seal();
  writeFileSync(at('config/broker-ca.pem'), identity.caPem);
  const terms = {
    names: ['gateway.example.com'],
    clients: ['acme'],
    trustDomain: null,
    passphrase: null,
    force: false,
  };
  await initTls(composed, createTlsAuthority(), { out: at('clients'), ...terms });
  copyFileSync(at('clients/ca.pem'), at('config/clients-ca.pem'));
});
afterEach(async () => {
  clearInterval(watch);
  if (guest?.child.exitCode === null && guest.child.pid !== undefined) process.kill(-guest.child.pid, 'SIGKILL');
  await guest?.ended;
  await server?.close();
  await broker?.close();
  session.close();
  rmSync(work, { recursive: true, force: true });
  [broker, server, guest] = [undefined, undefined, undefined];
});

async function seal(): Promise<string> {
  const { writer, actor } = session.recorder;
  const keys = await services.openKeys({ uri: null, create: true, apartFrom: null, ledger: writer, actor });
  const chunks: Uint8Array[] = [];
  const sink = { write: (chunk: Uint8Array) => void chunks.push(chunk.slice()) };
  const files = [{ name: 'mlp.onnx', source: openFileSource(join(samples, 'mlp.onnx')) }];
  const record = await sealInto(services, { files, modelName: 'mlp', format: 'onnx', keys, sink });
  writeFileSync(at('data/model.seal'), Buffer.concat(chunks));
  return record.seal.header.sealId;
}

/** The recipe's own policy, with what was measured in its places. */
async function serve(template: string, measured: Readonly<Record<string, string>>): Promise<string> {
  const places: Record<string, string> = { ...measured, '@RESOURCE@': RESOURCE, '@SEAL_ID@': sealId };
  const text = readFileSync(template, 'utf8').replace(/@[A-Z_]+@/g, (place) => places[place] ?? place);
  writeFileSync(at('broker-policy.json'), text);
  const setup = { policyPath: at('broker-policy.json'), keyUri: null, onTrouble: () => undefined };
  broker = await openBrokerWith(services, session, setup, labVerifier);
  server = await openHttpsServer({
    ...{ host: '127.0.0.1', port: 0, limits: BROKER_LIMITS, handler: broker.handler, onTrouble: () => undefined },
    ...identity,
  });
  return `https://127.0.0.1:${server.port}`;
}

/** The hardware: signs whatever the guest asks for, with what it measured. */
function startHardware(provider: string, makeReport: (reportData: Uint8Array) => Uint8Array): void {
  writeFileSync(at('kernel/provider'), `${provider}\n`);
  watch = setInterval(() => {
    for (const name of readdirSync(at('kernel')).filter((one) => one.endsWith('.asked'))) {
      const asked = at('kernel', name);
      const reportData = new Uint8Array(64);
      reportData.set(readFileSync(asked));
      const made = asked.replace(/asked$/, 'made');
      writeFileSync(`${made}.new`, makeReport(reportData));
      rmSync(asked);
      renameSync(`${made}.new`, made);
    }
  }, 5);
}

/** The configuration of the recipe, for this machine: its own addresses, paths and broker. */
function writeConfig(path: string, brokerUrl: string): void {
  const { listen, attested, models, ...rest } = parse(readFileSync(path, 'utf8')) as {
    readonly listen: object;
    readonly attested: object;
    readonly models: readonly { readonly broker: object }[];
  };
  const [{ broker: released, ...model }] = models;
  const config = {
    ...rest,
    listen: { ...listen, host: '127.0.0.1', port: 0 },
    attested: { ...attested, names: ['localhost', '127.0.0.1'], out: at('data/public') },
    models: [{ ...model, file: at('data/model.seal'), broker: { ...released, url: brokerUrl, resource: RESOURCE } }],
  };
  // Names of callers in the template of an enclave.
  writeFileSync(at('config/gateway.yaml'), JSON.stringify(config).replaceAll('@NAME@', 'gateway.example.com'));
}

interface Guest {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  readonly told: () => string;
  /** Fulfilled when it serves. @throws when it ended before */
  readonly port: Promise<number>;
}

/** Starts an entry with nothing in its environment but the fake kernel, and what a manifest or unit sets. */
function start(command: string, args: readonly string[], env: Readonly<Record<string, string>>): Guest {
  const kernel = pathToFileURL(join(root, 'test/recipes/guest-kernel.js')).href;
  const child = spawn(command, args, {
    cwd: at('tmp'),
    env: {
      NODE_OPTIONS: `--import ${kernel}`,
      GUEST_KERNEL_FOLDER: at('kernel'),
      PATH: '/usr/bin:/bin',
      MODELWARD_MEMORY_WARNING: '0',
      ...env,
    },
    stdio: ['ignore', 'ignore', 'pipe'],
    // A group of its own: who traces it does not end it.
    detached: true,
  });
  let text = '';
  const ended = once(child, 'close').then(([status]) => status as number | null);
  const port = new Promise<number>((done, fail) => {
    child.stderr.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const found = /gateway at https:\/\/127\.0\.0\.1:(\d+)/.exec(text)?.[1];
      if (found !== undefined) done(Number(found));
    });
    void ended.then(() => {
      fail(new Error(`ended early: ${text}`));
    });
  });
  port.catch(() => undefined);
  guest = { child, ended, port, told: () => text };
  return guest;
}

const values = Float32Array.from({ length: 2 * 144 }, (_, index) => Math.sin(index));
const INPUT = { name: 'input', datatype: 'FP32', shape: [2, 1, 12, 12], data: [...values] };

/** Asks as the customer whose certificate it is; null without one. */
async function ask({ port }: Guest, client: string | null = 'acme'): Promise<{ status: number; scores: number[] }> {
  const read = (name: string) => readFileSync(at('clients/clients', name));
  const credential = client === null ? {} : { cert: read(`${client}.pem`), key: read(`${client}.key`) };
  const options = {
    ...{ host: '127.0.0.1', port: await port, method: 'POST', path: '/v2/models/classifier/infer', agent: false },
    ...{ ca: readFileSync(at('data/public/ca.pem')), headers: { 'content-type': 'application/json' }, ...credential },
  };
  return new Promise((done, fail) => {
    const sent = request(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', fail);
      response.on('end', () => {
        const body = JSON.parse(Buffer.concat(chunks).toString()) as { outputs?: { data: number[] }[] };
        done({ status: response.statusCode ?? 0, scores: body.outputs?.[0].data ?? [] });
      });
    });
    sent.on('error', fail);
    sent.end(JSON.stringify({ inputs: [INPUT] }));
  });
}

/** What the model answers outside of any enclave. */
function runPlain(): number[] {
  const input = { dtype: 'f32' as const, shape: [2, 1, 12, 12], data: new Uint8Array(values.buffer) };
  writeFileSync(at('input.npy'), toNpyBytes(input));
  const args = ['run', join(samples, 'mlp.onnx'), '--input', at('input.npy'), '--out', at('plain'), '--quiet'];
  execFileSync(process.execPath, [bin, ...args]);
  const bytes = Uint8Array.from(readFileSync(at('plain/logits.npy')).subarray(-2 * 10 * 4));
  return [...new Float32Array(bytes.buffer)];
}

/** What the evidence is bound to, once it was found authentic. */
function readBinding(tee: 'snp' | 'sgx'): string {
  const primaryEvidence = JSON.parse(readFileSync(at('data/public/evidence.json'), 'utf8')) as unknown;
  return labVerifier.verify({ primaryEvidence, tee, nowMs: NOW_MS }).reportDataHex;
}
const toAuthorityDigest = (): string =>
  createHash('sha256')
    .update(readFileSync(at('data/public/ca.pem')))
    .digest('hex');

describe('the entry of a confidential VM', () => {
  const startGuest = (brokerUrl: string) => {
    writeConfig(recipe('confidential-vm/gateway.yaml'), brokerUrl);
    const lines = [
      `NODE='${process.execPath}'`,
      `APP='${root}'`,
      `CONFIG='${at('config/gateway.yaml')}'`,
      `STATE='${at('state')}'`,
      `PUBLIC='${at('data/public')}'`,
      'ALLOW_SWAP=yes',
    ];
    writeFileSync(at('service.conf'), `${lines.join('\n')}\n`);
    return start(recipe('confidential-vm/start'), [], { MODELWARD_CONF: at('service.conf'), HOME: at('tmp') });
  };
  const policy = recipe('confidential-vm/broker-policy.template.json');
  /** As the host hands certificates out: entries of GUID, offset and length, zeros, then the bytes. */
  const toTable = (parts: readonly (readonly [string, Uint8Array])[]): Uint8Array => {
    const head = Buffer.alloc(24 * (parts.length + 1));
    let offset = head.length;
    for (const [index, [guid, bytes]] of parts.entries()) {
      Buffer.from(guid, 'hex').copy(head, 24 * index);
      head.writeUInt32LE(offset, 24 * index + 16);
      head.writeUInt32LE(bytes.length, 24 * index + 20);
      offset += bytes.length;
    }
    return Buffer.concat([head, ...parts.map(([, bytes]) => bytes)]);
  };

  const startSnp = (measurement?: Uint8Array) => {
    const vcek = ['63da758de6644564adc5f4b93be8accd', lab.vcek.der] as const;
    const crls = lab.makeCrls().map((crl) => ['92f81bc358114d3d97ffd19f88dc67ea', crl] as const);
    writeFileSync(at('kernel/auxblob'), toTable([vcek, ...crls]));
    startHardware('sev_guest', (reportData) => lab.makeReport({ reportData, ...(measurement && { measurement }) }));
  };

  test('SEV-SNP: proves itself, gets the key, and answers as the model does, over a line that the hardware vouches for', async () => {
    startSnp();
    const started = startGuest(await serve(policy, { '@MEASUREMENT@': 'aa'.repeat(48) }));
    const { status, scores } = await ask(started);
    expect([status, scores]).toEqual([200, runPlain()]);
    expect(readBinding('snp').startsWith(toAuthorityDigest())).toBe(true);
    await expect(ask(started, null)).rejects.toThrow();
    expect(listReleases(session)).toMatchObject([{ resource: RESOURCE, outcome: 'released', tee: 'snp' }]);
    started.child.kill('SIGTERM');
    expect(await started.ended).toBe(0);
    // Nothing of the request is left in configfs, and nothing was written but to memory of the machine.
    expect(readdirSync(at('kernel')).filter((name) => name.startsWith('modelward-'))).toEqual([]);
    expect(readdirSync(at('tmp'))).toEqual([]);
    const shown = execFileSync(recipe('confidential-vm/publish'), { env: { MODELWARD_CONF: at('service.conf') } });
    expect(shown.toString()).toBe(
      ['ca.pem', 'evidence.json'].map((name) => readFileSync(at('data/public', name), 'utf8')).join(''),
    );
  });

  test('an instance that ends is replaced by one that asks the broker anew', async () => {
    startSnp();
    const started = startGuest(await serve(policy, { '@MEASUREMENT@': 'aa'.repeat(48) }));
    expect((await ask(started)).status).toBe(200);
    const pid = String(started.child.pid);
    const [weights] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
    process.kill(Number(weights), 'SIGKILL');
    const statuses: number[] = [];
    // The first request meets the end of the process.
    while (statuses.length < 2 || statuses.at(-1) !== 200) {
      statuses.push((await ask(started)).status);
      await new Promise((done) => setTimeout(done, 50));
    }
    expect(new Set(statuses)).toEqual(new Set([200, 503]));
    expect(listReleases(session).map(({ outcome }) => outcome)).toEqual(['released', 'released']);
  });

  test('of another measurement gets no key, and serves nothing', async () => {
    startSnp(new Uint8Array(48).fill(0xab));
    const started = startGuest(await serve(policy, { '@MEASUREMENT@': 'aa'.repeat(48) }));
    expect([await started.ended, started.told()]).toEqual([5, expect.stringContaining('BROKER_POLICY_DENIED')]);
    expect(started.told()).not.toContain('gateway at');
    expect(listReleases(session)).toMatchObject([{ outcome: 'refused' }]);
  });

  test('on a machine of another kind than its configuration says sends no evidence', async () => {
    startHardware('tdx_guest', (reportData) => dcapLab.makeQuote({ kind: 'tdx', reportData }));
    const started = startGuest(await serve(policy, { '@MEASUREMENT@': 'aa'.repeat(48) }));
    expect([await started.ended, started.told()]).toEqual([3, expect.stringContaining('ATTEST_EVIDENCE_UNKNOWN')]);
    expect(listReleases(session)).toEqual([]);
  });

  test('the policy of the recipe is refused until a measurement stands in it', async () => {
    await expect(serve(policy, {})).rejects.toMatchObject({ code: 'ATTEST_POLICY_MALFORMED' });
  });
});

// WebAssembly is code that is made at run time, so the entry needs the native runtime.
const hasNative = existsSync(join(root, 'node_modules/onnxruntime-node'));
const canRender = hasNative && hasProgram(...TOML_PROGRAM) && hasProgram('strace', ['-V']);
describeWhere(canRender, 'the entry of an SGX enclave', 'onnxruntime-node, Python 3.11, strace', () => {
  const policy = recipe('gramine/broker-policy.template.json');
  const startEnclave = (brokerUrl: string) => {
    writeConfig(recipe('gramine/gateway.template.yaml'), brokerUrl);
    const { libos, loader } = renderManifest(recipe('gramine/modelward.manifest.template'), {
      ...{ node: process.execPath, app: root, config: at('config'), data: at('data') },
      ...{ arch_libdir: '/lib/x86_64-linux-gnu', edmm: 'false', enclave_size: '4G' },
      ...{ 'gramine.libos': '/gramine/libsysdb.so', 'gramine.runtimedir()': '/gramine/runtime' },
    });
    // The manifest alone says what is started, with which arguments and variables.
    const own = { LD_LIBRARY_PATH: '', HOME: at('tmp'), TMPDIR: at('tmp'), MODELWARD_HOME: at('state') };
    const env = { ...(loader.env as Record<string, string>), ...own };
    // Traced, to see which memory it asks for.
    const trace = ['-f', '-qq', '-o', at('trace'), '-e', 'trace=mmap,mprotect,pkey_mprotect,execve,fork,vfork'];
    return start('strace', [...trace, libos.entrypoint, ...loader.argv.slice(1)], env);
  };
  const startSgx = () => {
    writeFileSync(at('kernel/attestation_type'), 'dcap');
    startHardware('none', (reportData) => dcapLab.makeQuote({ kind: 'sgx', reportData }));
  };

  test('proves itself, gets the key, and answers in one process, without code that is made at run time', async () => {
    startSgx();
    const started = startEnclave(await serve(policy, { '@MR_ENCLAVE@': 'e1'.repeat(32) }));
    const { status, scores } = await ask(started);
    expect([status, scores]).toEqual([200, runPlain()]);
    expect(readBinding('sgx').startsWith(toAuthorityDigest())).toBe(true);
    expect(listReleases(session)).toMatchObject([{ resource: RESOURCE, outcome: 'released', tee: 'sgx' }]);
    const pid = String(started.child.pid);
    const traced = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    process.kill(Number(traced), 'SIGTERM');
    expect(await started.ended).toBe(0);
    expect(readdirSync(at('tmp'))).toEqual([]);
    const calls = readFileSync(at('trace'), 'utf8');
    expect(calls.match(/PROT_[A-Z|_]*PROT_WRITE\|PROT_EXEC/g)).toBeNull();
    expect(calls.match(/PROT_EXEC[^)]*MAP_ANONYMOUS/g)).toBeNull();
    expect(calls.match(/\b(execve|fork|vfork)\(/g)).toHaveLength(1);
  });

  test('of another MRENCLAVE gets no key, and serves nothing', async () => {
    startSgx();
    const started = startEnclave(await serve(policy, { '@MR_ENCLAVE@': 'e2'.repeat(32) }));
    expect([await started.ended, started.told()]).toEqual([5, expect.stringContaining('BROKER_POLICY_DENIED')]);
    expect(started.told()).not.toContain('gateway at');
  });

  test('whose manifest asks for no attestation says so', async () => {
    startSgx();
    writeFileSync(at('kernel/attestation_type'), 'none');
    const started = startEnclave(await serve(policy, { '@MR_ENCLAVE@': 'e1'.repeat(32) }));
    expect([await started.ended, started.told()]).toEqual([6, expect.stringContaining('ATTEST_ENCLAVE_REFUSED')]);
  });
});
