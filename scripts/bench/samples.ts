/** What bench rows share: how a case of ours is started, and how figures are read from samples. */
import { join } from 'node:path';
import type { BenchCommand, BenchSample } from './types.ts';

const cases = join(import.meta.dirname, 'cases');

/** A script of `cases/` as a command of ours. */
export function runCase(script: string, args: readonly string[], before?: () => void): BenchCommand {
  const command = { command: process.execPath, args: [join(cases, script), ...args] };
  return before === undefined ? command : { ...command, before };
}

/** A script of `cases/` that imports sources and tests: where rightness is judged, not speed. */
export function runSource(script: string, args: readonly string[]): BenchCommand {
  return { command: process.execPath, args: ['--import', 'tsx', join(cases, script), ...args] };
}

/** The upper median; NaN of nothing. */
export function toMedian(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b).at(Math.floor(values.length / 2)) ?? NaN;
}

/** A number that a case printed; NaN when it did not. */
export function readOutput(sample: BenchSample, name: string): number {
  const value = sample.output?.[name];
  return typeof value === 'number' ? value : NaN;
}
