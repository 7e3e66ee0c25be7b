import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { composeServices } from '../cli/compose.ts';
import { createCleanups } from '../cli/ui/interrupt.ts';
import { silentProgress } from '../core/ports.ts';
import { createCommitment } from '../watermark/commitment.ts';
import type { Claim } from '../watermark/claim.ts';
import { deriveSeeds } from '../watermark/seeds.ts';
import { findAnnexRecord, listAnnexes, recordAnnex } from './annexes.ts';
import type { Services } from './services.ts';
import { openSession, type Session } from './session.ts';

let home: string;
let services: Services;
let session: Session;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'modelward-annexes-'));
  services = composeServices({ home, progress: silentProgress, cleanups: createCleanups() });
  session = openSession(services, 'acme');
});
afterEach(() => {
  session.close();
  rmSync(home, { recursive: true, force: true });
});

function toClaim(fill: number): Claim {
  const { signKey: ownerKey, ownerId } = session.owner.identity;
  const [originalDigest, markedDigest] = [new Uint8Array(32).fill(fill), new Uint8Array(32)];
  const seeds = deriveSeeds(new Uint8Array(32).fill(fill));
  const commitment = createCommitment({ ownerKey, ownerId, originalDigest, markedDigest, params: {}, seeds });
  return { commitment } as unknown as Claim;
}

describe('the annexes of a home', () => {
  test('are signed, kept for the owner alone, recorded, and listed by claim and type', async () => {
    const [mine, other] = [toClaim(1), toClaim(2)];
    const made = await recordAnnex(services, session, {
      claim: mine,
      type: 'probes',
      body: { n: 1 },
      subject: 'model',
    });
    await recordAnnex(services, session, { claim: mine, type: 'recipient', body: {}, subject: 'model' });
    await recordAnnex(services, session, { claim: other, type: 'probes', body: {}, subject: 'model' });
    expect(listAnnexes(services, mine, 'probes')).toEqual([
      { path: made.path, annex: made.annex, digest: made.digest },
    ]);
    expect(statSync(made.path).mode & 0o777).toBe(0o600);
    const record = findAnnexRecord(session.recorder.reader(), made.digest);
    expect(record?.leafIndex).toBe(made.leafIndex);
    expect(session.recorder.reader().read(made.leafIndex)).toMatchObject({
      ...{ type: 'annex', subject: 'model', detail: { kind: 'probes' } },
      digests: { annex: made.digest, commitment: mine.commitment.digest },
    });
    expect(findAnnexRecord(session.recorder.reader(), '0'.repeat(64))).toBeUndefined();
  });

  test('the same one again is kept once', async () => {
    const given = { claim: toClaim(1), type: 'text', body: [1, 2], subject: 'model' } as const;
    const [first, second] = [await recordAnnex(services, session, given), await recordAnnex(services, session, given)];
    expect(second.digest).toBe(first.digest);
    expect(readdirSync(join(home, 'annexes'))).toHaveLength(1);
    expect(findAnnexRecord(session.recorder.reader(), first.digest)?.leafIndex).toBe(first.leafIndex);
  });

  test('a home of an earlier version has none', () => {
    rmSync(join(home, 'annexes'), { recursive: true });
    expect(listAnnexes(services, toClaim(1), 'probes')).toEqual([]);
  });
});
