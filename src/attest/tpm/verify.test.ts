/** TPM quotes, signed by keys of our own: accepted, and every way to be refused; and one of a software TPM. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { codeOf as toCode } from '../../../test/error-code.ts';
import {
  makeTpmQuote,
  PCRS,
  type Scheme,
  signTpm,
  toAkPem,
  toBank,
  toSelection,
  type TpmQuoteSpec,
} from '../../../test/fakes/attest/tpm.ts';
import {
  type ExtensionSpec,
  flip,
  issue,
  makeP256,
  makeP384,
  makeRsa,
  toPurposes,
} from '../../../test/fakes/attest/x509.ts';
import { describeWithProgram } from '../../../test/shared-data.ts';
import { readCertificate } from '../x509/certificate.ts';
import { type TpmEvidence, verifyTpm } from './verify.ts';

const NOW_MS = Date.parse('2025-07-01T00:00:00Z');
const key = makeP256();
const make = (spec: TpmQuoteSpec = {}, changes: Partial<TpmEvidence> = {}): TpmEvidence => {
  const quote = makeTpmQuote(spec);
  return { kind: 'tpm', quote, signature: signTpm(quote, key, 'ecdsa'), akPem: toAkPem(key), pcrs: PCRS, ...changes };
};
const codeOf = (evidence: TpmEvidence) => toCode(() => verifyTpm(evidence, { nowMs: NOW_MS }));

describe('a TPM quote', () => {
  test.each<[Scheme, () => ReturnType<typeof makeP256>]>([
    ['ecdsa', makeP256],
    ['rsassa', makeRsa],
    ['rsapss', makeRsa],
  ])('signed with %s is authentic', (scheme, makeKey) => {
    const ak = makeKey();
    const quote = makeTpmQuote();
    const evidence = make({}, { signature: signTpm(quote, ak, scheme), akPem: toAkPem(ak) });
    expect(verifyTpm(evidence, { nowMs: NOW_MS })).toMatchObject({
      ...{ kind: 'tpm', nonceHex: '05'.repeat(20), isAkCertified: false, rootFingerprintHex: '' },
      measurements: { 'sha256:0': '10'.repeat(32), 'sha256:7': '17'.repeat(32), 'sha384:10': '3a'.repeat(48) },
      clock: { clockMs: 123_456, resetCount: 4, restartCount: 5, isSafe: true },
    });
  });

  test('PCR values that were not quoted are no claims', () => {
    const claims = verifyTpm(make({}, { pcrs: { ...PCRS, 'sha256:1': new Uint8Array(32) } }), { nowMs: NOW_MS });
    expect(Object.keys(claims.measurements)).toEqual(['sha256:0', 'sha256:7', 'sha384:10']);
  });

  test('whose key is certified under a given root says so', () => {
    const root = issue({ commonName: 'TPM maker', key: makeP384(), isAuthority: true });
    const ak = issue({ commonName: 'AK', key, issuer: root, extensions: [toPurposes('2.23.133.8.3')] });
    const options = { nowMs: NOW_MS, roots: [readCertificate(root.der)] };
    expect(verifyTpm(make({}, { akPem: ak.pem }), options)).toMatchObject({ isAkCertified: true });
    expect(verifyTpm(make({}, { akPem: ak.pem }), { nowMs: NOW_MS })).toMatchObject({ isAkCertified: false });
    const other = issue({ commonName: 'TPM maker', key: makeP384(), isAuthority: true });
    const forged = issue({ commonName: 'AK', key, issuer: other });
    expect(toCode(() => verifyTpm(make({}, { akPem: forged.pem }), options))).toBe('ATTEST_ROOT_UNTRUSTED');
  });

  test('whose key is certified for something else under a given root is not taken for an attestation key', () => {
    const root = issue({ commonName: 'TPM maker', key: makeP384(), isAuthority: true });
    const options = { nowMs: NOW_MS, roots: [readCertificate(root.der)] };
    const certify = (...extensions: readonly ExtensionSpec[]) =>
      make({}, { akPem: issue({ commonName: 'www', key, issuer: root, extensions }).pem });
    const [aik, server] = ['2.23.133.8.3', '1.3.6.1.5.5.7.3.1'];
    expect(verifyTpm(certify(), options).isAkCertified).toBe(false);
    expect(verifyTpm(certify(toPurposes(server)), options).isAkCertified).toBe(false);
    expect(verifyTpm(certify({ ...toPurposes(server, aik), isCritical: true }), options).isAkCertified).toBe(true);
    const limited = certify({ ...toPurposes(server), isCritical: true });
    expect(toCode(() => verifyTpm(limited, options))).toBe('ATTEST_CERTIFICATE_ROLE');
  });

  test('one bit flipped in any byte of it, or of its signature, is refused', () => {
    const evidence = make();
    for (const part of ['quote', 'signature'] as const) {
      for (let at = 0; at < evidence[part].length; at++) {
        expect(codeOf({ ...evidence, [part]: flip(evidence[part], at, at % 8) })).not.toBe('no error');
      }
    }
  });

  test.each<[string, string, () => TpmEvidence]>([
    ['magic_of_foreign_data', 'ATTEST_EVIDENCE_MALFORMED', () => make({ magic: 0xff544348 })],
    ['certify_instead_of_quote', 'ATTEST_EVIDENCE_MALFORMED', () => make({ type: 0x8017 })],
    ['sha1_bank', 'ATTEST_EVIDENCE_MALFORMED', () => make({ selection: toSelection(toBank(0x0004, 1, 0, 0)) })],
    [
      'bank_twice',
      'ATTEST_EVIDENCE_MALFORMED',
      () => make({ selection: toSelection(toBank(0x000b, 1, 0, 0), toBank(0x000b, 1, 0, 0)) }),
    ],
    ['bytes_after_the_quote', 'ATTEST_EVIDENCE_MALFORMED', () => make({ tail: Uint8Array.of(0) })],
    ['quote_too_long', 'ATTEST_EVIDENCE_MALFORMED', () => make({ tail: new Uint8Array(4096) })],
    ['signature_garbage', 'ATTEST_EVIDENCE_MALFORMED', () => make({}, { signature: Uint8Array.of(1, 2, 3, 4) })],
    ['signed_by_another_key', 'ATTEST_SIGNATURE_INVALID', () => make({}, { akPem: toAkPem(makeP256()) })],
    ['scheme_of_another_key', 'ATTEST_SIGNATURE_INVALID', () => make({}, { akPem: toAkPem(makeRsa()) })],
    ['pcr_value_changed', 'ATTEST_PCR_MISMATCH', () => make({}, { pcrs: { ...PCRS, 'sha256:7': new Uint8Array(32) } })],
    ['pcr_value_missing', 'ATTEST_PCR_MISMATCH', () => make({}, { pcrs: { 'sha256:0': new Uint8Array(32) } })],
    [
      'pcr_value_of_wrong_length',
      'ATTEST_PCR_MISMATCH',
      () => make({}, { pcrs: { ...PCRS, 'sha256:7': new Uint8Array(48) } }),
    ],
    ['ak_garbage', 'ATTEST_EVIDENCE_MALFORMED', () => make({}, { akPem: 'no key' })],
    [
      'ak_private',
      'ATTEST_EVIDENCE_MALFORMED',
      () => make({}, { akPem: key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }),
    ],
  ])('%s: %s', (_name, code, makeEvidence) => {
    expect(codeOf(makeEvidence())).toBe(code);
  });
});

/** Two that another run of this test has not. */
const port = 20_000 + (process.pid % 10_000) * 2;

describeWithProgram('a quote of swtpm', 'swtpm', ['--version'], () => {
  test('over tpm2_quote is authentic, and refused for other PCR values', () => {
    const folder = mkdtempSync(join(tmpdir(), 'modelward-swtpm-'));
    const at = (name: string) => join(folder, name);
    const server = spawn('swtpm', [
      ...['socket', '--tpm2', '--tpmstate', `dir=${folder}`, '--flags', 'not-need-init,startup-clear'],
      ...['--server', `type=tcp,port=${port}`, '--ctrl', `type=tcp,port=${port + 1}`],
    ]);
    try {
      const env = { ...process.env, TPM2TOOLS_TCTI: `swtpm:host=127.0.0.1,port=${port}` };
      const run = (command: string, ...args: readonly string[]) =>
        execFileSync(command, [...args], { env, stdio: 'pipe', timeout: 20_000 });
      waitFor(() => run('tpm2_getcap', 'properties-fixed'));
      run('tpm2_createek', '-c', at('ek.ctx'), '-G', 'rsa');
      run('tpm2_flushcontext', '-t');
      run(
        'tpm2_createak',
        '-C',
        at('ek.ctx'),
        '-c',
        at('ak.ctx'),
        '-G',
        'ecc',
        '-g',
        'sha256',
        '-s',
        'ecdsa',
        '-u',
        at('ak.pem'),
        '-f',
        'pem',
      );
      run('tpm2_flushcontext', '-t');
      const nonce = '0102030405060708090a0b0c0d0e0f10';
      run(
        'tpm2_quote',
        '-c',
        at('ak.ctx'),
        '-l',
        'sha256:0,7',
        '-q',
        nonce,
        '-m',
        at('quote'),
        '-s',
        at('signature'),
        '-o',
        at('pcrs'),
        '-g',
        'sha256',
      );
      run('tpm2_pcrread', 'sha256:0,7', '-o', at('values'));
      const values = readFileSync(at('values'));
      const evidence: TpmEvidence = {
        kind: 'tpm',
        quote: readFileSync(at('quote')),
        signature: readFileSync(at('signature')),
        akPem: readFileSync(at('ak.pem'), 'utf8'),
        pcrs: { 'sha256:0': values.subarray(0, 32), 'sha256:7': values.subarray(32) },
      };
      const claims = verifyTpm(evidence, { nowMs: NOW_MS });
      expect(claims.nonceHex).toBe(nonce);
      expect(Object.keys(claims.measurements)).toEqual(['sha256:0', 'sha256:7']);
      const swapped = { ...evidence, pcrs: { ...evidence.pcrs, 'sha256:7': new Uint8Array(32).fill(1) } };
      expect(codeOf(swapped)).toBe('ATTEST_PCR_MISMATCH');
    } finally {
      server.kill();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

/** The server takes a moment to listen. */
function waitFor(attempt: () => unknown): void {
  for (let left = 40; ; left--) {
    try {
      attempt();
      return;
    } catch (error) {
      if (left === 0) throw error;
      execFileSync('sleep', ['0.1']);
    }
  }
}
