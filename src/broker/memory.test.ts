/** What is left of a data key in a process that encrypted it for a guest, or got it from a broker, once it was wiped. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { countInMemory } from '../../test/process-memory.ts';
import { describeWhere } from '../../test/shared-data.ts';

/** The key is computed, so that no source text holds it. */
const SCRIPT = `
const [door, end] = process.argv.slice(1);
const { generateKeyPairSync } = await import('node:crypto');
const { decryptJwe, encryptJwe, readTeeKey } = await import(door + '/index.ts');
const random = { fill: (into) => crypto.getRandomValues(into) };
const dek = new Uint8Array(new ArrayBuffer(32));
for (let n = 0; n < 32; n++) dek[n] = (n * 37 + 11) ^ 0x5a;
for (const [type, options, alg] of [['ec', { namedCurve: 'P-256' }, 'ECDH-ES+A256KW'], ['rsa', { modulusLength: 2048 }, 'RSA-OAEP-256']]) {
  const { publicKey, privateKey } = generateKeyPairSync(type, options);
  const key = readTeeKey({ ...publicKey.export({ format: 'jwk' }), alg });
  for (let n = 0; n < 20; n++) decryptJwe(encryptJwe(key, dek, random), privateKey).fill(0);
}
if (end !== 'kept') dek.fill(0);
process.stdout.write('done');
process.stdin.resume();
globalThis.kept = dek;
`;
const DEK = Uint8Array.from({ length: 32 }, (_, n) => (n * 37 + 11) ^ 0x5a);

async function countLeft(end: 'kept' | 'wiped'): Promise<number> {
  const args = ['--import', 'tsx', '--input-type=module', '--eval', SCRIPT, import.meta.dirname, end];
  const child = spawn(process.execPath, args, { cwd: join(import.meta.dirname, '../..') });
  try {
    await new Promise<void>((resolve, reject) => {
      child.stdout.once('data', () => {
        resolve();
      });
      child.once('exit', (code) => {
        reject(new Error(`internal error: the child ended with ${code}`));
      });
    });
    return countInMemory(child.pid ?? 0, [DEK])[0];
  } finally {
    child.kill('SIGKILL');
  }
}

describeWhere(process.platform === 'linux', 'a data key in memory', 'Linux', () => {
  test('a key that was encrypted and decrypted is left nowhere; one that is kept is found', async () => {
    expect(await countLeft('kept')).toBeGreaterThan(0);
    expect(await countLeft('wiped')).toBe(0);
  });
});
