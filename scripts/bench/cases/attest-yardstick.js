/** As attest.js, with @phala/dcap-qvl. */
import { readFileSync } from 'node:fs';
import dcapQvl from '@phala/dcap-qvl';

const [, , count, at, quotePath, collateralPath] = process.argv;
const quote = readFileSync(quotePath);
const text = readFileSync(collateralPath, 'utf8');
const nowSeconds = Date.parse(at) / 1000;
const verify = () => dcapQvl.verify(quote, JSON.parse(text), nowSeconds);
verify();
const before = process.cpuUsage();
for (let left = Number(count); left > 0; left -= 1) verify();
const { user, system } = process.cpuUsage(before);
console.log(JSON.stringify({ perSecond: Number(count) / ((user + system) / 1e6) }));
