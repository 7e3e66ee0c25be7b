/** What becomes of the keys of opened triggers, whatever happens to whoever asks. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { composeServices } from '../../cli/compose.ts';
import { createCleanups } from '../../cli/ui/interrupt.ts';
import { silentProgress } from '../../core/ports.ts';
import type { QuestionSet, TriggerBody } from '../../watermark/index.ts';
import { recordAnnex } from '../annexes.ts';
import { readClaim } from '../claims.ts';
import { embedModel } from '../protect/embed.ts';
import type { Services } from '../services.ts';
import { openSession, type Session } from '../session.ts';
import { withTriggers } from './verify.ts';

const work = mkdtempSync(join(tmpdir(), 'modelward-triggers-'));
const body: TriggerBody = {
  ...{ v: 1, scheme: 'last-layer/v2', output: 'logits', classes: 10, candidates: 64, indices: [1, 5, 9] },
  input: { name: 'input', dtype: 'f32', shape: [1, 12, 12], low: 0, high: 1 },
};
let services: Services;
let session: Session;
let claimPath: string;

beforeAll(async () => {
  services = composeServices({ home: join(work, 'home'), progress: silentProgress, cleanups: createCleanups() });
  const embedded = await embedModel(services, {
    ...{ path: resolve(import.meta.dirname, '../../../samples/mlp.onnx'), out: join(work, 'out'), keyUri: null },
    ...{ sealOnly: false, noMark: false, limitPoints: 1, unmeasured: true, force: false, ownerId: 'acme' },
  });
  claimPath = embedded.claim.path;
  session = openSession(services);
  const { claim } = readClaim(services, claimPath);
  await recordAnnex(services, session, { claim, type: 'triggers', body, subject: 'a copy' });
});
afterAll(() => {
  session.close();
  rmSync(work, { recursive: true });
});

test.each([
  ['is done', () => 'done'],
  [
    'fails',
    () => {
      throw new TypeError('the suspect cannot be run');
    },
  ],
])('when whoever asks %s, the keys are zeroed', async (_, end) => {
  let seen: { readonly set: QuestionSet; readonly before: unknown } | undefined;
  const asked = withTriggers(
    services,
    () => session,
    { claimPath },
    ([{ set }]) => {
      seen = { set, before: set.question(0) };
      return end();
    },
  );
  await asked.catch((error: unknown) => {
    expect(error).toBeInstanceOf(TypeError);
  });
  expect(seen!.set.question(0)).not.toEqual(seen!.before);
});

test('a set that cannot be opened does not leave the keys of the others behind', async () => {
  const { claim } = readClaim(services, claimPath);
  await recordAnnex(services, session, { claim, type: 'triggers', body: { ...body, indices: [9, 5] }, subject: 'x' });
  await expect(
    withTriggers(
      services,
      () => session,
      { claimPath },
      () => 'asked',
    ),
  ).rejects.toMatchObject({
    code: 'WATERMARK_ANNEX_MALFORMED',
  });
});
