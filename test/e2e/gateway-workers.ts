/** The processes of a gateway that has several, as Linux tells of them. */
import { existsSync, readFileSync } from 'node:fs';
import type { Serving } from './serving.ts';

/** What a file of /proc holds; '' when its process has gone. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Pids of the processes that answer: children of the first one that are of our entry. */
export function listWorkers({ child }: Pick<Serving, 'child'>): readonly number[] {
  const pids = read(`/proc/${child.pid}/task/${child.pid}/children`).trim().split(' ').map(Number);
  return pids.filter((pid) => read(`/proc/${pid}/cmdline`).includes('gateway-worker'));
}

export const isAlive = (pid: number): boolean =>
  existsSync(`/proc/${pid}/task`) && !['', 'Z'].includes(/\) (\w)/.exec(read(`/proc/${pid}/stat`))?.[1] ?? '');
