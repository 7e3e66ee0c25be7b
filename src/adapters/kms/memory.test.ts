/** What is left of a data key in a process that wrapped and unwrapped it with a key service, once it was wiped. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { type FakeVault, serveFakeVault } from '../../../test/fakes/key-services/vault.ts';
import { countInMemory } from '../../../test/process-memory.ts';
import { describeWhere } from '../../../test/shared-data.ts';

const work = mkdtempSync(join(tmpdir(), 'modelward-memory-'));

afterAll(() => {
  rmSync(work, { recursive: true });
});

/** Wraps and unwraps a key of its own twenty times; keeps it when it is told to, and else wipes it. */
const SCRIPT = `
const [door, uri, end] = process.argv.slice(1);
const { openKeyProvider, openProviderFiles } = await import(door + '/adapters/kms/index.ts');
const { parseKeyUri } = await import(door + '/seal/index.ts');
const random = { fill: (into) => crypto.getRandomValues(into) };
const ports = { clock: { nowMs: Date.now }, random, pause: async () => {}, env: {}, files: openProviderFiles('/none') };
const { provider } = await openKeyProvider({ uri: parseKeyUri(uri), ports, create: false });
const context = { sealId: 's', model: 'm', purpose: 'open' };
const dek = new Uint8Array(new ArrayBuffer(32));
random.fill(dek);
for (let i = 0; i < 20; i++) {
  const wrapped = await provider.wrapKey({ dek, context });
  (await provider.unwrapKey({ wrapped, context })).fill(0);
}
if (end !== 'kept') dek.fill(0);
if (end === 'read on') await provider.describe();
await provider.close();
process.stdout.write('done');
process.stdin.resume();
globalThis.kept = dek;
`;

/** How often the key, as bytes and as base64, lies in the child's memory. */
async function countLeft(fake: FakeVault, end: 'kept' | 'wiped' | 'read on'): Promise<number[]> {
  const tokenPath = join(work, 'token');
  writeFileSync(tokenPath, fake.token, { mode: 0o600 });
  const uri = `vault:eng/transit/${fake.addKey()}?addr=${fake.url}&token-file=${tokenPath}`;
  const args = ['--import', 'tsx', '--input-type=module', '--eval', SCRIPT];
  const door = join(import.meta.dirname, '../..');
  const child = spawn(process.execPath, [...args, door, uri, end]);
  try {
    await new Promise<void>((resolve, reject) => {
      child.stdout.once('data', () => {
        resolve();
      });
      child.once('exit', (code) => {
        reject(new Error(`internal error: the child ended with ${code}`));
      });
    });
    const sent = fake.asked.findLast(
      ({ body }) => typeof (body as { plaintext?: unknown } | null)?.plaintext === 'string',
    );
    const text = (sent?.body as { plaintext: string }).plaintext;
    return countInMemory(child.pid!, [Buffer.from(text, 'base64'), Buffer.from(text, 'latin1')]);
  } finally {
    child.kill('SIGKILL');
  }
}

describeWhere(process.platform === 'linux', 'a data key in memory', 'Linux', () => {
  test('no copy of its bytes is left; of its base64 at most the last one, until the service is read again', async () => {
    const fake = await serveFakeVault();
    const [bytes, text] = await countLeft(fake, 'wiped');
    expect(bytes).toBe(0);
    // Node frees the memory of a read without wiping it, and takes the same for the next one.
    expect(text).toBeLessThanOrEqual(1);
    expect(await countLeft(fake, 'read on')).toEqual([0, 0]);
    await fake.close();
  });

  test('control: the same scan finds a key that was kept', async () => {
    const fake = await serveFakeVault();
    const [bytes] = await countLeft(fake, 'kept');
    expect(bytes).toBeGreaterThanOrEqual(1);
    await fake.close();
  });
});
