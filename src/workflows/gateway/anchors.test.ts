import { expect, test } from 'vitest';
import { createLogAnchor, endLogAnchor } from './anchors.ts';

const toRecorder = (written: unknown[], fail: () => boolean) => ({
  actor: 'gateway',
  record: (entries: readonly { readonly subject: string }[]) => {
    if (fail()) return Promise.reject(new Error('locked'));
    written.push(...entries.map(({ subject }) => subject));
    return Promise.resolve({ size: written.length, leaves: [] } as never);
  },
});

test('checkpoints that the ledger does not take at the end are left to the next process, and no others', async () => {
  const [written, left]: string[][] = [[], []];
  let isLocked = false;
  const anchor = createLogAnchor(toRecorder(written, () => isLocked));
  const leave = (streams: readonly string[]): Promise<void> => {
    left.push(...streams);
    return Promise.resolve();
  };
  anchor.note({ stream: 'a', seq: 0, hash: '00' });
  await anchor.flush();
  isLocked = true;
  anchor.note({ stream: 'b', seq: 0, hash: '01' });
  await expect(endLogAnchor(anchor, leave)).rejects.toThrow('locked');
  expect([written, left]).toEqual([['a'], ['b']]);
  isLocked = false;
  await endLogAnchor(anchor, leave);
  expect([written, left]).toEqual([['a', 'b'], ['b']]);
});
