/** What is left of keys in a process that used them by commands and by every key provider, once they were wiped. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../src/adapters/system/index.ts';
import { toNpyBytes } from '../../src/fidelity/index.ts';
import { parseEnvelope, unwrapDek } from '../../src/seal/index.ts';
import { builtUrl } from '../built.ts';
import { createWorkplace, samples, type Workplace } from '../e2e/command.ts';
import { serveFakeAwsKms } from '../fakes/key-services/aws-kms.ts';
import { serveFakeAzureKv } from '../fakes/key-services/azure-kv.ts';
import { serveFakeGcpKms } from '../fakes/key-services/gcp-kms.ts';
import { serveFakeVault } from '../fakes/key-services/vault.ts';
import { openHomeKey } from '../keys/many.ts';
import { countInMemory, readProc } from '../process-memory.ts';
import { describeWhere } from '../shared-data.ts';

type Child = ChildProcessByStdio<Writable, Readable, null>;

const WORDS = 'canary passphrase of more than thirty-two letters';
const TSX = import.meta.resolve('tsx');
const isLinux = process.platform === 'linux';
let place: Workplace;
const children: Child[] = [];

beforeAll(() => {
  place = createWorkplace();
});
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  place.remove();
});

/** Starts a process and waits until it says that it is ready. */
async function start(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Child> {
  const child = spawn(process.execPath, ['--expose-gc', ...args], {
    cwd: place.folder,
    env: { ...process.env, MODELWARD_HOME: place.home, ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  await heard(child, 'ready\n');
  return child;
}

async function heard(child: Child, words: string): Promise<void> {
  let text = '';
  await new Promise<void>((resolve, reject) => {
    child.once('exit', (code) => {
      reject(new Error(`internal error: the child ended with ${code}: ${text}`));
    });
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (text.includes(words)) resolve();
    });
  });
}

/** A key as it may stand in memory: its bytes, and its digits as text of one and of two bytes a character. */
function toNeedles(key: Uint8Array): Buffer[] {
  const bytes = Buffer.from(key);
  const texts = [bytes.toString('hex'), bytes.toString('base64').replace(/=+$/, '')];
  return [bytes, ...texts.flatMap((text) => [Buffer.from(text, 'latin1'), Buffer.from(text, 'utf16le')])];
}

function expectNone(child: Child, needles: readonly Buffer[]): void {
  expect(countInMemory(child.pid ?? 0, needles)).toEqual(needles.map(() => 0));
  const shown = readProc(child.pid ?? 0, 'cmdline') + readProc(child.pid ?? 0, 'environ');
  for (const needle of needles) expect(shown).not.toContain(needle.toString('latin1'));
}

/** Runs command lines one after the other in one process, which then waits. */
const DRIVER = `
const { main } = await import(process.argv[1]);
for (const words of JSON.parse(process.argv[2])) {
  const status = await main([...words, '--quiet']);
  if (status !== 0) process.exit(status);
}
gc();
process.stdout.write('ready\\n');
process.stdin.resume();
`;

/** The life of a key by commands: made, rotated, given to another key and to a device, and used by each. */
function toCommands(): string[][] {
  const words = ['--key-passphrase-file', 'words'];
  const key = `passphrase:${join(place.folder, 'safe/pass.json')}`;
  const licensed = ['--license', 'license.json', '--vendor-key', 'vendor.txt'];
  const enrolled = ['--enrolment', 'enrolment.json', '--to', 'Acme', '--valid', '90d'];
  return [
    ['seal', 'mlp.onnx', '--out', 'sealed/m.seal'],
    ['protect', 'mlp.onnx', '--no-mark', '--seal-only', '--out', 'out'],
    ['open', 'sealed/m.seal', '--out', 'opened'],
    ['keys', 'rotate', '--disable-old'],
    ['seal', 'mlp.onnx', '--out', 'sealed/by-words.seal', '--key', key, ...words],
    ['keys', 'add', '--to', key, ...words],
    ['open', 'sealed/m.seal', '--key', key, '--out', 'opened-again', ...words],
    ['verify', 'out/mlp.seal', '--baseline', 'out/mlp.baseline.json'],
    ['license', 'enrol'],
    ['license', 'issue', 'sealed/m.seal', ...enrolled],
    ['license', 'activate', 'license.json', '--vendor-key', 'vendor.txt'],
    ['open', 'sealed/m.seal', ...licensed, '--out', 'licensed'],
    ['run', 'sealed/m.seal', ...licensed, '--input', 'x.npy', '--out', 'answers'],
  ];
}

async function readDeks(): Promise<Uint8Array[]> {
  const folder = join(place.home, 'envelopes');
  const unwrappers = [await openHomeKey(place)];
  const names = readdirSync(folder).filter((name) => name.endsWith('.keys.json'));
  const envelopes = names.map((name) => parseEnvelope(readFileSync(join(folder, name))));
  const own = envelopes.filter(({ recipients }) => recipients.some(({ type }) => type === 'local'));
  return Promise.all(own.map(async (envelope) => (await unwrapDek({ envelope, unwrappers, clock: systemClock })).dek));
}

function readKeks(): Buffer[] {
  const file = JSON.parse(readFileSync(join(place.home, 'keys/model.kek.json'), 'utf8')) as {
    versions: { kek: string }[];
  };
  return file.versions.map(({ kek }) => Buffer.from(kek, 'hex')).filter((kek) => kek.some((byte) => byte !== 0));
}

describeWhere(isLinux, 'keys in the memory of commands', 'Linux', () => {
  test('sealed, rotated, shared, licensed and opened: no copy of any key or passphrase is left, nor in argv or environ', async () => {
    copyFileSync(join(samples, 'mlp.onnx'), join(place.folder, 'mlp.onnx'));
    const x = { dtype: 'f32', shape: [1, 1, 12, 12], data: new Uint8Array(4 * 144) } as const;
    writeFileSync(join(place.folder, 'x.npy'), toNpyBytes(x));
    writeFileSync(join(place.folder, 'words'), WORDS, { mode: 0o600 });
    mkdirSync(join(place.folder, 'safe'));
    place.json(['keys', 'create']);
    writeFileSync(join(place.folder, 'vendor.txt'), place.run(['keys', 'show']).stdout);
    const entry = builtUrl('cli/main.js');
    const child = await start(['--input-type=module', '--eval', DRIVER, entry, JSON.stringify(toCommands())]);
    const [deks, keks] = [await readDeks(), readKeks()];
    expect([deks.length, keks.length]).toEqual([2, 1]);
    expectNone(child, [...deks, ...keks].flatMap(toNeedles).concat(Buffer.from(WORDS)));
    // The scan finds what is there: the words of the command line.
    expect(countInMemory(child.pid ?? 0, [Buffer.from('"--enrolment","enrolment.json","--to"')])[0]).toBeGreaterThan(0);
  });
});

describeWhere(isLinux, 'keys in the memory of providers', 'Linux', () => {
  test('wrapped, rotated, rewrapped, opened and disabled: no copy of the data key by any service, nor in a heap snapshot', async () => {
    const [aws, gcp, vault, azure] = await Promise.all([
      serveFakeAwsKms(),
      serveFakeGcpKms(),
      serveFakeVault(),
      serveFakeAzureKv(),
    ]);
    const keep = (name: string, text: string): string => {
      const path = join(place.folder, name);
      writeFileSync(path, text, { mode: 0o600 });
      return encodeURIComponent(path);
    };
    const uris = [
      `gcp-kms:${gcp.addKey()}?endpoint=${gcp.url}&credentials-file=${keep('gcp.json', gcp.keyFile)}`,
      `vault:eng/transit/${vault.addKey()}?addr=${vault.url}&token-file=${keep('token', vault.token)}`,
      `azure-kv:${azure.url}/keys/${azure.addKey()}?credentials-file=${keep('azure.json', azure.credentialsFile)}&login=${azure.url}`,
      `aws-kms:${aws.addKey()}?endpoint=${aws.url}`,
      `local:${join(place.folder, 'safe/local.kek.json')}`,
    ];
    const { accessKeyId, secretAccessKey, sessionToken } = aws.credentials;
    const env = {
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      ...(sessionToken === null ? {} : { AWS_SESSION_TOKEN: sessionToken }),
    };
    const script = resolve(import.meta.dirname, '../kms-memory-child.ts');
    const child = await start(['--import', TSX, script, join(place.folder, 'words'), ...uris], env);
    const deks = uris.map((uri) => createHash('sha256').update(uri).digest());
    expectNone(child, deks);
    // Node frees the memory of the last reply unwiped, and takes it for the next one (LIMITATIONS.md).
    const texts = deks.map((dek) => Buffer.from(dek.toString('base64').replace(/=+$/, ''), 'latin1'));
    const counts = countInMemory(child.pid ?? 0, texts);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(1);
    const snapshot = join(place.folder, 'heap.heapsnapshot');
    child.stdin.write(`${snapshot}\n`);
    await heard(child, 'written\n');
    const heap = readFileSync(snapshot, 'latin1');
    expect(heap).toContain('kms-memory-child.ts');
    for (const needle of deks.flatMap(toNeedles)) expect(heap.includes(needle.toString('latin1'))).toBe(false);
    await Promise.all([aws, gcp, vault, azure].map((fake) => fake.close()));
  });
});

describeWhere(isLinux, 'keys in the memory of a broker and its guest', 'Linux', () => {
  test('released to attested machines: no copy of the data key is left on either side', async () => {
    const child = await start(['--import', TSX, resolve(import.meta.dirname, 'broker-memory-child.ts')]);
    expectNone(child, toNeedles(createHash('sha256').update('a key that a broker holds').digest()));
  });
});
