/** Compares two models by lineage. Usage: lineage-big.js ORIGINAL SUSPECT */
import { openModelPath } from '../../../dist/formats/index.js';
import { compareLineage } from '../../../dist/lineage/index.js';

const [original, suspect] = process.argv.slice(2).map((path) => openModelPath(path));
const started = process.cpuUsage();
const { verdict, fit } = compareLineage({ suspect, originals: [original] });
const { user, system } = process.cpuUsage(started);
console.log(JSON.stringify({ cpuSeconds: (user + system) / 1e6, verdict, cosine: fit.cosines[0] }));
