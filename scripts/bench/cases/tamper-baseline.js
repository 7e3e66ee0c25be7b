/** Makes the baseline of a model whose plain SHA-256 is known. Usage: tamper-baseline.js MODEL SHA256 BASELINE KEY */
import { writeFileSync } from 'node:fs';
import { openModelPath } from '../../../dist/formats/index.js';
import { createP256Pkcs8, p256Signer } from '../../../dist/sign/index.js';
import { createBaseline } from '../../../dist/tamper/index.js';

const [modelPath, sha256, baselinePath, keyPath] = process.argv.slice(2);
const signer = p256Signer(createP256Pkcs8());
const startedMs = performance.now();
const model = openModelPath(modelPath);
const { envelope, baseline } = await createBaseline({ model, signer, fileSha256: [sha256] });
model.close();
writeFileSync(baselinePath, envelope);
writeFileSync(keyPath, signer.publicKeyPem);
console.log(JSON.stringify({ rawRoot: baseline.rawRoot, innerMs: performance.now() - startedMs }));
