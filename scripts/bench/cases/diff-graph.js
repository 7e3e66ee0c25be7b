/** Compares two models, the second one with an inserted node. Usage: diff-graph.js BEFORE AFTER */
import { openModelPath } from '../../../dist/formats/index.js';
import { diffModels } from '../../../dist/tamper/index.js';

const [before, after] = process.argv.slice(2).map((path) => openModelPath(path));
const startedMs = performance.now();
const { graph } = diffModels({ before, after });
const innerMs = performance.now() - startedMs;
console.log(JSON.stringify({ innerMs, inserted: graph.counts.inserted, deleted: graph.counts.deleted }));
