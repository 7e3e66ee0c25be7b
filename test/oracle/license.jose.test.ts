/** Licences and key documents against the library jose, both ways. */
import {
  calculateJwkThumbprint,
  CompactSign,
  compactVerify,
  exportJWK,
  flattenedDecrypt,
  FlattenedEncrypt,
  generateKeyPair,
  importJWK,
  importSPKI,
} from 'jose';
import { createPublicKey, generateKeyPairSync, hkdfSync } from 'node:crypto';
import { expect, test } from 'vitest';
import {
  decryptKeyDocument,
  encryptKeyDocument,
  openAgreementKey,
  parseVendorKey,
  toDekDigest,
  toThumbprint,
} from '../../src/license/index.ts';
import { toLicenseDigest } from '../../src/license/key-document.ts';
import { verifyDocument } from '../../src/license/jws.ts';
import { seededBytes, seededRandom } from '../fakes/seal-kit.ts';
import { certifyDevice, challengeDevice, enrolDevice, readMakers } from '../../src/workflows/license/index.ts';
import { makeAuthority, makeChip, withChip } from '../license/chip.ts';
import { makeKit } from '../license/kit.ts';

const LICENSE = 'header.payload.signature';
const dek = seededBytes(3, 32);

function makeDevice() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' });
  return { jwk: privateKey.export({ format: 'jwk' }), key: openAgreementKey(pkcs8) };
}

test('jose opens our key documents', async () => {
  const { jwk, key } = makeDevice();
  const document = encryptKeyDocument({ dek, recipient: key.publicKey, license: LICENSE, random: seededRandom(1) });
  const { plaintext, additionalAuthenticatedData } = await flattenedDecrypt(
    document,
    await importJWK(jwk, 'ECDH-ES+A256KW'),
  );
  expect(plaintext).toEqual(dek);
  expect(additionalAuthenticatedData).toEqual(toLicenseDigest(LICENSE));
});

test('we open key documents of jose', async () => {
  const { key } = makeDevice();
  const made = await new FlattenedEncrypt(dek)
    .setProtectedHeader({ alg: 'ECDH-ES+A256KW', enc: 'A256GCM', kid: toThumbprint(key.publicKey) })
    .setAdditionalAuthenticatedData(toLicenseDigest(LICENSE))
    .encrypt(await importJWK({ ...key.publicKey }, 'ECDH-ES+A256KW'));
  const document = made as Parameters<typeof decryptKeyDocument>[0]['document'];
  expect(await decryptKeyDocument({ document, key, license: LICENSE, digest: toDekDigest(dek) })).toEqual(dek);
});

test('jose verifies our licences, and agrees on thumbprints', async () => {
  const kit = makeKit();
  const { text } = await kit.issue();
  const pem = kit.vendor.key.key.export({ type: 'spki', format: 'pem' }).toString();
  const { protectedHeader } = await compactVerify(text, await importSPKI(pem, 'ES256'), { algorithms: ['ES256'] });
  expect(protectedHeader).toMatchObject({ alg: 'ES256', typ: 'license+jwt' });
  const { publicKey } = kit.device.key;
  expect(toThumbprint(publicKey)).toBe(await calculateJwkThumbprint({ ...publicKey }));
  kit.remove();
});

test.each(['ES256', 'EdDSA'])('we verify what jose signs with %s', async (alg) => {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  const spki = createPublicKey({ key: (await exportJWK(publicKey)) as Record<string, string>, format: 'jwk' });
  const vendor = parseVendorKey(spki.export({ type: 'spki', format: 'pem' }).toString());
  const text = await new CompactSign(Buffer.from('{"a":1}'))
    .setProtectedHeader({ alg, kid: vendor.kid, typ: 'license+jwt' })
    .sign(privateKey);
  expect(verifyDocument(text, { typ: 'license+jwt', keys: [vendor] }).payload).toEqual({ a: 1 });
});

test('jose verifies challenges and certified enrolments, and makes a response as the specification says', async () => {
  const kit = makeKit();
  try {
    const maker = makeAuthority();
    const chip = makeChip(kit.device.key, maker);
    const device = withChip(kit.device, chip);
    const { enrolment } = await enrolDevice(device, await device.openDevice(), { isNew: true });
    const context = { ...kit.answering, makers: readMakers([maker.der]) };
    const text = await challengeDevice(context, enrolment, { isFile: false });
    const { payload, protectedHeader } = await compactVerify(text, kit.vendor.key.key);
    expect(protectedHeader.typ).toBe('license-challenge+jwt');
    const said = JSON.parse(Buffer.from(payload).toString()) as Record<string, string>;
    const enr = JSON.parse(Buffer.from(enrolment).toString()) as object;
    const [blob, encryptedSeed] = [said.cred, said.seed].map((part) => new Uint8Array(Buffer.from(part, 'base64url')));
    const secret = await chip.prover.activate({ blob, encryptedSeed });
    const key = hkdfSync('sha256', secret, said.enr, 'modelward/license/v1/activated', 32);
    const { iss: aud, nonce, exp } = said;
    const response = new CompactSign(Buffer.from(JSON.stringify({ aud, nonce, exp, enr })));
    response.setProtectedHeader({ alg: 'HS256', typ: 'license-response+jwt' });
    const { certified } = await certifyDevice(context, await response.sign(new Uint8Array(key)));
    const word = await compactVerify(certified, kit.vendor.key.key);
    expect(word.protectedHeader.typ).toBe('license-enrolment+jwt');
    expect(JSON.parse(Buffer.from(word.payload).toString())).toMatchObject({ iss: aud, enr });
  } finally {
    kit.remove();
  }
});
