import { expect, test } from 'vitest';
import { BROKER_LIMITS } from '../core/limits/broker.ts';
import { systemRandom } from '../adapters/system/index.ts';
import { createSessionTable } from './sessions.ts';

const LIFE_MS = BROKER_LIMITS.sessionLifeMs;

test('a session ends with its own time, also when the clock was set back in between', () => {
  let nowMs = 10 * LIFE_MS;
  const table = createSessionTable({ clock: { nowMs: () => nowMs }, random: systemRandom });
  const first = table.open('snp', '192.0.2.1');
  nowMs -= 2 * LIFE_MS;
  const second = table.open('snp', '192.0.2.2');
  expect(table.find(second.id)).toBe(second);
  nowMs = second.expiresAtMs;
  expect(() => table.find(second.id)).toThrow(expect.objectContaining({ code: 'BROKER_SESSION_UNKNOWN' }));
  expect(() => table.findByName(second.name)).toThrow(expect.objectContaining({ code: 'BROKER_SESSION_UNKNOWN' }));
  expect(table.find(first.id)).toBe(first);
});
