import { Ajv2020 } from 'ajv/dist/2020.js';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { codeOf } from '../../test/error-code.ts';
import { describeWithShared, sharedData } from '../../test/shared-data.ts';
import { makeChain, toPrivatePem } from '../../test/x509/certificates.ts';
import { utf8 } from '../core/bytes.ts';
import { compareContent } from './compare.ts';
import { hashFiles } from './hash-files.ts';
import { openPemSigner } from './keys.ts';
import { openModelFiles } from './model-files.ts';
import { parseSignerCertificates, signStatement } from './sign-statement.ts';
import { decodeSignatureStatement, encodeSignatureStatement } from './statement.ts';
import { type Trust, verifyStatement } from './verify-statement.ts';

const folder = sharedData('model-signing');
const read = (...parts: readonly string[]): Buffer => readFileSync(join(folder, ...parts));
const readText = (...parts: readonly string[]): string => read(...parts).toString('utf8');

const trustKey = (): Trust => ({
  kind: 'key',
  publicKeyPem: readText('fixtures/keys/certificate/signing-key-pub.pem'),
});
const trustRoot = (): Trust => ({
  kind: 'certificate',
  certificates: [readText('fixtures/keys/certificate/ca-cert.pem')],
  atMs: Date.parse('2025-11-01T00:00:00Z'),
  timestampRoots: null,
});
const noSigstore: Trust = {
  kind: 'sigstore',
  identity: 'someone',
  issuer: 'somewhere',
  verifier: { verify: () => ({ identity: 'nobody', issuer: 'nowhere' }) },
};

/** Validators of the four schemas of OMS v1.0. */
function openSchemas() {
  const ajv = new Ajv2020({ strict: false });
  for (const name of ['predicate', 'statement', 'envelope', 'bundle']) {
    ajv.addSchema(JSON.parse(readText('schemas/v1.0', `${name}.schema.json`)) as object);
  }
  return (name: string, value: unknown): unknown => {
    const validate = ajv.getSchema(`https://model_signing/${name}/v1.0/schema`);
    return validate?.(value) === true ? 'valid' : (validate?.errors ?? 'no schema');
  };
}

describeWithShared('vectors of OMS v1.0', () => {
  test.each([
    ['key.bundle.json', trustKey],
    ['certificate.bundle.json', trustRoot],
  ])('%s verifies', (name, toTrust) => {
    const { payload } = verifyStatement(read('test-vectors/v1.0/valid', name), toTrust());
    const { resources } = decodeSignatureStatement(payload);
    expect(resources.map((one) => one.name)).toEqual(['signme-1', 'signme-2']);
  });

  test('sigstore.bundle.json reads as keyless; of another identity it is refused', () => {
    const bytes = read('test-vectors/v1.0/valid/sigstore.bundle.json');
    expect(codeOf(() => verifyStatement(bytes, trustKey()))).toBe('OMS_METHOD_MISMATCH');
    expect(codeOf(() => verifyStatement(bytes, noSigstore))).toBe('OMS_IDENTITY_MISMATCH');
  });

  const REFUSED = new Map([
    ['empty.bundle.json', 'OMS_BUNDLE_EMPTY'],
    ['missing-envelope.bundle.json', 'OMS_NO_ENVELOPE'],
    ['missing-tlog-entries.bundle.json', 'OMS_NO_LOG_ENTRY'],
    ['missing-verification-material.bundle.json', 'OMS_NO_MATERIAL'],
  ]);

  test('every invalid bundle is refused for its own reason', () => {
    const names = readdirSync(join(folder, 'test-vectors/v1.0/invalid'));
    expect(names.sort()).toEqual([...REFUSED.keys()]);
    for (const name of names) {
      const bytes = read('test-vectors/v1.0/invalid', name);
      for (const trust of [trustKey(), trustRoot(), noSigstore]) {
        expect(
          codeOf(() => verifyStatement(bytes, trust)),
          name,
        ).toBe(REFUSED.get(name));
      }
    }
  });

  test('a payload with another predicate is refused for it, and its signature before', () => {
    const bytes = read('test-vectors/v1.0/invalid-payload/wrong-predicate.bundle.json');
    const bundle = JSON.parse(bytes.toString('utf8')) as { dsseEnvelope: { payload: string } };
    const payload = Buffer.from(bundle.dsseEnvelope.payload, 'base64');
    expect(codeOf(() => decodeSignatureStatement(payload))).toBe('OMS_PREDICATE_TYPE');
    expect(codeOf(() => verifyStatement(bytes, trustKey()))).toBe('OMS_SIGNATURE_INVALID');
  });
});

describeWithShared('models signed by the reference tool', () => {
  test.each([
    ['v1.0.0-elliptic-key', 'signme-1', trustKey],
    ['v1.0.1-elliptic-key', '', trustKey],
    ['v1.0.0-certificate', '', trustRoot],
    ['v1.0.1-certificate', '', trustRoot],
  ])('%s verifies, signature and files', (name, file, toTrust) => {
    const { payload } = verifyStatement(read('fixtures', name, 'model.sig'), toTrust());
    const manifest = decodeSignatureStatement(payload);
    // Before 1.1 the tool did not write down what it was told to ignore.
    const ignorePaths = [...manifest.serialization.ignorePaths, 'model.sig', 'ignore-me'];
    const path = join(folder, 'fixtures', name, file);
    const files = openModelFiles({ path, isFolder: file === '', ignorePaths, allowSymlinks: false });
    expect(compareContent(manifest, hashFiles(files, manifest.serialization)).verdict).toBe('unchanged');
  });
});

describeWithShared('what we sign', () => {
  test.each(['files', 'shards'])('%s: passes the four schemas of OMS v1.0', async (method) => {
    const check = openSchemas();
    const { leaf, between } = makeChain();
    const signer = openPemSigner({ pem: utf8(toPrivatePem(leaf.key)), passphrase: null });
    const path = join(folder, 'test-vectors');
    const how = {
      hashType: 'sha256',
      shardBytes: method === 'shards' ? 65_536 : null,
      allowSymlinks: false,
      ignorePaths: ['model.sig'],
    } as const;
    const files = openModelFiles({ path, isFolder: true, ...how });
    const manifest = { modelName: files.modelName, resources: hashFiles(files, how), serialization: how };
    const payload = encodeSignatureStatement(manifest);
    for (const certificates of [[], parseSignerCertificates([leaf.pem, between.pem], signer)]) {
      const bytes = await signStatement(payload, { signer, certificates, stamp: null });
      const bundle = JSON.parse(Buffer.from(bytes).toString('utf8')) as { dsseEnvelope: unknown };
      expect(check('bundle', bundle)).toBe('valid');
      expect(check('envelope', bundle.dsseEnvelope)).toBe('valid');
    }
    const statement = JSON.parse(Buffer.from(payload).toString('utf8')) as { predicate: unknown };
    expect(check('statement', statement)).toBe('valid');
    expect(check('predicate', statement.predicate)).toBe('valid');
    expect(check('predicate', { resources: [] })).not.toBe('valid');
  });
});
