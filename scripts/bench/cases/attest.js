/** Verifies one piece of evidence COUNT times; prints verifications per second of CPU. */
import { readFileSync } from 'node:fs';
import { readCollateral, readEvidence, verifyEvidence } from '../../../dist/attest/index.js';

const [, , count, at, evidencePath, ...collateralPaths] = process.argv;
const read = (path) => new Uint8Array(readFileSync(path));
const [bytes, files] = [read(evidencePath), collateralPaths.map(read)];
const nowMs = Date.parse(at);
const verify = () => verifyEvidence(readEvidence(bytes, readCollateral(files)), { nowMs });
verify();
const before = process.cpuUsage();
for (let left = Number(count); left > 0; left -= 1) verify();
const { user, system } = process.cpuUsage(before);
console.log(JSON.stringify({ perSecond: Number(count) / ((user + system) / 1e6) }));
