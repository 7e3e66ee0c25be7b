/** What a guest tells of its keys: before the model has one, and of every refusal. */
import { expect, test } from 'vitest';
import { BrokerError } from '../core/errors.ts';
import type { SealedRunner, SealedSession } from '../seal/ports.ts';
import { withRecord } from './guest.ts';

const session = { runtime: { id: 'r', version: '1' } } as SealedSession;
const asked = { sealedPath: '/m.seal', dek: new Uint8Array(32) };

function makeRunner(events: string[]): SealedRunner {
  return {
    load: () => {
      events.push('loaded');
      return Promise.resolve(session);
    },
  };
}

test('a release is recorded before the model gets its key, a refusal by its code, and what is not recorded gives no model', async () => {
  const events: string[] = [];
  const record = (outcome: string): Promise<void> => {
    events.push(outcome);
    return Promise.resolve();
  };
  expect(await withRecord(makeRunner(events), record, (by) => by.load(asked))).toBe(session);
  const refuse = () => Promise.reject(new BrokerError('BROKER_UNREACHABLE'));
  await expect(withRecord(makeRunner(events), record, refuse)).rejects.toMatchObject({ code: 'BROKER_UNREACHABLE' });
  const full = () => Promise.reject(new TypeError('disk'));
  const failed = { code: 'RECORD_FAILED' };
  await expect(withRecord(makeRunner(events), full, (by) => by.load(asked))).rejects.toMatchObject(failed);
  await expect(withRecord(makeRunner(events), full, refuse)).rejects.toMatchObject(failed);
  expect(events).toEqual(['RELEASED', 'loaded', 'BROKER_UNREACHABLE']);
});
