/** Many envelopes of one local key, made fast, and what holds of them after a rotation that was killed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { homedir, setPriority } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { openKeyProvider, openProviderFiles } from '../../src/adapters/kms/index.ts';
import { systemClock, systemPause, systemRandom } from '../../src/adapters/system/index.ts';
import { toHex } from '../../src/core/bytes.ts';
import { createEnvelope, encodeEnvelope, parseEnvelope, parseKeyUri, unwrapDek } from '../../src/seal/index.ts';
import type { KeyProvider } from '../../src/seal/index.ts';
import { seededBytes } from '../fakes/seal-kit.ts';
import { bin, type Workplace } from '../e2e/command.ts';

/** The home's own key, past the log of its uses. */
export async function openHomeKey({ home }: Workplace): Promise<KeyProvider> {
  const uri = parseKeyUri(`local:${join(home, 'keys', 'model.kek.json')}`);
  const files = openProviderFiles(homedir());
  const common = { clock: systemClock, random: systemRandom, pause: systemPause, files, env: {} };
  const askPassphrase = (): Promise<Uint8Array> => Promise.reject(new TypeError('nobody is asked'));
  const openTpm = (): Promise<never> => Promise.reject(new TypeError('no TPM is asked'));
  return (await openKeyProvider({ uri, ports: { ...common, askPassphrase, openTpm }, create: false })).provider;
}

const toDek = (index: number): Uint8Array => seededBytes(index + 1, 32);
const toSealId = (index: number): string => `0190b5a0-0000-7000-8000-${index.toString(16).padStart(12, '0')}`;

/** Writes envelopes 0, …, count - 1 into the home. */
export async function writeEnvelopes(place: Workplace, count: number): Promise<void> {
  const wrapper = await openHomeKey(place);
  for (let index = 0; index < count; index++) {
    const header = { sealId: toSealId(index), model: { name: 'net' } };
    const seal = { header, dekCheck: seededBytes(index + 7, 32) };
    const envelope = await createEnvelope({ seal, dek: toDek(index), wrapper, clock: systemClock });
    writeFileSync(join(place.home, 'envelopes', `${header.sealId}.keys.json`), encodeEnvelope(envelope), {
      mode: 0o600,
    });
  }
}

/** Runs a command and ends it when it is time, with no chance to clean up; true when it was still running then. */
export async function runAndKill(
  { folder, home }: Workplace,
  args: readonly string[],
  isTime: () => boolean,
  pollMs = 2,
): Promise<boolean> {
  const env = { ...process.env, MODELWARD_HOME: home, NO_COLOR: '1' };
  const child: ChildProcess = spawn(process.execPath, [bin, ...args], { cwd: folder, env, stdio: 'ignore' });
  // Who looks goes before: it must not be over between two looks of a loaded machine.
  setPriority(child.pid!, 5);
  const ended = new Promise((resolve) => child.once('exit', resolve));
  while (child.exitCode === null && !isTime()) await sleep(pollMs);
  const isKilled = child.exitCode === null && child.kill('SIGKILL');
  await ended;
  return isKilled;
}

/**
 * About how many envelopes were replaced since; a replaced file has another inode.
 * @param step every so manieth envelope is looked at, for the others, too
 */
export function countReplaced({ home }: Workplace, step = 1): () => number {
  const folder = join(home, 'envelopes');
  const names = listEnvelopes(folder).filter((_, index) => index % step === 0);
  const before = new Map(names.map((name) => [name, statSync(join(folder, name)).ino]));
  return () => step * [...before].filter(([name, ino]) => statSync(join(folder, name)).ino !== ino).length;
}

function listEnvelopes(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.endsWith('.keys.json'));
}

/** Every envelope is whole, is where it was, hangs on `version` alone, and still gives its own key. */
export async function expectAllOn(place: Workplace, count: number, version: string): Promise<void> {
  const provider = await openHomeKey(place);
  const folder = join(place.home, 'envelopes');
  const names = listEnvelopes(folder);
  expect(names).toHaveLength(count);
  for (let index = 0; index < count; index++) {
    const envelope = parseEnvelope(readFileSync(join(folder, `${toSealId(index)}.keys.json`)));
    expect(envelope.recipients.map(({ keyVersion }) => keyVersion)).toEqual([version]);
    const { dek } = await unwrapDek({ envelope, unwrappers: [provider], clock: systemClock });
    expect(toHex(dek)).toBe(toHex(toDek(index)));
  }
}
