/** What needs no network opens none. */
import { testsRow } from '../tests-row.ts';
import type { BenchRow } from '../types.ts';

export const rows: readonly BenchRow[] = [
  testsRow({
    id: 'zero-network',
    title:
      'commands from sealing to a licence in its grace, evidence with its collateral at hand and the ledger, in a network namespace without a device and under strace',
    bar: 'each does its work; 0 connections, 0 files outside of output and home',
    files: () => ['test/e2e/isolation.test.ts'],
  }),
];
