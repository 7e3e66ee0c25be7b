import { Ajv } from 'ajv';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { makeKey, toPrivatePem, toPublicPem } from '../../test/x509/certificates.ts';
import { toHex, utf8 } from '../core/bytes.ts';
import { sha256 } from '../core/hash.ts';
import { type BomOptions, toBom } from './bom.ts';
import { openPemSigner } from './keys.ts';
import { type ModelManifest, toSubjectDigest } from './manifest.ts';
import { encodeProvenance } from './provenance.ts';
import { signStatement } from './sign-statement.ts';
import { verifyStatement } from './verify-statement.ts';

const digestOf = (text: string): string => toHex(sha256(utf8(text)));
const MANIFEST: ModelManifest = {
  modelName: 'model',
  resources: ['config.json', 'weights.onnx'].map((name) => ({ name, digest: digestOf(name) })),
  serialization: { hashType: 'sha256', shardBytes: null, allowSymlinks: false, ignorePaths: ['model.sig'] },
};
const SHARDS: ModelManifest = {
  ...MANIFEST,
  resources: ['.:0:65536', '.:65536:70000'].map((name) => ({ name, digest: digestOf(name) })),
  serialization: { ...MANIFEST.serialization, shardBytes: 65_536 },
};
const BLAKE: ModelManifest = {
  ...MANIFEST,
  resources: [{ name: 'weights.onnx', digest: 'ab'.repeat(64) }],
  serialization: { ...MANIFEST.serialization, hashType: 'blake2b' },
};
const OPTIONS: BomOptions = {
  manifest: MANIFEST,
  facts: { format: 'onnx', tensors: 2, parameters: 100, inputs: ['x: float32 [1, 3]'], outputs: ['y: float32 [1]'] },
  materials: [{ name: 'train.csv', digest: digestOf('data') }],
  signature: { name: 'my model.sig', digest: digestOf('signature') },
  tool: { name: 'modelward', version: '1.2.3' },
  at: '2026-11-21T12:00:00.000Z',
  random: { fill: (into) => into.fill(0x5a) },
};

/** The schema that the OWASP project publishes, as its library carries it. */
function openCycloneDx() {
  const folder = join(import.meta.dirname, '../../node_modules/@cyclonedx/cyclonedx-library/res/schema');
  const ajv = new Ajv({ strict: false, allErrors: true });
  const formats: Readonly<Record<string, (text: string) => boolean>> = {
    'date-time': (text) => Number.isFinite(Date.parse(text)),
    'iri-reference': (text) => URL.canParse(text, 'https://example.org/') && !text.includes(' '),
    'idn-email': (text) => text.includes('@'),
    email: (text) => text.includes('@'),
    uri: (text) => URL.canParse(text),
  };
  for (const [name, validate] of Object.entries(formats)) ajv.addFormat(name, validate);
  const read = (name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as object;
  // The library ships the schemas under other names than those that their $ids end in.
  for (const name of ['spdx', 'jsf-0.82', 'cryptography-defs'].map((one) => `${one}.SNAPSHOT.schema.json`)) {
    ajv.addSchema({ ...read(name), $id: `http://cyclonedx.org/schema/${name}` });
  }
  const validate = ajv.compile(read('bom-1.6.SNAPSHOT.schema.json'));
  return (value: unknown): unknown => (validate(JSON.parse(JSON.stringify(value))) ? 'valid' : validate.errors);
}

describe('the bill of materials', () => {
  test.each([
    ['a folder', OPTIONS],
    ['shards of one file', { ...OPTIONS, manifest: SHARDS }],
    ['another hash', { ...OPTIONS, manifest: BLAKE }],
    ['an unknown file', { ...OPTIONS, facts: null, materials: [] }],
  ])('of %s passes the schema of CycloneDX 1.6', (_, options) => {
    expect(openCycloneDx()(toBom(options))).toBe('valid');
  });

  test('a document that is wrong does not pass', () => {
    expect(openCycloneDx()({ ...(toBom(OPTIONS) as object), specVersion: 16 })).not.toBe('valid');
  });

  test('names the model, its files with their digests, what it was made from and its signature', () => {
    const bom = toBom(OPTIONS);
    expect(bom).toMatchObject({
      serialNumber: 'urn:uuid:5a5a5a5a-5a5a-4a5a-9a5a-5a5a5a5a5a5a',
      metadata: {
        timestamp: OPTIONS.at,
        component: {
          type: 'machine-learning-model',
          name: 'model',
          components: [
            { type: 'file', name: 'config.json', hashes: [{ alg: 'SHA-256', content: digestOf('config.json') }] },
            { type: 'file', name: 'weights.onnx', hashes: [{ alg: 'SHA-256', content: digestOf('weights.onnx') }] },
          ],
          externalReferences: [{ type: 'digital-signature', url: 'my%20model.sig' }],
        },
      },
      components: [{ type: 'data', name: 'train.csv' }],
    });
  });
});

describe('provenance', () => {
  test('is signed as the model is, about the same digest', async () => {
    const key = makeKey();
    const signer = openPemSigner({ pem: utf8(toPrivatePem(key)), passphrase: null });
    const payload = encodeProvenance({
      manifest: MANIFEST,
      materials: OPTIONS.materials,
      byproducts: [OPTIONS.signature],
      builderId: 'https://ci.example/train',
      toolVersion: '1.2.3',
      at: OPTIONS.at,
    });
    const bytes = await signStatement(payload, { signer, certificates: [], stamp: null });
    const verified = verifyStatement(bytes, { kind: 'key', publicKeyPem: toPublicPem(key) });
    expect(JSON.parse(Buffer.from(verified.payload).toString('utf8'))).toEqual({
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{ name: 'model', digest: { sha256: toSubjectDigest(MANIFEST.resources) } }],
      predicateType: 'https://slsa.dev/provenance/v1',
      predicate: {
        buildDefinition: {
          buildType: 'urn:modelward:build-type:sign:v1',
          externalParameters: { model: 'model', method: 'files', hashType: 'sha256', ignorePaths: ['model.sig'] },
          resolvedDependencies: [{ name: 'train.csv', digest: { sha256: digestOf('data') } }],
        },
        runDetails: {
          builder: { id: 'https://ci.example/train', version: { modelward: '1.2.3' } },
          metadata: { finishedOn: OPTIONS.at },
          byproducts: [{ name: 'my model.sig', digest: { sha256: digestOf('signature') } }],
        },
      },
    });
  });
});
