/** Cost of a licence on the device, and of an answer on the server. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeServerIdentity } from '../../../test/broker/tls.ts';
import { createPostgres } from '../../../test/postgres.ts';
import { readOutput, runCase, toMedian } from '../samples.ts';
import { testsRow } from '../tests-row.ts';
import type { BenchMeasure, BenchRow, BenchSample, BenchVerdict } from '../types.ts';

const VERIFY_MS_MAX = 1;
const OPEN_MS_MAX = 50;

const REQUESTS = 2000;
const SERVER_PER_CPU_SECOND_MIN = 200;

/** Certificate, key and authority of a server on this machine, as files. */
function writeTls(folder: string): void {
  const { certificatePem, privateKeyPem, caPem } = makeServerIdentity();
  writeFileSync(join(folder, 'server.pem'), certificatePem);
  writeFileSync(join(folder, 'server.key'), privateKeyPem, { mode: 0o600 });
  writeFileSync(join(folder, 'ca.pem'), caPem);
}

function judgeServer({ ours, yardstick }: BenchMeasure): BenchVerdict {
  const figure = (samples: readonly BenchSample[], name: string): number =>
    toMedian(samples.map((sample) => readOutput(sample, name)));
  const perCpuSecond = figure(ours, 'perCpuSecond');
  const [wall, bare] = [figure(ours, 'perSecond'), figure(yardstick, 'perCpuSecond')];
  const words = [
    `${perCpuSecond.toFixed(0)} a second and core`,
    `${wall.toFixed(0)} by the wall`,
    `${bare.toFixed(0)} bare`,
  ];
  return { figure: words.join(', '), met: perCpuSecond >= SERVER_PER_CPU_SECOND_MIN };
}

function serverRow(mode: 'sqlite' | 'postgres', register: string): BenchRow {
  return {
    id: `license-server-${mode}`,
    title: `a licence server with its register in ${register}: leases over TLS 1.3, each counted, recorded and signed; the same server with a handler that does nothing`,
    bar: `>= ${SERVER_PER_CPU_SECOND_MIN} requests a second and core`,
    diskBytes: 64 * 2 ** 20,
    findObstacle: () =>
      mode === 'postgres' && !existsSync('/usr/lib/postgresql') ? 'PostgreSQL is not installed' : null,
    prepare: async (folder) => {
      writeTls(folder);
      const addressPath = join(folder, 'register.url');
      if (mode === 'postgres') {
        const server = await createPostgres();
        writeFileSync(addressPath, server.url(), { mode: 0o600 });
        process.once('exit', () => {
          server.remove();
        });
      }
      const run = (of: string) => runCase('license-server.js', [of, String(REQUESTS), folder, folder, addressPath]);
      return { ours: run(mode), yardstick: run('bare'), pairs: 2, judge: judgeServer };
    },
  };
}

const outcomes = testsRow({
  id: 'license-outcomes',
  title:
    'every outcome of a licence; forged, alg=none, swapped algorithm, other audience, replayed answer, copied licence, clock set back with and without its record, expired grace, revoked, k-1 of n parts; and attacks on the server',
  bar: '>= 40 outcomes, each with a code of its own; every attack refused with its code',
  files: () =>
    ['outcomes', 'standing', 'conversation', 'attacks', 'certified', 'chip-clock'].map(
      (name) => `test/license/${name}.test.ts`,
    ),
});

export const rows: readonly BenchRow[] = [
  outcomes,
  serverRow('sqlite', 'a file'),
  serverRow('postgres', 'PostgreSQL'),
  {
    id: 'license',
    title:
      "a licence on a device whose key is a file: signature and claims alone; and everything up to the key of the model, with the use made durable in the device's ledger before the key is handed out",
    bar: `<= ${VERIFY_MS_MAX} ms to verify, <= ${OPEN_MS_MAX} ms to the key, of CPU`,
    diskBytes: 100_000,
    prepare: (folder) =>
      Promise.resolve({
        ours: runCase('license.js', ['2000', folder]),
        yardstick: null,
        pairs: 3,
        judge: ({ ours }) => {
          const [verifyMs, openMs] = ['verifyMs', 'openMs'].map((name) =>
            toMedian(ours.map((sample) => readOutput(sample, name))),
          );
          return {
            figure: `${verifyMs.toFixed(2)} ms to verify, ${openMs.toFixed(1)} ms to the key`,
            met: verifyMs <= VERIFY_MS_MAX && openMs <= OPEN_MS_MAX,
          };
        },
      }),
  },
];
