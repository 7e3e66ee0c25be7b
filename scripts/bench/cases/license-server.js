/**
 * A licence server under load: DEVICES devices of one pool ask for their seats and renew them, COUNT requests over
 * CONNECTIONS lines of TLS 1.3, from a process of their own. Prints requests a second of the server's own CPU and of the
 * wall. MODE: sqlite, postgres (its address in the file ADDRESS) or bare, which is the same server with a handler that
 * answers with as many bytes and does nothing.
 */
import { fork } from 'node:child_process';
import { generateKeyPairSync, randomFillSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openDatabase, parseDatabaseAddress } from '../../../dist/adapters/database/index.js';
import { openHttpsServer } from '../../../dist/adapters/https-server/index.js';
import { LICENSE_AREA, openSqlStore } from '../../../dist/adapters/license-store/index.js';
import { composeServices } from '../../../dist/cli/compose.js';
import { createCleanups } from '../../../dist/cli/ui/interrupt.js';
import { silentProgress } from '../../../dist/core/ports.js';
import {
  drawNonce,
  encodeLicenseFile,
  encryptKeyDocument,
  openAgreementKey,
  signLicense,
  signRequest,
  toDekDigest,
  toThumbprint,
} from '../../../dist/license/index.js';
import { createLicenseHandler, openVendor } from '../../../dist/workflows/license/index.js';
import { openSession } from '../../../dist/workflows/session.js';

const [, , mode, countText, parent, tlsFolder, addressPath] = process.argv;
const [count, devices, connections] = [Number(countText), 64, 64];
const random = { fill: (into) => randomFillSync(into) };
const folder = mkdtempSync(join(parent, 'server-'));
const services = composeServices({
  ...{ home: join(folder, 'home'), progress: silentProgress, cleanups: createCleanups() },
});
const session = openSession(services);
const vendor = openVendor(session.owner);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function openStore() {
  mkdirSync(join(folder, 'register'));
  const text = mode === 'postgres' ? readFileSync(addressPath, 'utf8') : `sqlite:${join(folder, 'register/a.db')}`;
  const address = parseDatabaseAddress(text, { isPasswordAllowed: true, toAbsolute: (path) => path });
  return openSqlStore(await openDatabase({ address, area: LICENSE_AREA, pause, passfile: null }));
}

/** One licence with a seat in the pool, and the key of its device. */
async function issue(store, nowSec) {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const key = openAgreementKey(privateKey.export({ type: 'pkcs8', format: 'der' }));
  const dek = randomFillSync(new Uint8Array(32));
  const jkt = toThumbprint(key.publicKey);
  // A name of its own in every run: the database of a server stays.
  const name = `B${drawNonce(random)}`;
  const index = await store.transact((transaction) => transaction.nextIndex());
  const license = await signLicense(vendor.signer, {
    ...{ aud: 'modelward', sub: 'bench', jti: name, seq: 1, iat: nowSec, nbf: nowSec, exp: nowSec + 86_400 },
    ...{ cnf: { jkt }, seal: { id: '018f0000-0000-7000-8000-000000000000', sha256: 'A'.repeat(43) }, ent: [] },
    off: { checkSec: null, graceSec: 0, lateSec: 0, maxSkewSec: 300, leaseSec: 600 },
    pool: { id: 'bench', seats: 100_000 },
    ...{ asr: 'software', agr: vendor.agreement.publicKey, dek_sha256: toDekDigest(dek) },
  });
  const keyDocument = encryptKeyDocument({ dek, recipient: key.publicKey, license, random });
  const issued = {
    ...{ name, seq: 1, jkt, jwk: key.publicKey, sealId: '018f0000-0000-7000-8000-000000000000', licensee: 'bench' },
    ...{
      index,
      standing: 'valid',
      pool: { id: 'bench', seats: 100_000 },
      issuedSec: nowSec,
      expiresSec: nowSec + 86_400,
    },
    file: new TextDecoder().decode(encodeLicenseFile({ license, keyDocument })),
  };
  await store.transact((transaction) => transaction.saveLicense(issued));
  return { key, name };
}

const store = await openStore();
const nowSec = Math.floor(Date.now() / 1000);
const made = [];
for (let left = devices; left > 0; left -= 1) made.push(await issue(store, nowSec));
const requests = [];
for (let at = 0; at < count; at += 1) {
  const { key, name } = made[at % devices];
  const request = {
    aud: vendor.signer.issuer,
    act: 'lease',
    lic: name,
    iat: nowSec,
    jti: drawNonce(random),
    file: false,
  };
  requests.push(await signRequest(key, vendor.agreement.publicKey, request));
}
const requestsPath = join(folder, 'requests.txt');
writeFileSync(requestsPath, requests.join('\n'));

let failures = 0;
const onTrouble = () => {
  failures += 1;
};
const answering = { services, recorder: session.recorder, vendor, store, statusUri: null, makers: null, onTrouble };
const body = new Uint8Array(600).fill(0x41);
const bare = () => Promise.resolve({ status: 200, headers: { 'content-type': 'application/jwt' }, body });
const server = await openHttpsServer({
  ...{ host: '127.0.0.1', port: 0, handler: mode === 'bare' ? bare : createLicenseHandler(answering), onTrouble },
  certificatePem: readFileSync(join(tlsFolder, 'server.pem')),
  privateKeyPem: readFileSync(join(tlsFolder, 'server.key')),
  limits: {
    ...{ bodyBytesMax: 32_768, headerBytesMax: 8192, connectionsMax: 512 },
    // Longer than a product's: on a busy machine no line may end while 64 of them begin.
    ...{ headersTimeoutMs: 120_000, requestTimeoutMs: 120_000, idleTimeoutMs: 120_000 },
  },
});
const client = fork(join(import.meta.dirname, 'license-client.js'), [
  ...[String(server.port), join(tlsFolder, 'ca.pem'), requestsPath, String(connections)],
]);
const ready = new Promise((done) => client.once('message', done));
await ready;
const before = process.cpuUsage();
const began = performance.now();
client.send('go');
const [bad, cause] = await new Promise((done) => client.once('message', done));
const wallSec = (performance.now() - began) / 1000;
const { user, system } = process.cpuUsage(before);
if (bad > 0 || failures > 0) throw new TypeError(`${bad} requests got no answer (${cause}), ${failures} failed`);
client.kill();
await server.close();
await store.close();
session.close();
console.log(JSON.stringify({ perCpuSecond: count / ((user + system) / 1e6), perSecond: count / wallSec }));
