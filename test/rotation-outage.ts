/** A rotation during which the key service goes out of reach, and the one that follows when it is back. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { composeServices } from '../src/cli/compose.ts';
import { createCleanups } from '../src/cli/ui/interrupt.ts';
import { systemClock } from '../src/adapters/system/index.ts';
import { toHex } from '../src/core/bytes.ts';
import { SealError } from '../src/core/errors.ts';
import { silentProgress } from '../src/core/ports.ts';
import { createEnvelope, encodeEnvelope, type KeyProvider, parseEnvelope, unwrapDek } from '../src/seal/index.ts';
import { type MoveResult, moveToNewest, rotateKey } from '../src/workflows/keys/index.ts';
import type { Services } from '../src/workflows/services.ts';
import { openSession, type Session } from '../src/workflows/session.ts';
import { seededBytes } from './fakes/seal-kit.ts';

const COUNT = 4;

/** A time at which a service can be taken away: before or after the `nth` use of one kind. */
export interface Moment {
  readonly use: 'rotate' | 'unwrapKey' | 'disableVersion';
  readonly nth: number;
  readonly when: 'before' | 'after';
}

export interface Outage {
  begin(): Promise<void> | void;
  end(): Promise<void> | void;
}

/** Passes everything on, and begins the outage once at the moment. */
function interrupt(provider: KeyProvider, { use, nth, when }: Moment, outage: Outage): KeyProvider {
  let left = nth;
  const wrapped = async (given: never): Promise<unknown> => {
    const isNow = --left === 0;
    if (isNow && when === 'before') await outage.begin();
    const done = await (provider[use] as (given: never) => Promise<unknown>)(given);
    if (isNow && when === 'after') await outage.begin();
    return done;
  };
  return { ...provider, [use]: wrapped };
}

/**
 * Rotates with an outage at the moment, and again without. After the first run every envelope opens, and no version was ended
 * behind an envelope; after the second all hang on one new version.
 */
export async function expectRotationToSurvive(provider: KeyProvider, moment: Moment, outage: Outage): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'modelward-outage-'));
  const services = composeServices({ home, progress: silentProgress, cleanups: createCleanups() });
  const session = openSession(services);
  try {
    const folder = services.home.envelopesFolder;
    await writeEnvelopes(folder, provider);
    const before = await provider.describe();
    const at = { services, session };
    const interrupted = interrupt(provider, moment, outage);
    const first = await rotate(at, interrupted, before.keyRef, rotateKey).catch((error: unknown) => error);
    await outage.end();
    expectOutage(first);
    expect(await openAll(folder, provider)).toHaveLength(COUNT);
    // Everything was moved before versions are ended: what is left to do is the end.
    const second = await rotate(
      at,
      provider,
      before.keyRef,
      moment.use === 'disableVersion' ? moveToNewest : rotateKey,
    );
    expect(second).toMatchObject({ remaining: {}, faults: [] });
    expect(new Set(await openAll(folder, provider))).toEqual(new Set([second.to]));
    const { versions } = await provider.describe();
    expect(versions.length).toBeLessThanOrEqual(before.versions.length + 1);
    expect(versions.filter(({ state }) => state === 'enabled').length).toBeGreaterThanOrEqual(1);
  } finally {
    session.close();
    rmSync(home, { recursive: true });
  }
}

async function writeEnvelopes(folder: string, wrapper: KeyProvider): Promise<void> {
  for (let index = 0; index < COUNT; index++) {
    const header = { sealId: `0190b5a0-0000-7000-8000-00000000000${index}`, model: { name: 'net' } };
    const seal = { header, dekCheck: seededBytes(index + 7, 32) };
    const envelope = await createEnvelope({ seal, dek: toDek(index), wrapper, clock: systemClock });
    writeFileSync(join(folder, `${header.sealId}.keys.json`), encodeEnvelope(envelope), { mode: 0o600 });
  }
}

const toDek = (index: number): Uint8Array => seededBytes(index + 1, 32);

function rotate(
  { services, session }: { services: Services; session: Session },
  provider: KeyProvider,
  keyRef: string,
  run: typeof moveToNewest,
): Promise<MoveResult> {
  const keys = { provider, scheme: 'test', keyRef, note: null };
  const options = { folder: services.home.envelopesFolder, acceptLoss: true, seals: [] };
  return run(services, session, { keys, ...options, disableOld: provider.disableVersion !== undefined });
}

/** The run ended with the code of an outage, or named the envelopes that it could not move, and ended no version. */
function expectOutage(first: unknown): void {
  if (first instanceof SealError) expect(first.code).toBe('KEY_PROVIDER_UNAVAILABLE');
  else {
    const { faults, disabled } = first as MoveResult;
    expect(faults.map(({ code }) => code)).toContain('KEY_PROVIDER_UNAVAILABLE');
    expect(disabled).toEqual([]);
  }
}

/** The version that each envelope hangs on; every one of them gives its own key. */
async function openAll(folder: string, provider: KeyProvider): Promise<string[]> {
  const versions: string[] = [];
  for (const [index, name] of readdirSync(folder).sort().entries()) {
    const envelope = parseEnvelope(readFileSync(join(folder, name)));
    const { dek } = await unwrapDek({ envelope, unwrappers: [provider], clock: systemClock });
    expect(toHex(dek)).toBe(toHex(toDek(index)));
    versions.push(...envelope.recipients.map(({ keyVersion }) => keyVersion));
  }
  return versions;
}
