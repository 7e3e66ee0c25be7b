/** Verifies a model against its baseline. Usage: tamper-verify.js MODEL BASELINE PUBLIC_KEY */
import { readFileSync } from 'node:fs';
import { openModelPath } from '../../../dist/formats/index.js';
import { verifyBaseline } from '../../../dist/tamper/index.js';

const [modelPath, baselinePath, keyPath] = process.argv.slice(2);
const startedMs = performance.now();
const model = openModelPath(modelPath);
const { verdict, changesTotal } = verifyBaseline({
  suspect: { kind: 'model', model },
  envelope: readFileSync(baselinePath),
  publicKeyPem: readFileSync(keyPath, 'utf8'),
});
model.close();
console.log(JSON.stringify({ verdict, changesTotal, innerMs: performance.now() - startedMs }));
