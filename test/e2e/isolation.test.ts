/**
 * What needs no network opens none: every command of the table runs in a network namespace in which there is nothing (where
 * the system allows one) and under strace, which sees any socket that is not local.
 */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeTpmQuote, PCRS, signTpm, toAkPem } from '../fakes/attest/tpm.ts';
import { makeP256 } from '../fakes/attest/x509.ts';
import { describeWithProgram, describeWithShared, sharedData } from '../shared-data.ts';
import { findOwnNetwork, type TracedRun, traceCalls } from '../system-calls.ts';
import { bin, createWorkplace, samples, type Workplace } from './command.ts';

const ownNetwork = findOwnNetwork();
/** An hour before the end of the grace of the licence below. */
const IN_GRACE = 'const now = Date.now; Date.now = () => now() + 71 * 3600e3;';

interface Row {
  readonly name: string;
  readonly words: readonly string[];
  /** A module that is loaded first. */
  readonly preload?: string;
  /** What the output must hold, so that the work was done. */
  readonly says: string;
}

const ROWS: readonly Row[] = [
  { name: 'protect', words: ['protect', 'mlp.onnx', '--eval', 'eval.npz', '--out', 'out'], says: '"baseline"' },
  { name: 'seal', words: ['seal', 'mlp.onnx', '--out', 'sealed/again.seal'], says: '"sealId"' },
  { name: 'open', words: ['open', 'sealed/m.seal', '--out', 'opened'], says: '"sealId"' },
  {
    name: 'run of a sealed model',
    words: ['run', 'sealed/m.seal', '--input', 'x.npy', '--out', 'y'],
    says: '"runtime"',
  },
  { name: 'detect', words: ['detect', 'ready/mlp.marked.onnx'], says: '"verdict":"claim"' },
  { name: 'detect in a sealed model', words: ['detect', 'ready/mlp.seal'], says: '"verdict":"claim"' },
  { name: 'verify', words: ['verify', 'ready/mlp.marked.onnx'], says: '"verdict":"unchanged"' },
  {
    name: 'verify-signature',
    words: ['verify-signature', 'ready/mlp.marked.onnx', '--signature', 'ready/mlp.baseline.sig'],
    says: '"verdict":"unchanged"',
  },
  { name: 'scan', words: ['scan', 'mlp.onnx'], says: '"findings"' },
  { name: 'the ledger, whole', words: ['ledger', 'fsck'], says: '"findings":[]' },
  {
    name: 'an entry of the ledger',
    words: ['ledger', 'verify', 'entry.tlog-proof', '--ledger-key', 'LEDGER_KEY'],
    says: '"index"',
  },
  { name: 'keys status', words: ['keys', 'status'], says: '"versions"' },
  { name: 'keys rotate', words: ['keys', 'rotate'], says: '"to"' },
  {
    name: 'a licence in its grace',
    words: ['license', 'check', 'license.json', '--vendor-key', 'vendor.txt'],
    preload: IN_GRACE,
    says: 'IN_GRACE',
  },
  {
    name: 'open by a licence in its grace',
    words: ['open', 'sealed/m.seal', '--license', 'license.json', '--vendor-key', 'vendor.txt', '--out', 'licensed'],
    preload: IN_GRACE,
    says: 'IN_GRACE',
  },
  { name: 'tls init', words: ['tls', 'init', 'models.example.com', '--client', 'acme'], says: 'tls/ca.pem' },
  { name: 'evidence of a TPM', words: ['attest', 'verify', 'tpm.json'], says: '"nonceHex"' },
];

let place: Workplace;
let ledgerKey: string;

/** A model, sealed and protected; a licence for this device; evidence: all that the rows work on. */
function prepare(): void {
  const { folder } = place;
  for (const name of ['mlp.onnx', 'eval.npz']) copyFileSync(join(samples, name), join(folder, name));
  mkdirSync(join(folder, 'tmp'));
  writeFileSync(join(folder, 'x.npy'), toNpy());
  const runs = place.runAll([
    ['protect', 'mlp.onnx', '--unmeasured', '--eval', 'eval.npz', '--out', 'ready', '--quiet'],
    ['seal', 'mlp.onnx', '--out', 'sealed/m.seal', '--quiet'],
    ['license', 'enrol', '--quiet'],
    [
      'license',
      'issue',
      'sealed/m.seal',
      '--enrolment',
      'enrolment.json',
      '--to',
      'Acme',
      '--valid',
      '90d',
      '--check',
      '24h',
    ],
    ['keys', 'show'],
    ['keys', 'show', '--json'],
    ['ledger', 'prove', '0'],
  ]);
  expect(runs.map(({ status, stderr }) => [status, status === 0 ? '' : stderr])).toEqual(runs.map(() => [0, '']));
  writeFileSync(join(folder, 'vendor.txt'), runs[4].stdout);
  ({ ledgerKey } = JSON.parse(runs[5].stdout) as { ledgerKey: string });
  writeFileSync(join(folder, 'entry.tlog-proof'), runs[6].stdout);
  place.json(['license', 'activate', 'license.json', '--vendor-key', 'vendor.txt']);
  writeTpmEvidence(join(folder, 'tpm.json'));
}

/** One picture of zeros, f32 [1, 1, 12, 12]: what the model takes. */
function toNpy(): Buffer {
  const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 12, 12), }";
  const padded = header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11);
  const length = Buffer.from([(padded.length + 1) & 0xff, (padded.length + 1) >> 8]);
  return Buffer.concat([
    Buffer.from('\x93NUMPY\x01\x00', 'latin1'),
    length,
    Buffer.from(`${padded}\n`),
    Buffer.alloc(576),
  ]);
}

function writeTpmEvidence(path: string): void {
  const [quote, key] = [makeTpmQuote(), makeP256()];
  const evidence = {
    type: 'modelward/attestation-evidence/v1',
    kind: 'tpm',
    quote: Buffer.from(quote).toString('base64'),
    signature: Buffer.from(signTpm(quote, key, 'ecdsa')).toString('base64'),
    ak: toAkPem(key),
    pcrs: Object.fromEntries(Object.entries(PCRS).map(([name, value]) => [name, Buffer.from(value).toString('hex')])),
  };
  writeFileSync(path, JSON.stringify(evidence));
}

/** A row cannot know the key of a ledger that is yet to be made. */
const toKnown = (word: string): string => (word === 'LEDGER_KEY' ? ledgerKey : word);

/** As a user would run it: nothing switches telemetry off but the product. */
function traceRow({ words, preload }: Pick<Row, 'words' | 'preload'>): TracedRun {
  const env: NodeJS.ProcessEnv = { ...process.env, MODELWARD_HOME: place.home, HOME: place.folder };
  env.TMPDIR = join(place.folder, 'tmp');
  delete env.ORT_DISABLE_TELEMETRY;
  const before = preload === undefined ? [] : ['--import', `data:text/javascript,${encodeURIComponent(preload)}`];
  const command = [...ownNetwork, process.execPath, ...before, bin, ...words.map(toKnown), '--json', '--quiet'];
  return traceCalls(command, { cwd: place.folder, env });
}

function expectIsolated(run: TracedRun): void {
  expect(run.status, run.stdout + run.stderr).toBe(0);
  expect(run.seen).toBeGreaterThan(100);
  expect(run.network).toEqual([]);
  expect(run.made.filter((call) => !call.includes(place.folder) && !call.includes('/dev/'))).toEqual([]);
}

describeWithProgram('no network', 'strace', ['-V'], () => {
  beforeAll(() => {
    place = createWorkplace();
    prepare();
  });
  afterAll(() => {
    place.remove();
  });

  test.each(ROWS)('$name: no connection, and no file outside of output and home', (row) => {
    const run = traceRow(row);
    expectIsolated(run);
    expect(run.stdout).toContain(row.says);
  });

  describeWithShared('real evidence', () => {
    test('a quote with collateral at hand: no connection, and no file outside of output and home', () => {
      const at = (name: string): string => sharedData('attestation', 'dcap', 'dcap-qvl', name);
      const words = ['attest', 'verify', at('tdx_quote'), '--collateral', at('tdx_quote_collateral.json')];
      const run = traceRow({ words: [...words, '--at', '2025-06-30T00:00:00Z'] });
      expectIsolated(run);
      expect(run.stdout).toContain('UpToDate');
    });
  });

  describe('control', () => {
    test('the same trace sees a command that asks a service', () => {
      const run = traceRow({
        words: ['protect', 'mlp.onnx', '--unmeasured', '--tsa', 'http://127.0.0.1:54321/', '--out', 'asked'],
      });
      expect(run.status).not.toBe(0);
      expect(run.network.length).toBeGreaterThan(0);
    });
  });
});
