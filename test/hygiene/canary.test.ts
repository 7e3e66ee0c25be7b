/**
 * No secret in any error: where errors are made, nothing that names a secret goes into message or evidence, for every code
 * there is; and the codes of areas that handle secrets are provoked with a canary in every secret's place.
 */
import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ErrorCode, ERRORS } from '../../src/core/errors.ts';
import { builtUrl } from '../built.ts';
import { createWorkplace, samples, type Workplace } from '../e2e/command.ts';
import { serve, type TestServer } from '../endpoint-server.ts';
import { CANARY, listProvocations, type Provocation, type Stage } from './provocations.ts';
import { NOT_MADE_BY_A_TEST, readTests } from './coverage.ts';
import { type ErrorSite, scanErrorSites } from './error-sites.ts';

const codes = Object.keys(ERRORS) as ErrorCode[];

describe('where errors are made', () => {
  const { sites, literals } = scanErrorSites();

  test('every code is made somewhere', () => {
    expect(sites.length).toBeGreaterThan(1000);
    expect(codes.filter((code) => !literals.has(code))).toEqual([]);
  });

  test('no evidence is called like a secret, or made of something that is', () => {
    expect(sites.flatMap(toSecrets)).toEqual([]);
  });

  test('bytes become text in evidence where they are public, and nowhere else', () => {
    const conversions = sites.flatMap(({ at, parts }) => {
      return parts.filter((part) => part.includes('(')).map((part) => `${at.split(':')[0]} ${part}`);
    });
    expect([...new Set(conversions)].sort()).toEqual([
      'adapters/kms/passphrase/passphrase.ts String(version)',
      'attest/snp/verify.ts toHex(chipId)',
      'cli/ui/secret.ts (mode & 0o777).toString(8)',
      'ledger/proof-file.ts toHex(leafHash)',
      'tpm/nv.ts RC.handle.toString(16)',
      'workflows/inspect-run.ts String(word)',
    ]);
  });

  test('the scan finds what it looks for', () => {
    const site = (fields: string[], parts: string[]): ErrorSite => ({ at: 'x.ts:1', fields, parts });
    for (const name of ['dek', 'kek', 'passphrase', 'pin', 'token', 'apiKey', 'privateKeyPem', 'seed', 'plaintext']) {
      expect(toSecrets(site([name], [])), name).toHaveLength(1);
      expect(toSecrets(site([], [name])), name).toHaveLength(1);
    }
    expect(toSecrets(site(['file', 'keyRef', 'sizeBytes'], ['passphraseCharsMin', 'SEED_OPSET_MIN']))).toEqual([]);
  });
});

const SECRET_NAME =
  /^(.*_)?(dek|kek|keks|deks|pass(phrase|word|wd)?|secret\w*|pin|(api|session|access|bearer)?token|seeds?|subseed|credentials?|cookie|authorization|api_?key|private_?key\w*|plaintext|mnemonic|identity_?secret)$/i;

function toSecrets({ at, fields, parts }: ErrorSite): string[] {
  return [...fields, ...parts].filter((name) => SECRET_NAME.test(name)).map((name) => `${at} ${name}`);
}

let place: Workplace;
let server: TestServer;
let provocations: readonly Provocation[];

beforeAll(async () => {
  place = createWorkplace();
  // Whatever it was sent comes back in its refusal.
  server = await serve((asked, response) => {
    response.statusCode = Number(/status-(\d+)/.exec(asked.path)?.[1] ?? 403);
    const all = JSON.stringify([asked.headers, asked.body, asked.path]);
    return { errors: [all], message: all, data: all };
  });
  const stage: Stage = { folder: place.folder, home: place.home, url: server.url };
  copyFileSync(join(samples, 'mlp.onnx'), join(place.folder, 'mlp.onnx'));
  mkdirSync(join(place.folder, 'safe'));
  place.json(['seal', 'mlp.onnx', '--out', 'sealed/m.seal']);
  place.json(['license', 'enrol']);
  place.json(['protect', 'mlp.onnx', '--unmeasured', '--out', 'out']);
  writeFileSync(join(place.folder, 'other-words'), 'correct horse battery staple', { mode: 0o600 });
  place.json(['keys', 'backup', '--out', 'real.backup', '--passphrase-file', 'other-words']);
  provocations = listProvocations(stage);
});
afterAll(async () => {
  await server.close();
  place.remove();
});

interface Told {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

const DRIVER = `
import { writeSync } from 'node:fs';
const { main } = await import(process.argv[1]);
let text = '';
process.stdin.setEncoding('utf8');
for await (const chunk of process.stdin) text += chunk;
for (const words of JSON.parse(text)) {
  const status = await main(words);
  for (const fd of [1, 2]) writeSync(fd, '\\0' + status + '\\0');
}
process.exit(0);
`;

/** All command lines in one process, in which stacks of errors are printed as well. */
async function tellAll(lines: readonly (readonly string[])[]): Promise<Told[]> {
  const env = { ...process.env, MODELWARD_HOME: place.home, NO_COLOR: '1', MODELWARD_DEBUG: '1', HOME: place.folder };
  const args = ['--input-type=module', '-e', DRIVER, builtUrl('cli/main.js')];
  const child = spawn(process.execPath, args, { cwd: place.folder, env, stdio: ['pipe', 'pipe', 'pipe'] });
  const texts = ['', ''];
  for (const [index, stream] of [child.stdout, child.stderr].entries()) {
    stream.setEncoding('utf8').on('data', (chunk: string) => (texts[index] += chunk));
  }
  child.stdin.end(JSON.stringify(lines));
  await new Promise((done) => child.once('close', done));
  const [out, problems] = texts.map((text) => text.split(/\0(\d+)\0/));
  if (out.length !== 2 * lines.length + 1) throw new Error(`internal error: the driver ended early: ${texts.join('')}`);
  return lines.map((_, at) => ({ status: Number(out[2 * at + 1]), stdout: out[2 * at], stderr: problems[2 * at] }));
}

/** A secret in the spellings in which it could slip out. */
function toSpellings(secret: string): string[] {
  const bytes = Buffer.from(secret);
  const texts = (['hex', 'base64', 'base64url'] as const).map((form) => bytes.toString(form).replace(/=+$/, ''));
  return [secret, ...texts, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)];
}

const spellings = toSpellings(CANARY);

/** Every file below the folder that the command may have written, but for those that the test wrote itself. */
function listFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile());
}

describe('with a canary in the place of each secret', () => {
  test('the code is the one that is meant; neither text, JSON, stack nor the ledger repeats the canary', async () => {
    const inText = await tellAll(provocations.map(({ words }) => words));
    const inJson = await tellAll(provocations.map(({ words }) => [...words, '--json', '--quiet']));
    const told = inJson.map(({ stdout }) => (JSON.parse(stdout || '{}') as { error?: { code: string } }).error?.code);
    const toLines = (given: readonly (string | undefined)[]): string[] =>
      provocations.map(({ words }, at) => `${given[at]}: ${words.join(' ')}`);
    expect(toLines(told)).toEqual(toLines(provocations.map(({ code }) => code)));
    for (const [at, { code, words }] of provocations.entries()) {
      expect(inText[at].stderr, words.join(' ')).toContain(code);
      for (const text of [inText[at], inJson[at]].flatMap(({ stdout, stderr }) => [stdout, stderr])) {
        for (const spelling of spellings)
          expect(text.includes(spelling), `${code}: ${words.join(' ')}\n${text}`).toBe(false);
      }
    }
    const written = listFiles(place.home).filter((path) => !path.startsWith(join(place.home, 'device')));
    expect(written.length).toBeGreaterThan(3);
    for (const path of written) {
      const content = readFileSync(path, 'latin1');
      for (const spelling of spellings) expect(content.includes(spelling), path).toBe(false);
    }
  });

  test('control: a canary that is told is found', async () => {
    writeFileSync(join(place.folder, CANARY), 'not a model');
    const [told] = await tellAll([['inspect', CANARY]]);
    expect(told.stderr).toContain(CANARY);
  });
});

describe('every code', () => {
  test('is made by a test, or stands in a list with the reason why none makes it', () => {
    const words = new Set(readTests().match(/\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b/g));
    expect(codes.filter((code) => !words.has(code) && !(code in NOT_MADE_BY_A_TEST))).toEqual([]);
    expect(Object.keys(NOT_MADE_BY_A_TEST).filter((code) => !(code in ERRORS))).toEqual([]);
  });

  test('of keys, seals, envelopes, passphrases and signing keys that a command can run into is provoked here', () => {
    const provoked = new Set<string>(provocations.map(({ code }) => code));
    expect(provoked.size).toBeGreaterThan(40);
    const areas = codes.filter((code) =>
      /^(KEY_(STORE|URI|CREDENTIALS|SERVICE|SCHEME)|ENVELOPE|CLI_SECRET|OMS_KEY)_/.test(code),
    );
    expect(areas.filter((code) => !provoked.has(code) && !(code in NOT_BY_A_COMMAND))).toEqual([]);
    expect(Object.keys(NOT_BY_A_COMMAND).filter((code) => provoked.has(code))).toEqual([]);
  });
});

/** Where these are made with secrets at hand instead. */
const NOT_BY_A_COMMAND: Partial<Record<ErrorCode, string>> = {
  KEY_STORE_EXISTS: 'src/adapters/kms/local/local.test.ts: commands make a key where there is none',
  KEY_STORE_UNWRITABLE: 'src/adapters/kms: root may write everywhere',
  KEY_STORE_BUSY: 'src/adapters/kms/file-lock.test.ts: waits two seconds',
  KEY_SERVICE_UNFIT: 'src/adapters/kms/canary.test.ts and those of each service',
  KEY_SERVICE_UNTRUSTED: 'src/adapters/kms/vault/vault.test.ts: a server with a foreign certificate',
  ENVELOPE_AUTH_FAILED: 'src/seal/envelope.test.ts: an envelope that was altered after its key was unwrapped',
  ENVELOPE_NOT_FOUND: 'test/e2e: no secret is read before',
  CLI_SECRET_MISMATCH: 'src/cli/ui/parts.test.ts: asked for twice on a terminal',
  OMS_KEY_UNSUPPORTED: 'src/model-signing/signature.test.ts: a key of another kind',
};
