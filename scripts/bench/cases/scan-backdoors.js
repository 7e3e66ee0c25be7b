/** Scans every model of a folder and prints which ones are alarmed "high": { alarmed: [name, …] }. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { openModelPath } from '../../../dist/formats/index.js';
import { openFileSource } from '../../../dist/source/index.js';
import { scanModel } from '../../../dist/tamper/index.js';

const [folder] = process.argv.slice(2);

function scan(name) {
  const path = join(folder, name);
  let model;
  try {
    model = openModelPath(path);
  } catch (error) {
    if (error.code === undefined) throw error;
    const source = openFileSource(path);
    const report = scanModel({ kind: 'refused', name, source, error });
    source.close();
    return report;
  }
  const report = scanModel({ kind: 'model', model });
  model.close();
  return report;
}

const start = process.cpuUsage();
const names = readdirSync(folder).filter((name) => !name.endsWith('.json'));
const alarmed = names.filter((name) => scan(name).findings.some(({ severity }) => severity === 'high'));
const { user, system } = process.cpuUsage(start);
process.stdout.write(`${JSON.stringify({ alarmed, scanned: names.length, cpuSeconds: (user + system) / 1e6 })}\n`);
