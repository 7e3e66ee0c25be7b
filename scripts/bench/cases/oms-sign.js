/** Signs a folder as OpenSSF Model Signing v1.0 has it, and verifies it. Usage: oms-sign.js FOLDER */
import { createP256Pkcs8, p256Signer } from '../../../dist/sign/index.js';
import {
  compareContent,
  decodeSignatureStatement,
  encodeSignatureStatement,
  hashFiles,
  openModelFiles,
  signStatement,
  verifyStatement,
} from '../../../dist/model-signing/index.js';

const [path] = process.argv.slice(2);
const how = { hashType: 'sha256', shardBytes: null, allowSymlinks: false, ignorePaths: ['model.sig'] };
const files = () => openModelFiles({ path, isFolder: true, ...how });
const signer = p256Signer(createP256Pkcs8());

/** CPU time of `work`, milliseconds. */
async function timed(work) {
  const before = process.cpuUsage();
  const result = await work();
  const { user, system } = process.cpuUsage(before);
  return { result, cpuMs: (user + system) / 1000 };
}

const signed = await timed(() => {
  const resources = hashFiles(files(), how);
  const payload = encodeSignatureStatement({ modelName: 'model', resources, serialization: how });
  return signStatement(payload, { signer, certificates: [], stamp: null });
});
const verified = await timed(() => {
  const { payload } = verifyStatement(signed.result, { kind: 'key', publicKeyPem: signer.publicKeyPem });
  const manifest = decodeSignatureStatement(payload);
  return compareContent(manifest, hashFiles(files(), manifest.serialization));
});
console.log(JSON.stringify({ signMs: signed.cpuMs, verifyMs: verified.cpuMs, verdict: verified.result.verdict }));
