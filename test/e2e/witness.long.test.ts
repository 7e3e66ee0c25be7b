/** `modelward witness` and `ledger cosign` through the command: two homes, a wire between them, and kill -9. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import {
  encodeVerifierKey,
  findCosignature,
  parseCosignerKey,
  parseNote,
  signCheckpoint,
} from '../../src/ledger/index.ts';
import { makeServerIdentity } from '../broker/tls.ts';
import { createRecordingStorage } from '../crash/recording-storage.ts';
import { testSigner } from '../fakes/ledger-kit.ts';
import { growReaders, toBody } from '../fakes/witness-kit.ts';
import { bin, createWorkplace, samples, type Workplace } from './command.ts';

const identity = makeServerIdentity();
let owner: Workplace;
let witness: Workplace;
let server: Serving;
/** A second process for the same witness, which waits its ten seconds while the other tests run. */
let rival: Promise<{ readonly code: number | null; readonly stderr: string }>;
let witnessKey: string;
let ledgerKey: string;

interface Serving {
  readonly child: ChildProcess;
  readonly url: string;
  readonly told: () => string;
}

function start(place: Workplace, words: readonly string[]): ChildProcess {
  const env = { ...process.env, MODELWARD_HOME: place.home, NO_COLOR: '1' };
  return spawn(process.execPath, [bin, 'witness', 'serve', '--port', '0', ...words], { cwd: place.folder, env });
}

function serve(place: Workplace, words: readonly string[]): Promise<Serving> {
  const child = start(place, words);
  let log = '';
  return new Promise((done, fail) => {
    child.stderr?.on('data', (chunk: Buffer) => {
      log += chunk.toString();
      const url = /(https?:\/\/127\.0\.0\.1:\d+)/.exec(log)?.at(1);
      if (url !== undefined) done({ child, url, told: () => log });
    });
    child.once('exit', () => {
      fail(new Error(log));
    });
  });
}

async function waitFor({ child }: { readonly child: ChildProcess }): Promise<{ code: number | null; stderr: string }> {
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const [code] = (await once(child, 'exit')) as [number | null];
  return { code, stderr };
}

const TLS = ['--tls-cert', 'server.pem', '--tls-key', 'server.key'];
const seal = (name: string): string[] => ['seal', join(samples, 'mlp.onnx'), '--out', name];
const cosign = () => ['ledger', 'cosign', '--witness', server.url, '--witness-key', witnessKey, '--ca', 'ca.pem'];

beforeAll(async () => {
  owner = createWorkplace();
  witness = createWorkplace();
  for (const [place, name, content] of [
    [witness, 'server.pem', identity.certificatePem],
    [witness, 'server.key', identity.privateKeyPem],
    [owner, 'ca.pem', identity.caPem],
  ] as const) {
    writeFileSync(join(place.folder, name), content, { mode: 0o600 });
  }
  owner.json(seal('one/model.seal'));
  ledgerKey = readFileSync(join(owner.home, 'ledger/key'), 'utf8').trim();
  const [made] = witness.runAll([
    ['witness', 'init', '--name', 'w.example/1'],
    ['witness', 'add-log', ledgerKey],
  ]);
  witnessKey = made.stdout.trim();
  server = await serve(witness, TLS);
  rival = waitFor({ child: start(witness, TLS) });
});
afterAll(() => {
  server.child.kill('SIGKILL');
  owner.remove();
  witness.remove();
});

describe('a ledger and its witness', () => {
  test('the key of a witness is private, and made once', () => {
    expect(statSync(join(witness.home, 'witness/key')).mode & 0o777).toBe(0o600);
    const [again, shown] = witness.runAll([
      ['witness', 'init', '--name', 'w.example/2'],
      ['witness', 'show', '--json'],
    ]);
    expect([again.status, again.stderr]).toEqual([2, expect.stringContaining('WITNESS_EXISTS')]);
    expect((JSON.parse(shown.stdout) as { verifierKey: string }).verifierKey).toBe(witnessKey);
  });

  test('cosign, prove, verify: an outsider requires the witness, and gets its time', () => {
    const [cosigned, , proof] = owner.runAll([
      [...cosign(), '--json'],
      seal('two/model.seal'),
      ['ledger', 'prove', '0'],
    ]);
    const { size, cosignedAt } = JSON.parse(cosigned.stdout) as { size: number; cosignedAt: string };
    expect(proof.stdout).toContain(`\n${size}\n`);
    writeFileSync(join(owner.folder, 'entry.tlog-proof'), proof.stdout);
    const verify = ['ledger', 'verify', 'entry.tlog-proof', '--ledger-key', ledgerKey];
    const stranger = 'remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2';
    const [checked, twice, one, both] = owner.runAll([
      [...verify, '--witness-key', witnessKey],
      [...verify, '--witness-key', witnessKey, witnessKey],
      [...verify, '--witness-key', witnessKey, stranger, '--witnesses', '1'],
      [...verify, '--witness-key', witnessKey, stranger],
    ]);
    expect([checked.status, checked.stdout]).toEqual([0, expect.stringContaining(`w.example/1 at ${cosignedAt}`)]);
    expect([twice.status, twice.stderr]).toEqual([2, expect.stringContaining('WITNESS_POLICY_INVALID')]);
    expect(one.status).toBe(0);
    expect([both.status, both.stderr]).toEqual([1, expect.stringContaining('LEDGER_WITNESSES_MISSING')]);
  });

  test('fsck tells who cosigned, and prove refuses where too few did', () => {
    const { size } = owner.json<{ size: number }>(['ledger', 'checkpoint']);
    const last = ['ledger', 'prove', String(size - 1)];
    const [report, uncovered, alone] = owner.runAll([
      ['ledger', 'fsck', '--witness-key', witnessKey],
      [...last, '--witness-key', witnessKey],
      last,
    ]);
    expect([report.status, report.stdout]).toEqual([0, expect.stringMatching(/cosigned .* by w\.example\/1 at /)]);
    expect([uncovered.status, uncovered.stderr]).toEqual([1, expect.stringContaining('LEDGER_WITNESSES_MISSING')]);
    expect(alone.status).toBe(0);
  });

  test('an owner who goes back to an older copy is refused by the witness, and not by itself', () => {
    const copy = join(owner.folder, 'copy');
    cpSync(join(owner.home, 'ledger'), copy, { recursive: true });
    expect(owner.runAll([seal('three/model.seal'), cosign()]).map(({ status }) => status)).toEqual([0, 0]);
    rmSync(join(owner.home, 'ledger'), { recursive: true });
    cpSync(copy, join(owner.home, 'ledger'), { recursive: true });
    const lines = [cosign(), seal('four/model.seal'), seal('five/model.seal'), ['ledger', 'fsck'], cosign()];
    const runs = owner.runAll(lines);
    expect(runs.map(({ status }) => status)).toEqual([1, 0, 0, 0, 1]);
    for (const refused of [runs[0], runs[4]]) expect(refused.stderr).toContain('WITNESS_CONFLICT');
  });

  test('a witness that does not know the ledger, and one that is not there, have codes', () => {
    const stranger = createWorkplace();
    try {
      writeFileSync(join(stranger.folder, 'ca.pem'), identity.caPem);
      const [, refused, gone] = stranger.runAll([
        seal('x/model.seal'),
        cosign(),
        cosign().with(3, 'http://127.0.0.1:1'),
      ]);
      expect([refused.status, refused.stderr]).toEqual([6, expect.stringContaining('WITNESS_REFUSED')]);
      expect(refused.stderr).toContain('404');
      expect([gone.status, gone.stderr]).toEqual([6, expect.stringContaining('WITNESS_UNREACHABLE')]);
    } finally {
      stranger.remove();
    }
  });

  test('without TLS it listens at a loopback address alone; half of the files of TLS is an error of usage', () => {
    const lonely = createWorkplace();
    try {
      const [, open, half, none] = lonely.runAll([
        ['witness', 'init', '--name', 'lonely.example'],
        ['witness', 'serve', '--http', '--host', '0.0.0.0', '--port', '0'],
        ['witness', 'serve', '--tls-cert', 'x'],
        ['witness', 'serve'],
      ]);
      expect([open.status, open.stderr]).toEqual([2, expect.stringContaining('SERVER_NOT_LOOPBACK')]);
      expect([half.status, none.status]).toEqual([2, 2]);
    } finally {
      lonely.remove();
    }
  });

  test('two processes do not serve one witness; a signal ends the one that does with 0', async () => {
    expect(await rival).toEqual({ code: 6, stderr: expect.stringContaining('WITNESS_LOCKED') as string });
    const ended = waitFor(server);
    server.child.kill('SIGTERM');
    expect((await ended).code).toBe(0);
  });
});

describe('kill -9 while checkpoints come in', () => {
  test('no cosignature that left is forgotten, and a fork of what was cosigned is refused', async () => {
    const place = createWorkplace();
    const key = testSigner();
    try {
      const [made] = place.runAll([
        ['witness', 'init', '--name', 'w.example/kill'],
        ['witness', 'add-log', encodeVerifierKey(key)],
      ]);
      const verifierKey = made.stdout.trim();
      const sizes = Array.from({ length: 400 }, (_, i) => i + 1);
      const readers = await growReaders(createRecordingStorage(['/home']), '/home/ledger', sizes);
      const post = async (url: string, body: Uint8Array) => {
        const answer = await fetch(`${url}/add-checkpoint`, { method: 'POST', body: Buffer.from(body) });
        return { status: answer.status, text: await answer.text() };
      };
      let known = 0;
      for (const delayMs of [15, 60, 140]) {
        const running = await serve(place, ['--http']);
        const told = await post(running.url, toBody(readers[399], 399));
        expect([told.status, Number(told.text)]).toEqual([409, expect.any(Number)]);
        // The last one may have been stored and not have reached us.
        expect([known, known + 1]).toContain(Number(told.text));
        known = Number(told.text);
        if (known > 0) {
          const fork = signCheckpoint({ size: known, root: new Uint8Array(32) }, key);
          expect((await post(running.url, utf8(`old ${known}\n\n${fork}`))).status).toBe(409);
        }
        const ended = once(running.child, 'exit');
        setTimeout(() => running.child.kill('SIGKILL'), delayMs);
        for (; known < 400; known += 1) {
          const answer = await post(running.url, toBody(readers[known], known)).catch(() => undefined);
          if (answer === undefined) break;
          expect(answer.status).toBe(200);
          const note = parseNote(utf8(`${readers[known].checkpoint}${answer.text}`));
          expect(findCosignature(note, parseCosignerKey(verifierKey))).toBeDefined();
        }
        await ended;
      }
      expect(known).toBeGreaterThan(0);
    } finally {
      place.remove();
    }
  });
});
