/** Runs that give copies away at the same time, and runs that died: nobody is lost, and no innocent is named. */
import { copyFileSync, cpSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { composeServices } from '../../cli/compose.ts';
import { createCleanups } from '../../cli/ui/interrupt.ts';
import { SourceError } from '../../core/errors.ts';
import { silentProgress } from '../../core/ports.ts';
import { nodeStorage } from '../../source/index.ts';
import type { RecipientCode } from '../../watermark/recipient/index.ts';
import { detect } from '../detect.ts';
import { listRecipients } from '../recipients/index.ts';
import type { Services } from '../services.ts';
import { openSession, type Session } from '../session.ts';
import { embedModel } from './embed.ts';

const samples = resolve(import.meta.dirname, '../../../samples');
let work: string;
let sessions: Session[];
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'modelward-register-'));
  sessions = [];
});
afterEach(() => {
  for (const session of sessions) session.close();
  rmSync(work, { recursive: true, force: true });
});

const open = (home = 'home'): Services =>
  composeServices({ home: join(work, home), progress: silentProgress, cleanups: createCleanups() });

const give = (services: Services, id: string, code: RecipientCode = 'both', out = id) =>
  embedModel(services, {
    ...{ path: join(samples, 'mlp.onnx'), out: join(work, out), keyUri: null },
    ...{ sealOnly: false, noMark: false, limitPoints: 1, unmeasured: true, force: false, recipient: { id, code } },
  });

const opener = (services: Services) => () => {
  const session = openSession(services);
  sessions.push(session);
  return session;
};
const list = (services: Services) => listRecipients(services, opener(services), {});
const read = (services: Services, id: string) =>
  detect(services, opener(services), { path: join(work, id, 'mlp.marked.onnx') });

/** A home that two runs read before either registers: the second one works on a copy, whose annex then comes back. */
async function race(codes: readonly [RecipientCode, RecipientCode]): Promise<Services> {
  const services = open();
  await give(services, 'first');
  cpSync(join(work, 'home'), join(work, 'other'), { recursive: true });
  await give(services, 'alice', codes[0]);
  await give(open('other'), 'bob', codes[1]);
  for (const name of readdirSync(join(work, 'other/annexes')).filter((file) => file.endsWith('.json'))) {
    copyFileSync(join(work, 'other/annexes', name), join(work, 'home/annexes', name));
  }
  return services;
}

describe('two runs at a time', () => {
  test('have two numbers, or one of them is refused before its copy is there; again, it takes the next', async () => {
    const services = open();
    await give(services, 'first');
    const runs = await Promise.allSettled(['alice', 'bob'].map((id) => give(open(), id)));
    const refused = runs.filter((run) => run.status === 'rejected');
    expect(refused.map(({ reason }) => (reason as { code: string }).code)).toEqual(['RECIPIENT_NUMBER_TAKEN']);
    const [loser] = ['alice', 'bob'].filter((id) => !existsSync(join(work, id)));
    expect((await give(services, loser)).recipient).toMatchObject({ number: 3 });
    expect(list(services)).toMatchObject({
      faults: [],
      recipients: [{ number: 1 }, { number: 2 }, { number: 3, id: loser }],
    });
    expect((await read(services, loser)).recipient).toMatchObject({ verdict: 'claim', number: 3, id: loser });
  });

  test('for one recipient register one copy', async () => {
    const services = open();
    const outs = ['one', 'two'];
    await give(services, 'first');
    const runs = await Promise.allSettled(outs.map((out) => give(open(), 'alice', 'both', out)));
    const refused = runs.filter((run) => run.status === 'rejected');
    expect(refused.map(({ reason }) => (reason as { code: string }).code)).toEqual(['RECIPIENT_NUMBER_TAKEN']);
    expect((await give(services, 'alice', 'both', 'again')).recipient).toMatchObject({ number: 2, leafIndex: null });
    expect(list(services).recipients).toHaveLength(2);
  });
});

describe('a number that stands twice', () => {
  test.each([
    [['both', 'both']],
    [['both', 'payload']],
  ] as const)('with the codes %j names neither, loses neither, and stops nothing', async (codes) => {
    const services = await race(codes);
    const { recipients, faults } = list(services);
    expect(recipients.map(({ number, id }) => `${number} ${id}`).sort()).toEqual(['1 first', '2 alice', '2 bob']);
    expect(faults).toMatchObject([{ code: 'RECIPIENT_NUMBER_TAKEN', number: 2 }]);
    expect(faults[0].annexes).toHaveLength(2);
    for (const id of ['alice', 'bob']) {
      const { verdict, recipient } = await read(services, id);
      expect(verdict).toBe('claim');
      expect(recipient).toMatchObject({ verdict: 'ambiguous', number: null, id: null, releasedDigest: null });
      expect(recipient!.notes.join()).toContain('RECIPIENT_NUMBER_TAKEN');
    }
    expect((await read(services, 'first')).recipient).toMatchObject({ verdict: 'claim', number: 1, id: 'first' });
    await expect(give(services, 'alice', codes[0], 'again')).rejects.toMatchObject({ code: 'RECIPIENT_EXISTS' });
    expect((await give(services, 'carol')).recipient).toMatchObject({ number: 3 });
  });
});

describe('a run that died between annex and entry', () => {
  test('is recorded by the next one for the same recipient', async () => {
    const services = open();
    await give(services, 'first');
    let isStored = false;
    const failing: Services = {
      ...services,
      storage: {
        ...nodeStorage,
        rename: (from, to) => {
          nodeStorage.rename(from, to);
          if (to.endsWith('.annex.json')) isStored = true;
        },
        openForUpdate: (path) => {
          if (isStored && path.endsWith('/ledger/signed')) throw new SourceError('WRITE_FAILED');
          return nodeStorage.openForUpdate(path);
        },
      },
    };
    await expect(give(failing, 'alice')).rejects.toMatchObject({ code: 'WRITE_FAILED' });
    expect(isStored).toBe(true);
    expect(list(services).recipients[1]).toMatchObject({ id: 'alice', recorded: null });
    const { recipient } = await give(services, 'alice');
    expect(recipient).toMatchObject({ number: 2, leafIndex: expect.any(Number) as number });
    expect(list(services).recipients[1].recorded).toMatchObject({ leafIndex: recipient!.leafIndex });
    expect((await give(services, 'alice', 'both', 'again')).recipient).toMatchObject({ number: 2, leafIndex: null });
  });
});
