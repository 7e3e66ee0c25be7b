/** Bars that tests hold, as rows: all tests of some files pass, and none is skipped. */
import { resolve } from 'node:path';
import { hasSharedData } from '../../test/shared-data.ts';
import { readOutput, runCase } from './samples.ts';
import type { BenchRow, BenchSample } from './types.ts';

export const root = resolve(import.meta.dirname, '../..');

export const findDataObstacle = (): string | null => (hasSharedData ? null : 'needs ../shared/data');

interface TestsRow {
  readonly id: string;
  readonly title: string;
  readonly bar: string;
  /** Test files, from the root. */
  readonly files: () => readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly findObstacle?: () => string | null;
}

/** What `npm run test:long` sets: more cases, more kills, all sizes. */
export const LONG = { MODELWARD_LONG: '1' };

export function testsRow({ id, title, bar, files, env = {}, findObstacle }: TestsRow): BenchRow {
  return {
    id,
    title,
    bar,
    diskBytes: 0,
    findObstacle: () => findObstacle?.() ?? findDataObstacle(),
    prepare: () => {
      return Promise.resolve({
        ours: { ...runCase('run-tests.js', [root, ...files()]), env },
        yardstick: null,
        pairs: 1,
        judge: ({ ours: [sample] }) => judgeTests(sample),
      });
    },
  };
}

function judgeTests(sample: BenchSample): { figure: string; met: boolean } {
  const [passed, total] = [readOutput(sample, 'passed'), readOutput(sample, 'total')];
  return { figure: `${passed} of ${total} tests pass`, met: passed === total && total > 0 };
}
