/** `formats-index.js PATH`: opens a model, and prints how long the index took inside this process. */
import { performance } from 'node:perf_hooks';
import { openModelPath } from '../../../dist/formats/index.js';

const cpu = process.cpuUsage();
const start = performance.now();
const model = openModelPath(process.argv[2]);
const indexMs = performance.now() - start;
const used = process.cpuUsage(cpu);
const bytes = model.files.reduce((sum, { source }) => sum + source.size, 0);
console.log(
  JSON.stringify({ indexMs, indexCpuMs: (used.user + used.system) / 1000, tensors: model.tensors.length, bytes }),
);
model.close();
