/** Compares two models tensor by tensor. Usage: diff-big.js BEFORE AFTER */
import { openModelPath } from '../../../dist/formats/index.js';
import { diffModels } from '../../../dist/tamper/index.js';

const [before, after] = process.argv.slice(2).map((path) => openModelPath(path));
const started = process.cpuUsage();
const { classes, tensors } = diffModels({ before, after });
const { user, system } = process.cpuUsage(started);
console.log(
  JSON.stringify({ cpuSeconds: (user + system) / 1e6, fineTuned: classes['fine-tuned'], changed: tensors.length }),
);
