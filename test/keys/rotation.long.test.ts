/** Ten thousand envelopes, a rotation that is killed at many moments, and none lost. */
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { KeyStatus, RotateResult } from '../../src/workflows/index.ts';
import { createWorkplace, samples, type Workplace } from '../e2e/command.ts';
import { countReplaced, expectAllOn, runAndKill, writeEnvelopes } from './many.ts';

const COUNT = 10_000;
const KILLS = 8;

let place: Workplace;
beforeAll(async () => {
  place = createWorkplace();
  cpSync(join(samples, 'mlp.onnx'), join(place.folder, 'mlp.onnx'));
  const { envelope } = place.json<{ envelope: { path: string } }>(['seal', 'mlp.onnx', '--out', 'sealed/mlp.seal']);
  rmSync(envelope.path);
  await writeEnvelopes(place, COUNT);
});
afterAll(() => {
  place.remove();
});

test('10,000 envelopes are rotated though the run is killed again and again; none is lost, none hangs on the old version', async () => {
  const countMoved = countReplaced(place, 50);
  for (let kill = 0; kill < KILLS; kill++) {
    const isTime = (): boolean => countMoved() > (kill * COUNT) / (KILLS + 1);
    expect(await runAndKill(place, ['keys', 'rotate'], isTime, 20)).toBe(true);
  }
  const halfway = place.json<KeyStatus>(['keys', 'status']);
  expect(halfway.versions.map(({ version }) => version)).toEqual(['1', '2']);
  // The envelope that was made by sealing was taken away: the ledger misses it.
  const result = place.json<RotateResult>(['keys', 'rotate', '--disable-old', '--accept-loss']);
  expect(result).toMatchObject({ from: '1', to: '2', isResumed: true, remaining: {}, faults: [], disabled: ['1'] });
  expect(result.rewrapped).toBe(halfway.versions[0].wrappedKeys);
  await expectAllOn(place, COUNT, '2');
  expect(place.run(['ledger', 'fsck']).status).toBe(0);
});
