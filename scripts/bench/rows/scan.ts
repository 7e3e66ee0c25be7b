/** Backdoors that are written into graphs: how many the scan finds, and which honest models it alarms on. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { toBenignGraphs } from '../../../test/attacks/backdoors/benign.ts';
import { FIRST_FAMILIES } from '../../../test/attacks/backdoors/families.ts';
import { readCorpusModels, readHosts, readModels } from '../../../test/attacks/backdoors/hosts.ts';
import { LAST_FAMILIES } from '../../../test/attacks/backdoors/last-families.ts';
import { readOutput, runCase } from '../samples.ts';
import type { BenchRow, BenchSample } from '../types.ts';

const FAMILIES = [...FIRST_FAMILIES, ...LAST_FAMILIES];
const FOUND_MIN = 0.95;
const ALARMED_MAX = 0.1;
const [FAMILIES_MIN, HOSTS_MIN, HONEST_MIN] = [12, 15, 40];

/** "family--host.onnx" for backdoored models, "honest--name" for the others. */
function writeModels(folder: string): { hosts: number; honest: number } {
  const hosts = readHosts();
  hosts.forEach((host, index) => {
    for (const { id, make } of FAMILIES) writeFileSync(join(folder, `${id}--${host.name}.onnx`), make(host, index));
  });
  const graphs = toBenignGraphs().map(({ name, bytes }) => ({ name: `${name}.onnx`, bytes }));
  const honest = [...readModels(), ...graphs, ...readCorpusModels('light'), ...readCorpusModels('pytorch-converted')];
  for (const { name, bytes } of honest) writeFileSync(join(folder, `honest--${name}`), bytes);
  return { hosts: hosts.length, honest: honest.length };
}

function readAlarmed(sample: BenchSample): string[] {
  const list = sample.output?.alarmed;
  return Array.isArray(list) ? list.map(String) : [];
}

export const rows: readonly BenchRow[] = [
  {
    id: 'scan-backdoors',
    title:
      'backdoors found in graphs, family by family (the last four were written after the rules were frozen), and honest models alarmed "high"',
    bar: '>= 12 families x >= 15 hosts: >= 95 % found, <= 10 % of >= 40 named honest models alarmed',
    diskBytes: 300e6,
    prepare: (folder) => {
      const { hosts, honest } = writeModels(folder);
      return Promise.resolve({
        ours: runCase('scan-backdoors.js', [folder]),
        yardstick: null,
        pairs: 1,
        judge: ({ ours: [sample] }) => {
          const alarmed = readAlarmed(sample);
          const counts = FAMILIES.map(({ id }) => alarmed.filter((name) => name.startsWith(`${id}--`)).length);
          const found = counts.reduce((sum, count) => sum + count, 0);
          const wrong = alarmed.filter((name) => name.startsWith('honest--')).map((name) => name.slice(8));
          const table = FAMILIES.map(({ id }, index) => `${id} ${counts[index]}/${hosts}`).join(', ');
          const names = wrong.length === 0 ? 'none' : wrong.join(', ');
          const seconds = readOutput(sample, 'cpuSeconds').toFixed(0);
          const isMet =
            FAMILIES.length >= FAMILIES_MIN &&
            hosts >= HOSTS_MIN &&
            honest >= HONEST_MIN &&
            found >= FOUND_MIN * FAMILIES.length * hosts &&
            wrong.length <= ALARMED_MAX * honest;
          return {
            figure: `${found}/${FAMILIES.length * hosts} found: ${table}; ${wrong.length}/${honest} honest alarmed: ${names}; ${seconds} CPU s`,
            met: isMet,
          };
        },
      });
    },
  },
];
