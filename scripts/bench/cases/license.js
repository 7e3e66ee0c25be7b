/**
 * Verifies one licence COUNT times, then opens a sealed model by it COUNT/10 times on a device whose key is a file: key,
 * record and licence are read, judged and used anew each time. Prints milliseconds of CPU for each.
 */
import { generateKeyPairSync, randomFillSync, sign } from 'node:crypto';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  createMachineReader,
  createSoftwareKey,
  openFileCounter,
  openSoftwareKey,
} from '../../../dist/adapters/device-key/index.js';
import {
  encodeLicenseFile,
  encryptKeyDocument,
  openAgreementKey,
  parseVendorKey,
  signLicense,
  toDekDigest,
  toThumbprint,
  verifyLicense,
} from '../../../dist/license/index.js';
import { readSealHeader, sealBuffer } from '../../../dist/seal/index.js';
import { createLedgerLock } from '../../../dist/adapters/ledger-lock/index.js';
import { nodeStorage, openBufferSource } from '../../../dist/source/index.js';
import { activateLicense, withLicensedKey } from '../../../dist/workflows/license/index.js';
import { toHeadDigest } from '../../../dist/workflows/license/seal-head.js';

const [, , countText, parent] = process.argv;
// Each run is a device of its own.
const folder = mkdtempSync(join(parent, 'device-'));
const count = Number(countText);
const random = { fill: (into) => randomFillSync(into) };
const clock = { nowMs: () => Date.now() };
const deviceFolder = join(folder, 'device');
mkdirSync(deviceFolder, { recursive: true });

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const key = parseVendorKey(publicKey.export({ type: 'spki', format: 'pem' }));
const signer = {
  ...{ kid: key.kid, issuer: key.issuer, algorithm: 'ES256' },
  sign: (message) => Promise.resolve(sign('sha256', message, { key: privateKey, dsaEncoding: 'ieee-p1363' })),
};
const agreement = openAgreementKey(privateKey.export({ type: 'pkcs8', format: 'der' }));
const deviceKey = createSoftwareKey(nodeStorage, join(deviceFolder, 'device.key'));

const dek = randomFillSync(new Uint8Array(32));
const { sealed } = sealBuffer({
  ...{ name: 'model.onnx', bytes: new Uint8Array(1000), dek, model: { name: 'model' }, format: 'onnx' },
  ...{ clock, random },
});
const path = join(folder, 'model.seal');
writeFileSync(path, sealed);
const seal = readSealHeader(openBufferSource('model.seal', sealed));

const nowSec = Math.floor(Date.now() / 1000);
const license = await signLicense(signer, {
  ...{ aud: 'modelward', sub: 'bench', jti: 'bench', seq: 1, iat: nowSec, nbf: nowSec, exp: nowSec + 86_400 },
  cnf: { jkt: toThumbprint(deviceKey.publicKey) },
  seal: { id: seal.header.sealId, sha256: toHeadDigest(seal) },
  ent: [],
  off: { checkSec: null, graceSec: 0, lateSec: 0, maxSkewSec: 300, leaseSec: null },
  ...{ asr: 'software', agr: agreement.publicKey, dek_sha256: toDekDigest(dek) },
});
const keyDocument = encryptKeyDocument({ dek, recipient: deviceKey.publicKey, license, random });
const file = encodeLicenseFile({ license, keyDocument });
const trust = { keys: [key], audience: 'modelward' };
const services = {
  ...{ storage: nodeStorage, clock, random, deviceFolder, lock: createLedgerLock() },
  openDevice: async () => ({
    key: openSoftwareKey(join(deviceFolder, 'device.key')),
    counter: openFileCounter(nodeStorage, join(deviceFolder, 'counter')),
    machine: createMachineReader(),
    close: async () => undefined,
  }),
};
await activateLicense(services, trust, file);

async function measure(times, work) {
  await work();
  const before = process.cpuUsage();
  for (let left = times; left > 0; left -= 1) await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / times;
}

const verifyMs = await measure(count, () => verifyLicense(license, trust));
const open = { path, file, statusList: null, needs: [] };
const openMs = await measure(count / 10, () => withLicensedKey(services, trust, open, async () => undefined));
console.log(JSON.stringify({ verifyMs, openMs }));
