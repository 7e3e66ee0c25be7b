import { spawn } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { BaselineResult, ProtectResult } from '../../src/workflows/index.ts';
import type { SignModelResult, VerifySignatureReport } from '../../src/workflows/model-signing/index.ts';
import { describeWithBuilt } from '../built.ts';
import { createOpensslTsa, type OpensslTsa, serveTsa } from '../openssl-tsa.ts';
import { hasProgram } from '../shared-data.ts';
import { tinyExternal, tinyModel, tinyNode, tinyValue } from '../tiny-onnx.ts';
import { CODE_SIGNING, makeCertificate, makeKey, toPrivatePem, toPublicPem } from '../x509/certificates.ts';
import { bin, createWorkplace, type Run, samples, type Workplace } from './command.ts';

describeWithBuilt('sign and verify-signature', 'cli/main.js', () => {
  let place: Workplace;
  const key = makeKey();
  const root = makeCertificate({
    name: 'test root',
    isAuthority: true,
    usage: 'keyCertSign',
    validFrom: '2019-01-01T00:00:00Z',
  });
  const leaf = makeCertificate({
    name: 'signer of 2020',
    issuer: root,
    key,
    usage: 'digitalSignature',
    purposes: [CODE_SIGNING],
    validFrom: '2020-01-01T00:00:00Z',
    validTo: '2020-12-31T00:00:00Z',
  });
  const at = (...parts: readonly string[]): string => join(place.folder, ...parts);
  const codeOf = (run: Run): string => (JSON.parse(run.stdout) as { error: { code: string } }).error.code;

  beforeAll(() => {
    place = createWorkplace({ isOneProcess: true });
    writeFileSync(at('signing.pem'), toPrivatePem(key), { mode: 0o600 });
    writeFileSync(at('signing.pub'), toPublicPem(key));
    writeFileSync(at('leaf.pem'), leaf.pem);
    writeFileSync(at('root.pem'), root.pem);
    const locked = key.privateKey.export({
      type: 'pkcs8',
      format: 'pem',
      cipher: 'aes-256-cbc',
      passphrase: 'correct horse',
    });
    writeFileSync(at('locked.pem'), locked, { mode: 0o600 });
    writeFileSync(at('passphrase'), 'correct horse\n', { mode: 0o600 });
  });
  beforeEach(() => {
    rmSync(at('model'), { recursive: true, force: true });
    mkdirSync(at('model', 'sub'), { recursive: true });
    writeFileSync(at('model', 'config.json'), '{}');
    writeFileSync(at('model', 'sub', 'weights.bin'), Buffer.alloc(100_000, 3));
  });
  afterAll(() => {
    place.remove();
  });

  test('a folder is signed with the owner key and recorded; its papers are no part of it', () => {
    const signed = place.json<SignModelResult>(['sign', 'model', '--bom', '--provenance', '--material', 'root.pem']);
    expect(signed).toMatchObject({
      signature: { path: at('model', 'model.sig') },
      bom: { path: at('model', 'model.cdx.json') },
      provenance: { path: at('model', 'model.provenance.json') },
      subject: { name: 'model' },
      method: 'key',
      curve: 'P-256',
      resources: 2,
      ignored: ['model.cdx.json', 'model.provenance.json', 'model.sig'],
    });
    const report = place.json<VerifySignatureReport>(['verify-signature', 'model']);
    expect(report).toMatchObject({ verdict: 'unchanged', method: 'key', signer: signed.key, subject: signed.subject });
    expect(report.ignored).toEqual(['model.cdx.json', 'model.provenance.json', 'model.sig']);
    const { entries } = place.json<{ entries: { type: string; digests: object }[] }>(['ledger', 'show']);
    expect(entries.at(-1)).toMatchObject({
      type: 'model-signature',
      digests: {
        model: signed.subject.digest,
        signature: signed.signature.sha256,
        key: signed.key,
        bom: signed.bom?.sha256,
        provenance: signed.provenance?.sha256,
      },
    });
  });

  test('what changed is named, and exits 1', () => {
    place.json(['sign', 'model']);
    cpSync(at('model', 'config.json'), at('model', 'moved.json'));
    rmSync(at('model', 'config.json'));
    writeFileSync(at('model', 'sub', 'weights.bin'), Buffer.alloc(100_000, 4));
    writeFileSync(at('model', 'extra.py'), 'print()');
    const run = place.run(['verify-signature', 'model', '--json']);
    expect(run.status).toBe(1);
    expect(JSON.parse(run.stdout)).toMatchObject({
      verdict: 'changed',
      changes: [
        { kind: 'renamed', file: 'config.json', to: 'moved.json' },
        { kind: 'added', file: 'extra.py' },
        { kind: 'changed', file: 'sub/weights.bin' },
      ],
    });
  });

  test('files that were not signed are no finding when asked so, whatever they are', () => {
    place.json(['sign', 'model']);
    writeFileSync(at('model', 'extra.py'), 'print()');
    symlinkSync('/etc', at('model', 'link'));
    expect(place.run(['verify-signature', 'model', '--ignore-unsigned-files']).status).toBe(0);
    expect(codeOf(place.run(['verify-signature', 'model', '--json']))).toBe('OMS_LINK_REFUSED');
    rmSync(at('model', 'config.json'));
    expect(place.run(['verify-signature', 'model', '--ignore-unsigned-files']).status).toBe(1);
  });

  test('a key in a file, with and without passphrase; one that others can read is refused', () => {
    place.json(['sign', 'model', '--key', 'signing.pem']);
    expect(place.run(['verify-signature', 'model', '--key', 'signing.pub']).status).toBe(0);
    expect(codeOf(place.run(['verify-signature', 'model', '--json']))).toBe('OMS_OTHER_KEY');
    place.json(['sign', 'model', '--key', 'locked.pem', '--passphrase-file', 'passphrase', '--force']);
    expect(place.run(['verify-signature', 'model', '--key', 'signing.pub']).status).toBe(0);
    const wrong = place.run(['sign', 'model', '--key', 'locked.pem', '--force', '--json']);
    expect([wrong.status, codeOf(wrong)]).toEqual([5, 'OMS_KEY_LOCKED']);
    chmodSync(at('signing.pem'), 0o644);
    const exposed = place.run(['sign', 'model', '--key', 'signing.pem', '--force', '--json']);
    chmodSync(at('signing.pem'), 0o600);
    expect(codeOf(exposed)).toBe('CLI_SECRET_FILE_EXPOSED');
  });

  test('a certificate that has expired holds for the time that the user names', () => {
    place.json(['sign', 'model', '--key', 'signing.pem', '--certificate', 'leaf.pem']);
    const verify = ['verify-signature', 'model', '--certificate-chain', 'root.pem'];
    expect(codeOf(place.run([...verify, '--json']))).toBe('OMS_CERTIFICATE_EXPIRED');
    const report = place.json<VerifySignatureReport>([...verify, '--at', '2020-06-01']);
    expect(report).toMatchObject({ method: 'certificate', signer: 'CN=signer of 2020', isTimestamped: false });
    expect(place.run([...verify, '--at', 'yesterday']).status).toBe(2);
    const byKey = ['verify-signature', 'model', '--key', 'signing.pub'];
    const keyless = [
      'verify-signature',
      'model',
      '--sigstore-root',
      'r',
      '--identity',
      'i',
      '--identity-provider',
      'p',
    ];
    for (const words of [byKey, keyless, ['verify-signature', 'model']]) {
      for (const time of [
        ['--at', '2020-06-01'],
        ['--tsa-root', 'root.pem'],
      ]) {
        const refused = place.run([...words, ...time]);
        expect([refused.status, refused.stderr]).toEqual([
          2,
          expect.stringContaining(`${time[0]} is of --certificate-chain`),
        ]);
      }
    }
    // Whoever takes a timestamp out of the signature must not get to say when it was made.
    const unstamped = [...verify, '--at', '2020-06-01', '--tsa-root', 'root.pem', '--json'];
    expect(codeOf(place.run(unstamped))).toBe('OMS_TIMESTAMP_MISSING');
  });

  test('what is there already is not replaced; with --force an earlier signature is, and no other file', () => {
    place.json(['sign', 'model']);
    expect(codeOf(place.run(['sign', 'model', '--json']))).toBe('WRITE_EXISTS');
    expect(place.run(['sign', 'model', '--force']).status).toBe(0);
    const over = place.run(['sign', 'model', '--signature', 'model/config.json', '--force', '--json']);
    expect(codeOf(over)).toBe('WRITE_OVER_INPUT');
    expect(readFileSync(at('model', 'config.json'), 'utf8')).toBe('{}');
  });

  test('paths to be ignored are plain and inside; without a signature nothing is judged', () => {
    expect(codeOf(place.run(['sign', 'model', '--ignore-paths', '../x', '--json']))).toBe('OMS_IGNORE_REFUSED');
    expect(codeOf(place.run(['sign', 'model', '--ignore-paths', '*.bin', '--json']))).toBe('OMS_IGNORE_REFUSED');
    expect(codeOf(place.run(['verify-signature', 'model', '--json']))).toBe('SIGNATURE_NOT_FOUND');
    expect(existsSync(at('model', 'model.sig'))).toBe(false);
    const mixed = place.run(['verify-signature', 'model', '--key', 'signing.pub', '--identity', 'me', '--json']);
    expect(codeOf(mixed)).toBe('CLI_USAGE');
  });

  test('one file is signed beside it; its bill of materials knows what the model takes', () => {
    cpSync(join(samples, 'mlp.onnx'), at('mlp.onnx'));
    const signed = place.json<SignModelResult>(['sign', 'mlp.onnx', '--bom', '--method', 'shards']);
    expect(signed.signature.path).toBe(at('mlp.onnx.sig'));
    const bom = JSON.parse(readFileSync(signed.bom?.path ?? '', 'utf8')) as {
      metadata: { component: { modelCard: { modelParameters: { inputs: { format: string }[] } } } };
    };
    expect(bom.metadata.component.modelCard.modelParameters.inputs).toHaveLength(1);
    expect(place.run(['verify-signature', 'mlp.onnx']).status).toBe(0);
  });

  test('baseline and signature of a model in several files have one subject', () => {
    mkdirSync(at('parts'));
    const tensors = [tinyExternal('w', 'f32', [8, 8], { location: 'w.bin', offset: 0, length: 256 })];
    const inputs = [tinyValue('x', 'f32', ['n', 8])];
    const outputs = [tinyValue('y', 'f32', ['n', 8])];
    const nodes = [tinyNode('MatMul', ['x', 'w'], ['y'])];
    writeFileSync(at('parts', 'm.onnx'), tinyModel({ nodes, tensors, inputs, outputs }));
    writeFileSync(at('parts', 'w.bin'), Buffer.alloc(256, 1));
    const { signature } = place.json<BaselineResult>(['baseline', 'parts/m.onnx', '--out', 'm.baseline.json']);
    expect(signature.path).toBe(at('m.baseline.sig'));
    const read = (path: string) =>
      place.json<VerifySignatureReport>(['verify-signature', 'parts', '--signature', path]).subject;
    const { subject } = place.json<SignModelResult>(['sign', 'parts', '--signature', 'parts.sig']);
    expect(read('m.baseline.sig').digest).toBe(subject.digest);
    const bundle = JSON.parse(readFileSync(at('m.baseline.json'), 'utf8')) as { dsseEnvelope: { payload: string } };
    const statement = JSON.parse(Buffer.from(bundle.dsseEnvelope.payload, 'base64').toString('utf8')) as {
      subject: { digest: { sha256: string } }[];
    };
    expect(statement.subject[0].digest.sha256).toBe(subject.digest);
    // What protect writes is about the folder of the marked files: without a mark, they are the same.
    place.json<ProtectResult>(['protect', 'parts/m.onnx', '--no-mark', '--out', 'm.protected']);
    const inside = ['m.protected/marked', '--signature', 'm.protected/m.baseline.sig'];
    expect(place.json(['verify-signature', ...inside])).toMatchObject({
      verdict: 'unchanged',
      subject: { digest: subject.digest },
    });
    place.json<ProtectResult>(['protect', 'parts/m.onnx', '--no-mark', '--seal-only', '--out', 'm.sealed']);
    expect(read('m.sealed/m.baseline.sig').digest).toBe(subject.digest);
    writeFileSync(at('parts', 'w.bin'), Buffer.alloc(256, 2));
    expect(place.run(['verify-signature', 'parts', '--signature', 'm.baseline.sig']).status).toBe(1);
    // Both files are there already, and neither is replaced unasked.
    const again = place.run(['baseline', 'parts/m.onnx', '--out', 'm.baseline.json', '--json']);
    expect(codeOf(again)).toBe('WRITE_EXISTS');
    rmSync(at('m.baseline.json'));
    expect(codeOf(place.run(['baseline', 'parts/m.onnx', '--out', 'm.baseline.json', '--json']))).toBe('WRITE_EXISTS');
    expect(existsSync(at('m.baseline.json'))).toBe(false);
  });

  describe.runIf(hasProgram('openssl', ['version']))('with a time stamp authority', () => {
    let tsa: OpensslTsa;
    let server: Awaited<ReturnType<typeof serveTsa>>;
    beforeAll(async () => {
      tsa = createOpensslTsa();
      server = await serveTsa(tsa);
    });
    afterAll(() => {
      server.close();
      tsa.remove();
    });

    test('the timestamp decides when the certificate was used, for those who believe the authority', async () => {
      const args = [
        'sign',
        'model',
        '--key',
        'signing.pem',
        '--certificate',
        'leaf.pem',
        '--tsa',
        server.url,
        '--quiet',
      ];
      const child = spawn(process.execPath, [bin, ...args], {
        cwd: place.folder,
        env: { ...process.env, MODELWARD_HOME: place.home },
        stdio: 'ignore',
      });
      expect(await new Promise((resolve) => child.on('close', resolve))).toBe(0);
      writeFileSync(at('tsa-root.pem'), tsa.rootPem);
      const verify = ['verify-signature', 'model', '--certificate-chain', 'root.pem', '--at', '2020-06-01', '--json'];
      expect(place.run(verify).status).toBe(0);
      // The authority says now, and now the certificate has expired: what the user says no longer counts.
      expect(codeOf(place.run([...verify, '--tsa-root', 'tsa-root.pem']))).toBe('OMS_CERTIFICATE_EXPIRED');
      expect(codeOf(place.run([...verify, '--tsa-root', 'root.pem']))).toBe('SIGN_TIMESTAMP_UNTRUSTED');
    });
  });
});
