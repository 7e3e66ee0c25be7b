/** Kills `protect` with SIGKILL at a chosen moment, and checks what is left: the old state or the new one, never half. */
import { spawn } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { ProtectResult } from '../../src/workflows/index.ts';
import { bin, samples, type Workplace } from './command.ts';

const OUTPUTS = [
  'mlp.baseline.json',
  'mlp.baseline.sig',
  'mlp.commitment.json',
  'mlp.marked.onnx',
  'mlp.report.html',
  'mlp.report.public.html',
  'mlp.seal',
];
const args = (place: Workplace): string[] => [
  ...['protect', join(samples, 'mlp.onnx'), '--eval', join(samples, 'eval.npz')],
  ...['--out', join(place.folder, 'out')],
];

async function killAfter(place: Workplace, delayMs: number): Promise<'killed' | 'ended'> {
  const child = spawn(process.execPath, [bin, ...args(place)], {
    cwd: place.folder,
    stdio: 'ignore',
    env: { ...process.env, MODELWARD_HOME: place.home },
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), delayMs);
  const signal = await new Promise<string | null>((resolve) =>
    child.on('exit', (_code, by) => {
      resolve(by);
    }),
  );
  clearTimeout(timer);
  return signal === 'SIGKILL' ? 'killed' : 'ended';
}

/** Moments spread over the time that one undisturbed run takes here, now; that run is made first, and removed. */
export async function chooseDelaysMs(place: Workplace, rounds: number): Promise<number[]> {
  const startedMs = performance.now();
  await killAfter(place, 600_000);
  const durationMs = performance.now() - startedMs;
  rmSync(join(place.folder, 'out'), { recursive: true });
  return Array.from({ length: rounds }, (_, round) => ((round + 0.5) / rounds) * durationMs);
}

/** One round per delay; after each, the output is absent or complete, and the ledger is whole. Returns kills that hit. */
export async function runKills(place: Workplace, delaysMs: readonly number[]): Promise<number> {
  let kills = 0;
  for (const delayMs of delaysMs) {
    if ((await killAfter(place, delayMs)) === 'killed') kills += 1;
    const left = readdirSync(place.folder).filter((name) => name === 'out');
    if (left.length > 0) {
      expect(readdirSync(join(place.folder, 'out')).sort()).toEqual(OUTPUTS);
      expect(place.json(['verify', 'out/mlp.marked.onnx'])).toMatchObject({ verdict: 'unchanged' });
      rmSync(join(place.folder, 'out'), { recursive: true });
    }
    if (readdirSync(place.folder).includes('home') && readdirSync(place.home).includes('ledger')) {
      const fsck = place.run(['ledger', 'fsck', '--json', '--quiet']);
      // 6: killed before the ledger existed. An unfinished batch is no finding: it is completed first.
      expect([0, 6], fsck.stdout).toContain(fsck.status);
    }
  }
  return kills;
}

/** A run that nobody kills succeeds in the same place, and leaves nothing of the dead ones behind. */
export function expectClean(place: Workplace): void {
  const result = place.json<ProtectResult>(args(place));
  expect(result.mark?.bits).toBe(256);
  expect(readdirSync(place.folder).sort()).toEqual(['home', 'out']);
  expect(place.json(['detect', 'out/mlp.marked.onnx'])).toMatchObject({ verdict: 'claim' });
  expect(place.json(['ledger', 'fsck'])).toMatchObject({ findings: [] });
}
