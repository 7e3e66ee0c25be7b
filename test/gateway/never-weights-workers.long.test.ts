/** The walk of never-weights once more, through a gateway of several processes. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { setting } from './never-weights-setting.ts';

setting.workers = 2;

// Before the walk, whose last test ends the gateway.
test.skipIf(process.platform !== 'linux')('all of the walk goes through a gateway of two workers', () => {
  const pid = String(walk.gatewayProcess().pid!);
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
  expect(children).toHaveLength(setting.workers);
});

const walk = await import('./never-weights.test.ts');
