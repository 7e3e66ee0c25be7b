/** Speed of verifying evidence, all signatures and chains each time; real evidence, judged at its own time. */
import { existsSync } from 'node:fs';
import { sharedData } from '../../../test/shared-data.ts';
import { readOutput, runCase, toMedian } from '../samples.ts';
import { testsRow } from '../tests-row.ts';
import type { BenchMeasure, BenchRow } from '../types.ts';

interface AttestRow {
  readonly id: string;
  readonly what: string;
  readonly at: string;
  readonly barPerSecond: number;
  /** Evidence, then collateral. */
  readonly files: readonly (readonly string[])[];
  readonly hasYardstick: boolean;
}

function judge({ ours, yardstick }: BenchMeasure, barPerSecond: number): { figure: string; met: boolean } {
  const perSecond = toMedian(ours.map((sample) => readOutput(sample, 'perSecond')));
  const other = toMedian(yardstick.map((sample) => readOutput(sample, 'perSecond')));
  const words = yardstick.length === 0 ? '' : `; @phala/dcap-qvl ${other.toFixed(0)}`;
  return { figure: `${perSecond.toFixed(0)} a second of CPU${words}`, met: perSecond >= barPerSecond };
}

function toRow({ id, what, at, barPerSecond, files, hasYardstick }: AttestRow): BenchRow {
  const paths = files.map((parts) => sharedData('attestation', ...parts));
  const args = ['400', at, ...paths];
  return {
    id,
    title: `verify ${what}: parsing, every signature and chain, nothing kept between calls`,
    bar: `>= ${barPerSecond} a second on one core`,
    diskBytes: 0,
    findObstacle: () => (existsSync(paths[0]) ? null : 'needs ../shared/data'),
    prepare: () =>
      Promise.resolve({
        ours: runCase('attest.js', args),
        yardstick: hasYardstick ? runCase('attest-yardstick.js', ['100', at, ...paths]) : null,
        pairs: 4,
        judge: (measure) => judge(measure, barPerSecond),
      }),
  };
}

const dcap = (kind: 'sgx' | 'tdx') => ({
  id: `attest-${kind}`,
  at: '2025-06-30T00:00:00Z',
  barPerSecond: 100,
  files: [
    ['dcap', 'dcap-qvl', `${kind}_quote`],
    ['dcap', 'dcap-qvl', `${kind}_quote_collateral.json`],
  ],
  hasYardstick: true,
});

const verdicts = testsRow({
  id: 'attest-verdicts',
  title:
    '13 pieces of real evidence, each at its own time; negatives by name; a bit flipped in every signed byte; 10,000 damaged quotes and 36 made ones judged by @phala/dcap-qvl, too; nonces',
  bar: 'all authentic, policy refuses where it should; every negative its code; the same verdict as the other one, differences explained, never the milder one',
  files: () => [
    ...[
      'vectors',
      'nonces',
      'snp/verify',
      'dcap/verify',
      'dcap/refused',
      'nitro/verify',
      'tpm/verify',
      'policy/snp',
      'policy/dcap',
      'policy/validate',
    ].map((name) => `src/attest/${name}.test.ts`),
    'test/oracle/attest.dcap.test.ts',
  ],
  env: { SLOW: '1' },
});

export const rows: readonly BenchRow[] = [
  verdicts,
  toRow({
    id: 'attest-snp',
    what: 'a SEV-SNP report with its VCEK',
    at: '2024-01-01T00:00:00Z',
    barPerSecond: 200,
    files: [
      ['snp', 'trustee', 'test-report.bin'],
      ['snp', 'trustee', 'test-vcek.der'],
    ],
    hasYardstick: false,
  }),
  toRow({ ...dcap('sgx'), what: 'an SGX quote (v3) with its collateral, TCB status included' }),
  toRow({ ...dcap('tdx'), what: 'a TDX quote (v4) with its collateral, TCB status included' }),
];
