import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { fixedClock, seededRandom } from '../../../test/fakes/seal-kit.ts';
import { countInMemory } from '../../../test/process-memory.ts';
import { describeWhere } from '../../../test/shared-data.ts';
import { hasSoftHsm, makeTestToken, SOFTHSM_MODULE, SOFTHSM_NEEDED } from '../../../test/softhsm.ts';
import { hasSwtpm, removeTestTpm, startTestTpm, SWTPM_NEEDED } from '../../../test/swtpm.ts';
import { createAgeIdentity, withIdentities } from './age/identity.ts';
import { derivePassphraseKey } from './passphrase/derive.ts';
import { parsePassphraseFile } from './passphrase/key-file.ts';

const isJudge = hasSoftHsm && hasSwtpm && process.platform === 'linux';
const work = mkdtempSync(join(tmpdir(), 'modelward-kms-memory-'));
const child = resolve(import.meta.dirname, '../../../test/kms-memory-child.ts');

afterAll(() => {
  rmSync(work, { recursive: true });
});

describeWhere(isJudge, 'keys in memory', `Linux, ${SOFTHSM_NEEDED}, ${SWTPM_NEEDED}`, () => {
  test('after use no provider leaves a data key, its own key or the passphrase behind', async () => {
    const passphrase = 'canary passphrase of more than thirty-two letters';
    const words = join(work, 'words');
    writeFileSync(words, passphrase, { mode: 0o600 });
    const identity = join(work, 'identity.txt');
    createAgeIdentity({ path: identity, random: seededRandom(77), clock: fixedClock() });
    const token = makeTestToken('memory');
    const tpm = await startTestTpm();
    const hsm = `pkcs11:token=memory;object=k?module-path=${SOFTHSM_MODULE}&pin-source=file:${token.pinPath}`;
    const machine = `tpm2:${join(work, 'tpm.json')}?pcrs=none&device=${tpm.address}`;
    const uris = [`age:${identity}`, `passphrase:${join(work, 'pass.json')}`, hsm, machine];
    const running = spawn(process.execPath, ['--expose-gc', '--import', 'tsx', child, words, ...uris], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    try {
      const [said] = (await once(running.stdout, 'data')) as [Buffer];
      expect(said.toString()).toBe('ready\n');
      const deks = uris.map((uri) => createHash('sha256').update(uri).digest());
      const { kdf } = parsePassphraseFile(readFileSync(join(work, 'pass.json')));
      const derived = await derivePassphraseKey(Buffer.from(passphrase), kdf);
      const secret = withIdentities(identity, ([first]) => first.slice());
      const spelled = Buffer.from(/AGE-SECRET-KEY-1\w+/.exec(readFileSync(identity, 'utf8'))?.[0] ?? '');
      const needles = [...deks, derived, secret, spelled, Buffer.from(passphrase)];
      expect(countInMemory(running.pid ?? 0, needles)).toEqual(needles.map(() => 0));
      // The scan finds what is there: the path of the passphrase is an argument of the child.
      expect(countInMemory(running.pid ?? 0, [Buffer.from(words)])[0]).toBeGreaterThan(0);
    } finally {
      running.kill();
      await tpm.stop();
      removeTestTpm(tpm);
      token.remove();
    }
  });
});
