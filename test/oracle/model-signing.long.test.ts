import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { openSigstoreVerifier } from '../../src/adapters/sigstore/index.ts';
import { decodeSignatureStatement, type Trust, verifyStatement } from '../../src/model-signing/index.ts';
import { codeOf } from '../error-code.ts';
import { createWorkplace, type Workplace } from '../e2e/command.ts';
import { describeWhere, hasProgram, hasSharedData, sharedData } from '../shared-data.ts';
import { makeChain, makeKey, toPrivatePem, toPublicPem } from '../x509/certificates.ts';

const VENV = join(import.meta.dirname, '../oracles/.venv');
const TOOL = join(VENV, 'bin/model_signing');
const hasTool = hasProgram(TOOL);
// Each start of the tool takes a second.
vi.setConfig({ testTimeout: 60_000 });

describeWhere(hasTool, 'model_signing, the reference tool', 'test/oracles/.venv with model-signing', () => {
  let place: Workplace;
  beforeAll(() => {
    place = createWorkplace({ isOneProcess: true });
    mkdirSync(join(place.folder, 'model', 'a'), { recursive: true });
    writeFileSync(join(place.folder, 'model', 'a.txt'), 'text');
    writeFileSync(join(place.folder, 'model', 'a', 'weights.bin'), Buffer.alloc(300_000, 7));
    writeFileSync(join(place.folder, 'model', 'ignored.log'), 'log');
    for (const [name, curve] of CURVES) {
      const key = makeKey(curve);
      writeFileSync(join(place.folder, `${name}.pem`), toPrivatePem(key), { mode: 0o600 });
      writeFileSync(join(place.folder, `${name}.pub`), toPublicPem(key));
    }
    const { root, between, leaf } = makeChain('secp384r1');
    writeFileSync(join(place.folder, 'leaf.pem'), leaf.pem);
    writeFileSync(join(place.folder, 'between.pem'), between.pem);
    writeFileSync(join(place.folder, 'root.pem'), root.pem);
    writeFileSync(join(place.folder, 'leaf.key'), toPrivatePem(leaf.key), { mode: 0o600 });
  });
  afterAll(() => {
    place.remove();
  });

  const CURVES = [
    ['p256', 'prime256v1'],
    ['p384', 'secp384r1'],
    ['p521', 'secp521r1'],
  ] as const;

  const tool = (...args: readonly string[]): string =>
    execFileSync(TOOL, args, { cwd: place.folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  const ours = (...args: readonly string[]): number | null => place.run([...args, '--quiet']).status;

  test.each(CURVES)('%s: it verifies what we sign, and we what it signs', (name) => {
    expect(ours('sign', 'model', '--key', `${name}.pem`, '--signature', 'o.sig', '--ignore-paths', 'ignored.log')).toBe(
      0,
    );
    expect(tool('verify', 'key', 'model', '--public_key', `${name}.pub`, '--signature', 'o.sig')).toMatch(/succeeded/);
    tool('sign', 'key', 'model', '--private_key', `${name}.pem`, '--signature', 'model/model.sig');
    expect(ours('verify-signature', 'model', '--key', `${name}.pub`)).toBe(0);
    rmSync(join(place.folder, 'model', 'model.sig'));
    rmSync(join(place.folder, 'o.sig'));
  });

  const library = (script: string): string =>
    execFileSync(join(VENV, 'bin/python'), ['-c', `import pathlib, model_signing\n${script}`], {
      cwd: place.folder,
      encoding: 'utf8',
    });

  // Its command line has no shards, and its library names their hash otherwise than the schema of OMS allows.
  test('shards: we read those of its library, with its order and its name of the hash', () => {
    library(`
hashing = model_signing.hashing.Config().use_shard_serialization(shard_size=20000).set_ignored_paths(paths=["model.sig"])
signing = model_signing.signing.Config().use_elliptic_key_signer(private_key="p256.pem").set_hashing_config(hashing)
signing.sign(pathlib.Path("model"), pathlib.Path("model/model.sig"))`);
    expect(ours('verify-signature', 'model', '--key', 'p256.pub')).toBe(0);
    rmSync(join(place.folder, 'model', 'model.sig'));
  });

  test('a model of one file', () => {
    expect(ours('sign', 'model/a.txt', '--key', 'p256.pem', '--signature', 'one.sig')).toBe(0);
    expect(tool('verify', 'key', 'model/a.txt', '--public_key', 'p256.pub', '--signature', 'one.sig')).toMatch(/succ/);
    tool('sign', 'key', 'model/a.txt', '--private_key', 'p256.pem', '--signature', 'two.sig');
    expect(ours('verify-signature', 'model/a.txt', '--key', 'p256.pub', '--signature', 'two.sig')).toBe(0);
  });

  test('certificates', () => {
    const by = ['--certificate', 'leaf.pem', 'between.pem', '--signature', 'c.sig'];
    expect(ours('sign', 'model', '--key', 'leaf.key', ...by)).toBe(0);
    expect(tool('verify', 'certificate', 'model', '--certificate_chain', 'root.pem', '--signature', 'c.sig')).toMatch(
      /succeeded/,
    );
    const args = [
      '--private_key',
      'leaf.key',
      '--signing_certificate',
      'leaf.pem',
      '--certificate_chain',
      'between.pem',
    ];
    tool('sign', 'certificate', 'model', ...args, '--signature', 'd.sig');
    expect(ours('verify-signature', 'model', '--certificate-chain', 'root.pem', '--signature', 'd.sig')).toBe(0);
  });

  test('with the owner key of a home, and what changed is refused by both', () => {
    expect(ours('sign', 'model')).toBe(0);
    const pem = /-----BEGIN[^]*END PUBLIC KEY-----\n/.exec(place.run(['keys', 'show']).stdout)?.[0] ?? '';
    writeFileSync(join(place.folder, 'owner.pub'), pem);
    const verify = (): string =>
      tool('verify', 'key', 'model', '--public_key', 'owner.pub', '--signature', 'model/model.sig');
    expect(verify()).toMatch(/succeeded/);
    writeFileSync(join(place.folder, 'model', 'a.txt'), 'texT');
    expect(verify).toThrow(/Hash mismatch/);
    expect(ours('verify-signature', 'model')).toBe(1);
  });
});

/** The trusted root of the public instance, as the Python client brings it along. */
function findTrustedRoot(): string | undefined {
  const library = join(VENV, 'lib');
  if (!hasTool) return undefined;
  const [python] = readdirSync(library);
  return join(
    library,
    python,
    'site-packages/sigstore/_store/https%3A%2F%2Ftuf-repo-cdn.sigstore.dev/trusted_root.json',
  );
}

describeWhere(hasTool && hasSharedData, 'keyless signatures', 'model-signing and ../shared/data', () => {
  const IDENTITY = 'stefanb@us.ibm.com';
  const ISSUER = 'https://sigstore.verify.ibm.com/oauth2';
  const folder = sharedData('model-signing');
  const openVerifier = () => openSigstoreVerifier(readFileSync(findTrustedRoot() ?? ''));
  const toTrust = async (identity = IDENTITY, issuer = ISSUER): Promise<Trust> => ({
    kind: 'sigstore',
    verifier: await openVerifier(),
    identity,
    issuer,
  });

  test.each([
    'test-vectors/v1.0/valid/sigstore.bundle.json',
    'fixtures/v1.0.0-sigstore/model.sig',
    'fixtures/v1.0.1-sigstore/model.sig',
  ])('%s holds against the public root, without a network', async (name) => {
    const bytes = readFileSync(join(folder, name));
    const { identity, issuer } = (await openVerifier()).verify(bytes);
    const verified = verifyStatement(bytes, await toTrust(identity, issuer));
    expect(verified).toMatchObject({ method: 'sigstore', signer: `${identity} (${issuer})` });
    expect(decodeSignatureStatement(verified.payload).resources).not.toHaveLength(0);
  });

  test('of another identity or provider is refused; an identity is no pattern', async () => {
    const bytes = readFileSync(join(folder, 'test-vectors/v1.0/valid/sigstore.bundle.json'));
    const codes = await Promise.all(
      [['.*'], ['stefanb'], [`x${IDENTITY}`], [IDENTITY, 'https://accounts.google.com']].map(
        async ([identity, issuer]) => {
          const trust = await toTrust(identity, issuer);
          return codeOf(() => verifyStatement(bytes, trust));
        },
      ),
    );
    expect(codes).toEqual(codes.map(() => 'OMS_IDENTITY_MISMATCH'));
    const trust = await toTrust();
    expect(codeOf(() => verifyStatement(bytes, trust))).toBe('no error');
  });

  test('with any part changed is refused', async () => {
    const text = readFileSync(join(folder, 'test-vectors/v1.0/valid/sigstore.bundle.json'), 'utf8');
    const trust = await toTrust();
    const bundle = JSON.parse(text) as { dsseEnvelope: { payload: string } };
    const statement = Buffer.from(bundle.dsseEnvelope.payload, 'base64')
      .toString('utf8')
      .replace('signme-1', 'signme-0');
    bundle.dsseEnvelope.payload = Buffer.from(statement).toString('base64');
    const changed = Buffer.from(JSON.stringify(bundle));
    expect(codeOf(() => verifyStatement(changed, trust))).toBe('OMS_SIGSTORE_REFUSED');
    const otherLog = Buffer.from(text.replace(/"integratedTime": "\d+"/, '"integratedTime": "1760000000"'));
    expect(codeOf(() => verifyStatement(otherLog, trust))).toBe('OMS_SIGSTORE_REFUSED');
  });

  test('a trusted root that is none is refused', async () => {
    const open = openSigstoreVerifier(Buffer.from('{}'));
    await expect(open).rejects.toMatchObject({ code: 'OMS_TRUST_ROOT_MALFORMED' });
    const noJson = openSigstoreVerifier(Buffer.from('no'));
    await expect(noJson).rejects.toMatchObject({ code: 'OMS_TRUST_ROOT_MALFORMED' });
  });
});
