/** Compares two models, the second one with an inserted node. Usage: diff-graph.js BEFORE AFTER */
import { openModelPath } from '../../../dist/formats/index.js';
import { diffModels } from '../../../dist/tamper/index.js';

const [before, after] = process.argv.slice(2).map((path) => openModelPath(path));
const started = process.cpuUsage();
const { graph } = diffModels({ before, after });
const { user, system } = process.cpuUsage(started);
console.log(
  JSON.stringify({
    innerCpuMs: (user + system) / 1000,
    inserted: graph.counts.inserted,
    deleted: graph.counts.deleted,
  }),
);
