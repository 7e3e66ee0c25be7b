/** Licence servers as processes: two homes of one vendor on one PostgreSQL register, and what a kill leaves of an embedded one. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { askServer } from '../../src/adapters/license-server/index.ts';
import {
  encodeEnrolment,
  parseLicenseFile,
  parseVendorKey,
  type VendorKey,
  verifyAnswer,
  verifyStatusList,
} from '../../src/license/index.ts';
import { decodeSignerKey } from '../../src/sign/index.ts';
import { acceptAnswer, activateLicense, makeRequest, type Trust } from '../../src/workflows/license/index.ts';
import { makeServerIdentity } from '../broker/tls.ts';
import { type Kit, makeKit, type TestDevice } from '../license/kit.ts';
import { createPostgres, describeWithPostgres, type Postgres } from '../postgres.ts';
import { bin, createWorkplace, root, samples, type Workplace } from './command.ts';

const STATUS_URI = 'https://vendor.example/list';
const { caPem, certificatePem, privateKeyPem } = makeServerIdentity();
const children: ChildProcess[] = [];

/** The command as a process that goes on; its standard error line by line. */
function start(place: Workplace, args: readonly string[]): ChildProcess {
  const env = { ...process.env, MODELWARD_HOME: place.home, NO_COLOR: '1', ORT_DISABLE_TELEMETRY: '1' };
  const child = spawn(process.execPath, [bin, ...args], {
    cwd: place.folder,
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  children.push(child);
  return child;
}

/** Starts `license serve` on a free port; the address of the server. */
async function serve(place: Workplace): Promise<{ readonly url: string; readonly child: ChildProcess }> {
  writeFileSync(join(place.folder, 'tls.pem'), certificatePem);
  writeFileSync(join(place.folder, 'tls.key'), privateKeyPem, { mode: 0o600 });
  const tls = ['--tls-cert', 'tls.pem', '--tls-key', 'tls.key', '--port', '0', '--status-uri', STATUS_URI];
  const child = start(place, ['license', 'serve', ...tls]);
  const url = await new Promise<string>((resolve, reject) => {
    let text = '';
    child.stderr!.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const found = /licence server at (https:\S+)/.exec(text)?.[1];
      if (found !== undefined) resolve(found);
    });
    child.once('exit', () => {
      reject(new TypeError(`the server ended: ${text}`));
    });
  });
  return { url, child };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((done) => child.once('exit', done));
  child.kill(signal);
  await ended;
}

afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => end(child, 'SIGKILL')));
});

/** A device of today, since the servers have the clock of the machine. */
function makeDevice(kit: Kit): TestDevice {
  return { ...kit.makeDevice(), clock: { nowMs: () => Date.now() } };
}

function toEnrolment({ key }: TestDevice): Uint8Array {
  const fpr = { salt: 'A'.repeat(22), parts: {} };
  return encodeEnrolment({ v: 1, kind: 'modelward-license-enrolment', jwk: key.publicKey, assurance: 'software', fpr });
}

function readVendor(place: Workplace): { readonly key: VendorKey; readonly trust: Trust } {
  const key = parseVendorKey(decodeSignerKey(Buffer.from(place.run(['keys', 'show']).stdout)));
  return { key, trust: { keys: [key], audience: 'modelward' } };
}

interface Listed {
  readonly licenses: readonly { readonly name: string; readonly standing: string }[];
}
interface Shown {
  readonly entries: readonly {
    readonly type: string;
    readonly detail: { readonly action?: string; readonly name?: string };
  }[];
}

/** Entries of the ledger as "action name". */
function toActions(place: Workplace): string[] {
  const { entries } = place.json<Shown>(['ledger', 'show', '--last', '1000']);
  return entries.flatMap(({ type, detail }) => (type === 'license' ? [`${detail.action} ${detail.name}`] : []));
}

describeWithPostgres('two licence servers on one register', () => {
  let postgres: Postgres;
  let kit: Kit;
  const places: Workplace[] = [];
  beforeAll(async () => {
    postgres = await createPostgres();
    kit = makeKit();
  });
  afterAll(() => {
    postgres.remove();
    kit.remove();
    for (const place of places) place.remove();
  });
  const makePlace = (): Workplace => {
    const place = createWorkplace({ isOneProcess: true });
    places.push(place);
    writeFileSync(join(place.folder, 'register.url'), postgres.url(), { mode: 0o600 });
    writeFileSync(join(place.folder, 'passphrase'), 'correct horse battery staple', { mode: 0o600 });
    return place;
  };

  test("sell no seat twice, refuse what the other answered, and know of each other's revocations", async () => {
    const [one, two, three] = [makePlace(), makePlace(), makePlace()];
    mkdirSync(join(one.folder, 'srv'));
    one.json(['seal', join(samples, 'mlp.onnx'), '--out', 'srv/m.seal']);
    const devices = Array.from({ length: 6 }, () => makeDevice(kit));
    for (const [at, device] of devices.entries()) writeFileSync(join(one.folder, `d${at}.json`), toEnrolment(device));
    const terms = ['--to', 'Acme', '--parts', '0', '--pool', 'team', '--seats', '2', '--lease', '10m'];
    const issued = devices.map((_, at) => ['--enrolment', `d${at}.json`, '--name', `L${at}`, '--out', `L${at}.json`]);
    const status = ['--status-uri', STATUS_URI];
    const runs = one.runAll(
      issued.map((words) => ['license', 'issue', 'srv/m.seal', ...words, ...terms, ...status, '--quiet']),
    );
    expect(runs.map((run) => run.status)).toEqual(devices.map(() => 0));

    // From the file in the home to the database of all machines; the other homes are the same owner's.
    expect(one.run(['license', 'register', '--use-file', 'register.url']).stderr).toContain('--move');
    const moved = one.json(['license', 'register', '--use-file', 'register.url', '--move']);
    expect(moved).toMatchObject({ isShared: true, licenses: 6, moved: 6 });
    const left = one.run(['license', 'list', '--register', `sqlite:${one.home}/licenses/register.db`, '--json']);
    expect(left.stdout).toContain('LICENSE_REGISTER_MOVED');
    one.json(['keys', 'backup', '--out', 'backup.json', '--passphrase-file', 'passphrase']);
    const backup = join(one.folder, 'backup.json');
    two.json(['keys', 'restore', backup, '--log', 'b', '--passphrase-file', 'passphrase']);
    expect(two.json(['license', 'register', '--use-file', 'register.url'])).toMatchObject({ licenses: 6 });
    three.json(['keys', 'restore', backup, '--passphrase-file', 'passphrase']);
    const twin = three.run(['license', 'register', '--use-file', 'register.url', '--json']);
    expect(twin.stdout).toContain('LICENSE_LOG_TAKEN');

    const { trust } = readVendor(one);
    expect(readVendor(two).trust).toEqual(trust);
    const servers = [await serve(one), await serve(two)];
    const files = devices.map((_, at) => new Uint8Array(readFileSync(join(one.folder, `L${at}.json`))));
    for (const [at, device] of devices.entries()) await activateLicense(device, trust, files[at]);
    const ask = async (at: number, action: 'check' | 'lease' | 'release', server: number): Promise<string> => {
      const request = await makeRequest(devices[at], trust, { file: files[at], action, isFile: false });
      const text = await askServer({ server: servers[server].url, action, request, caPem });
      return acceptAnswer(devices[at], trust, { file: files[at], text }).then(
        () => 'OK',
        (error: unknown) => (error as { code: string }).code,
      );
    };
    const results = await Promise.all(devices.map((_, at) => ask(at, 'lease', at % 2)));
    expect(results.filter((result) => result === 'OK')).toHaveLength(2);
    expect(results.filter((result) => result === 'LICENSE_SEATS_TAKEN')).toHaveLength(4);

    const request = await makeRequest(devices[0], trust, { file: files[0], action: 'check', isFile: false });
    const send = (server: number) => askServer({ server: servers[server].url, action: 'check', request, caPem });
    const text = await send(0);
    const claims = { keys: trust.keys, jkt: kitJkt(files[0]), license: 'L0' };
    expect(verifyAnswer(text, claims).result).toBe('OK');
    await expect(send(1)).rejects.toMatchObject({ code: 'LICENSE_REQUEST_REPLAYED' });

    // Revoked in the home of the first: the second knows at its next request.
    one.json(['license', 'revoke', 'L5']);
    expect(await ask(5, 'check', 1)).toBe('LICENSE_REVOKED');
    const lists = await Promise.all(servers.map(({ url }) => getText(`${url}/v1/status-list`)));
    for (const list of lists) expect(verifyStatusList(list, trust.keys).statusOf(5)).toBe(1);

    // One dies in the middle of its work: the other goes on, and both histories are whole.
    const requests: string[] = [];
    for (let at = 0; at < 16; at += 1) {
      requests.push(await makeRequest(devices[1], trust, { file: files[1], action: 'check', isFile: false }));
    }
    const { url } = servers[0];
    const load = Promise.allSettled(
      requests.map((text) => askServer({ server: url, action: 'check', request: text, caPem })),
    );
    await end(servers[0].child, 'SIGKILL');
    await load;
    expect([await ask(1, 'check', 1), await ask(2, 'check', 1)]).toEqual(['OK', 'OK']);
    await end(servers[1].child, 'SIGTERM');
    expect(servers[1].child.exitCode).toBe(0);
    for (const place of [one, two]) expect(place.run(['ledger', 'fsck']).status).toBe(0);
    expect(toActions(two)).toContain('check L1');
    expect(two.json<Listed>(['license', 'list']).licenses).toHaveLength(6);
  });

  test('an unreachable register answers nothing and issues nothing', () => {
    const place = makePlace();
    place.json(['keys', 'create']);
    const gone = join(place.folder, 'gone.url');
    writeFileSync(gone, 'postgres://u:canary-secret@127.0.0.1:1/d', { mode: 0o600 });
    for (const words of [['list'], ['revoke', 'L1'], ['status-list', '--uri', STATUS_URI]]) {
      const run = place.run(['license', ...words, '--register-file', gone, '--json']);
      expect(run.status).toBe(6);
      expect(run.stdout).toContain('DATABASE_UNREACHABLE');
      expect(run.stdout + run.stderr).not.toContain('canary-secret');
    }
    expect(place.run(['ledger', 'show', '--json']).stdout).toContain('LEDGER_NOT_FOUND');
  });
});

function kitJkt(file: Uint8Array): string {
  const payload = parseLicenseFile(file).license.split('.')[1];
  return (JSON.parse(Buffer.from(payload, 'base64url').toString()) as { cnf: { jkt: string } }).cnf.jkt;
}

async function getText(address: string): Promise<string> {
  const { get } = await import('node:https');
  return new Promise((resolve, reject) => {
    get(address, { ca: Buffer.from(caPem), agent: false }, (response) => {
      response.setEncoding('utf8');
      let text = '';
      response.on('data', (part: string) => (text += part));
      response.on('end', () => {
        resolve(text);
      });
    }).on('error', reject);
  });
}

/** Issues licence after licence in one process, and tells of each that is done. */
const ISSUER = `
import { writeSync } from 'node:fs';
const { main } = await import(process.argv[1]);
for (let at = Number(process.argv[2]); ; at += 1) {
  const words = ['--enrolment', 'd.json', '--to', 'Acme', '--parts', '0', '--name', 'L' + at, '--out', 'out/L' + at + '.json'];
  const status = await main(['license', 'issue', 'srv/m.seal', ...words, '--quiet']);
  if (status !== 0) process.exit(status);
  writeSync(2, 'done L' + at + '\\n');
}
`;

describe('a register in the home, killed at work', () => {
  let place: Workplace;
  let kit: Kit;
  beforeAll(() => {
    place = createWorkplace({ isOneProcess: true });
    kit = makeKit();
    for (const name of ['srv', 'out']) mkdirSync(join(place.folder, name));
    place.json(['seal', join(samples, 'mlp.onnx'), '--out', 'srv/m.seal']);
  });
  afterAll(() => {
    kit.remove();
    place.remove();
  });

  /** Starts at a number, and is killed so long after the first that is done; the names that it told of. */
  function issueAndKill(from: number, delayMs: number): Promise<string[]> {
    const entry = pathToFileURL(join(root, 'dist/cli/main.js')).href;
    const env = { ...process.env, MODELWARD_HOME: place.home, NO_COLOR: '1' };
    const args = ['--input-type=module', '-e', ISSUER, entry, String(from)];
    const child = spawn(process.execPath, args, { cwd: place.folder, env, stdio: ['ignore', 'ignore', 'pipe'] });
    let text = '';
    return new Promise((resolve, reject) => {
      child.stderr.on('data', (chunk: Buffer) => {
        if (!text.includes('done') && chunk.includes('done')) setTimeout(() => child.kill('SIGKILL'), delayMs);
        text += chunk.toString();
      });
      child.once('exit', (code) => {
        const lines = text.split('\n').slice(0, -1);
        if (code === null) resolve(lines.filter((line) => line.startsWith('done ')).map((line) => line.slice(5)));
        else reject(new TypeError(`ended by itself with ${code}: ${text}`));
      });
    });
  }

  test('whatever was given out is in the register and in the ledger; nothing is there by half', async () => {
    writeFileSync(join(place.folder, 'd.json'), toEnrolment(makeDevice(kit)));
    const told: string[] = [];
    for (const [round, delayMs] of [3, 17, 41].entries()) told.push(...(await issueAndKill(round * 1000, delayMs)));
    const { licenses } = place.json<Listed>(['license', 'list']);
    const names = new Set(licenses.map(({ name }) => name));
    const recorded = new Set(toActions(place));
    const given = readdirSync(join(place.folder, 'out')).filter(
      (name) => name.endsWith('.json') && !name.startsWith('.'),
    );
    expect(told.length).toBeGreaterThanOrEqual(3);
    for (const name of told) expect(existsSync(join(place.folder, 'out', `${name}.json`))).toBe(true);
    for (const file of given) {
      expect(names.has(file.replace('.json', ''))).toBe(true);
      expect(() => parseLicenseFile(readFileSync(join(place.folder, 'out', file)))).not.toThrow();
    }
    for (const name of names) expect(recorded.has(`issue ${name}`)).toBe(true);
    expect(place.run(['ledger', 'fsck']).status).toBe(0);
  });

  test('a server that is killed has recorded what it answered, and the next one refuses it again', async () => {
    const device = makeDevice(kit);
    writeFileSync(join(place.folder, 'e.json'), toEnrolment(device));
    const words = ['--enrolment', 'e.json', '--to', 'Acme', '--parts', '0', '--name', 'served', '--out', 'served.json'];
    place.json(['license', 'issue', 'srv/m.seal', ...words]);
    const { trust } = readVendor(place);
    const file = new Uint8Array(readFileSync(join(place.folder, 'served.json')));
    await activateLicense(device, trust, file);
    const before = toActions(place).filter((action) => action === 'check served').length;
    const first = await serve(place);
    const requests: string[] = [];
    for (let at = 0; at < 24; at += 1) {
      requests.push(await makeRequest(device, trust, { file, action: 'check', isFile: false }));
    }
    const ask = (url: string, request: string) => askServer({ server: url, action: 'check', request, caPem });
    const answered = new Set<string>();
    const asking = requests.map((request) =>
      ask(first.url, request).then(
        () => {
          answered.add(request);
          if (answered.size === 5) first.child.kill('SIGKILL');
        },
        () => undefined,
      ),
    );
    await Promise.all(asking);
    await end(first.child, 'SIGKILL');
    const recorded = toActions(place).filter((action) => action === 'check served').length - before;
    expect(answered.size).toBeGreaterThanOrEqual(5);
    expect(recorded).toBeGreaterThanOrEqual(answered.size);
    const second = await serve(place);
    for (const request of answered) {
      await expect(ask(second.url, request)).rejects.toMatchObject({ code: 'LICENSE_REQUEST_REPLAYED' });
    }
    const fresh = await makeRequest(device, trust, { file, action: 'check', isFile: false });
    await ask(second.url, fresh);
    rmSync(join(place.folder, 'served.json'));
  });
});
