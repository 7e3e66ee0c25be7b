/** Scans one model, weights included. Usage: scan-big.js MODEL */
import { openModelPath } from '../../../dist/formats/index.js';
import { scanModel } from '../../../dist/tamper/index.js';

const model = openModelPath(process.argv[2]);
const started = process.cpuUsage();
const { findings, scanned, notScanned } = scanModel({ kind: 'model', model });
const { user, system } = process.cpuUsage(started);
const weights = scanned.find(({ part }) => part === 'weights');
console.log(
  JSON.stringify({
    ...{ cpuSeconds: (user + system) / 1e6, findings: findings.length, weights: weights?.detail },
    notScanned: notScanned.length,
  }),
);
