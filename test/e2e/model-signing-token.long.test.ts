/** `modelward sign` by a key of a token: SoftHSM2 holds it, pkcs11-tool sees it and cannot read it, and others verify. */
import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SignModelResult, VerifySignatureReport } from '../../src/workflows/model-signing/index.ts';
import { describeWhere } from '../shared-data.ts';
import { hasSoftHsm, makeTestToken, SOFTHSM_MODULE, SOFTHSM_NEEDED, type TestToken } from '../softhsm.ts';
import { createWorkplace, samples, type Workplace } from './command.ts';

describeWhere(hasSoftHsm, 'signing by a token', `${SOFTHSM_NEEDED}, pkcs11-tool`, () => {
  let place: Workplace;
  let token: TestToken;
  const at = (name: string): string => join(place.folder, name);
  const toUri = (object: string, extra = ''): string =>
    `pkcs11:token=${token.label};object=${object}${extra}?module-path=${SOFTHSM_MODULE}&pin-source=file:${token.pinPath}`;
  const codeOf = (uri: string, ...more: string[]): string => {
    const { stdout } = place.run(['sign', 'mlp.onnx', '--key', uri, '--force', '--json', ...more]);
    return (JSON.parse(stdout) as { error: { code: string } }).error.code;
  };

  beforeAll(() => {
    place = createWorkplace();
    token = makeTestToken('signers');
    cpSync(join(samples, 'mlp.onnx'), at('mlp.onnx'));
    const curves = [
      ['p256', 'EC:prime256v1', '01'],
      ['p384', 'EC:secp384r1', '02'],
      ['p521', 'EC:secp521r1', '03'],
      ['koblitz', 'EC:secp256k1', '04'],
    ];
    for (const [label, kind, id] of curves) {
      token.tool('--keypairgen', '--key-type', kind, '--label', label, '--id', id, '--usage-sign', '--sensitive');
    }
    token.tool(
      '--keypairgen',
      '--key-type',
      'EC:prime256v1',
      '--label',
      'loose',
      '--id',
      '05',
      '--usage-sign',
      '--extractable',
    );
    token.tool(
      '--keypairgen',
      '--key-type',
      'EC:prime256v1',
      '--label',
      'half',
      '--id',
      '06',
      '--usage-sign',
      '--sensitive',
    );
    token.tool('--delete-object', '--type', 'pubkey', '--id', '06');
    for (const id of ['07', '08']) {
      token.tool(
        '--keypairgen',
        '--key-type',
        'EC:prime256v1',
        '--label',
        'twin',
        '--id',
        id,
        '--usage-sign',
        '--sensitive',
      );
    }
  });
  afterAll(() => {
    place.remove();
    token.remove();
  });

  /** The public half, as the token's own tool gives it. */
  function exportPublic(id: string): string {
    const der = at(`${id}.der`);
    token.tool('--read-object', '--type', 'pubkey', '--id', id, '--output-file', der);
    const pem = execFileSync('openssl', ['pkey', '-pubin', '-inform', 'DER', '-in', der], { encoding: 'utf8' });
    writeFileSync(at(`${id}.pub`), pem);
    return `${id}.pub`;
  }

  test.each([
    ['p256', '01', 'P-256'],
    ['p521', '03', 'P-521'],
  ])('a key %s: the signature verifies with the public half that its own tool shows', (label, id, curve) => {
    const signed = place.json<SignModelResult>(['sign', 'mlp.onnx', '--key', toUri(label, ';type=private'), '--force']);
    expect(signed).toMatchObject({ method: 'key', curve });
    const verify = ['verify-signature', 'mlp.onnx', '--key', exportPublic(id)];
    expect(place.json<VerifySignatureReport>(verify)).toMatchObject({ verdict: 'unchanged', signer: signed.key });
    expect(place.run(['verify-signature', 'mlp.onnx', '--key', exportPublic(id === '01' ? '03' : '01')]).status).toBe(
      3,
    );
  });

  // pkcs11-tool 0.23 writes no public half on P-384; what a token signs is verified before it leaves, whatever its curve.
  test('a key on P-384 signs', () => {
    const signed = place.json<SignModelResult>(['sign', 'mlp.onnx', '--key', toUri('p384'), '--force']);
    expect(signed).toMatchObject({ method: 'key', curve: 'P-384' });
  });

  test('pkcs11-tool sees the key, and cannot read it', () => {
    expect(token.tool('--list-objects', '--type', 'privkey')).toContain('p256');
    const out = at('private.der');
    expect(token.tool('--read-object', '--type', 'privkey', '--id', '01', '--output-file', out)).toMatch(
      /error|sorry/i,
    );
    expect(token.tool('--list-objects', '--type', 'privkey', '--id', '01')).toMatch(
      /sensitive, always sensitive, never extract/,
    );
  });

  test('many signatures, so that every length of their integers came up, verify all', () => {
    for (let n = 0; n < 8; n++) place.json(['sign', 'mlp.onnx', '--key', toUri('p256'), '--force']);
    expect(place.run(['verify-signature', 'mlp.onnx', '--key', exportPublic('01')]).status).toBe(0);
  });

  test('no such key, one that can leave, half a pair, two of a name, another curve: each has its code', () => {
    const cases: readonly [string, string][] = [
      ['missing', 'KEY_STORE_MISSING'],
      ['loose', 'KEY_SERVICE_UNFIT'],
      ['half', 'KEY_STORE_MISSING'],
      ['twin', 'KEY_URI_INVALID'],
      ['koblitz', 'KEY_SERVICE_UNFIT'],
    ];
    expect(cases.map(([label]) => codeOf(toUri(label)))).toEqual(cases.map(([, code]) => code));
    expect(codeOf(toUri('twin', ';id=%07;type=private'), '--passphrase-file', token.pinPath)).toBe('CLI_USAGE');
    expect(place.run(['sign', 'mlp.onnx', '--key', toUri('twin', ';id=%07'), '--force']).status).toBe(0);
  });

  test('the PIN stands in no output and in no entry of the ledger', () => {
    const run = place.run(['sign', 'mlp.onnx', '--key', toUri('p256'), '--force', '--json']);
    const ledger = place.run(['ledger', 'show', '--json']).stdout;
    for (const text of [run.stdout, run.stderr, ledger, readFileSync(at('mlp.onnx.sig'), 'utf8')]) {
      expect(text).not.toContain(token.pin);
    }
  });
});
