import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { seededBytes } from '../../test/fakes/seal-kit.ts';
import { describeWhere } from '../../test/shared-data.ts';
import { hasSwtpm, removeTestTpm, startTestTpm, SWTPM_NEEDED, type TestTpm } from '../../test/swtpm.ts';
import { toHex } from '../core/bytes.ts';
import {
  isRefusal,
  meetPcrPolicy,
  RC,
  readPcrs,
  sealData,
  type Tpm,
  type TpmBlob,
  toPcrDigest,
  toPcrPolicy,
  unseal,
  withLoaded,
  withSession,
  withStorageRoot,
} from './index.ts';

const secret = seededBytes(3, 32);
const PCRS = [0, 7, 16];

/** Seals under the PCRs as they are. */
function sealNow(tpm: Tpm): Promise<TpmBlob> {
  return withStorageRoot(tpm, { name: null }, async (root) => {
    const policy = toPcrPolicy(PCRS, toPcrDigest(await readPcrs(tpm, PCRS)));
    return sealData(tpm, root, { secret, policy });
  });
}

function open(tpm: Tpm, blob: TpmBlob): Promise<Uint8Array> {
  return withStorageRoot(tpm, { name: null }, (root) =>
    withLoaded(tpm, { parent: root, blob }, (object) =>
      withSession(tpm, { kind: 'policy', salted: root }, async (session) => {
        await meetPcrPolicy(tpm, session, PCRS);
        return unseal(tpm, object, session);
      }),
    ),
  );
}

function catchError(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describeWhere(hasSwtpm, 'TPM 2.0 codec on swtpm', SWTPM_NEEDED, () => {
  let tpm: TestTpm;
  beforeAll(async () => {
    tpm = await startTestTpm();
  });
  afterAll(async () => {
    await tpm.stop();
    removeTestTpm(tpm);
  });

  test('PCRs are read as tpm2_pcrread reads them, more than eight too', async () => {
    tpm.tool('tpm2_pcrextend', `16:sha256=${'ab'.repeat(32)}`);
    const all = Array.from({ length: 24 }, (_, at) => at);
    const values = await tpm.with((line) => readPcrs(line, all));
    const told = tpm.tool('tpm2_pcrread', 'sha256:all');
    const theirs = [...told.matchAll(/^\s*(\d+)\s*: 0x([0-9A-F]{64})$/gm)].map((match) => match[2].toLowerCase());
    expect(values.map(toHex)).toEqual(theirs);
    const extended = createHash('sha256')
      .update(Buffer.alloc(32))
      .update(Buffer.from('ab'.repeat(32), 'hex'))
      .digest('hex');
    expect(toHex(values[16])).toBe(extended);
  });

  test('what is sealed comes back, also after a restart, and not after a PCR changed', async () => {
    const blob = await tpm.with(sealNow);
    expect(toHex(await tpm.with((line) => open(line, blob)))).toBe(toHex(secret));
    tpm.tool('tpm2_pcrextend', `16:sha256=${'cd'.repeat(32)}`);
    const refused = await catchError(tpm.with((line) => open(line, blob)));
    expect(refused).toMatchObject({ code: 'TPM_REFUSED' });
    expect(isRefusal(refused, RC.policyFail)).toBe(true);
    tpm.tool('tpm2_pcrreset', '16');
    tpm.tool('tpm2_pcrextend', `16:sha256=${'ab'.repeat(32)}`);
    expect(toHex(await tpm.with((line) => open(line, blob)))).toBe(toHex(secret));
    await tpm.stop();
    tpm = await startTestTpm(tpm.folder);
    expect(isRefusal(await catchError(tpm.with((line) => open(line, blob))), RC.policyFail)).toBe(true);
    tpm.tool('tpm2_pcrextend', `16:sha256=${'ab'.repeat(32)}`);
    expect(toHex(await tpm.with((line) => open(line, blob)))).toBe(toHex(secret));
  });

  test('another TPM does not load it, and is told by its storage root key', async () => {
    const blob = await tpm.with(sealNow);
    const name = await tpm.with((line) => withStorageRoot(line, { name: null }, (root) => Promise.resolve(root.name)));
    const other = await startTestTpm();
    try {
      expect(isRefusal(await catchError(other.with((line) => open(line, blob))), RC.integrity)).toBe(true);
      const taken = other.with((line) => withStorageRoot(line, { name }, () => Promise.resolve()));
      await expect(taken).rejects.toMatchObject({ code: 'TPM_RESPONSE_FORGED' });
    } finally {
      await other.stop();
      removeTestTpm(other);
    }
  });

  test('many times over: no slot of the TPM is left behind', async () => {
    const blob = await tpm.with(sealNow);
    await tpm.with(async (line) => {
      for (let at = 0; at < 8; at++) {
        await open(line, blob);
        const wrong = { ...blob, privatePart: blob.privatePart.map((byte) => byte ^ 1) };
        await expect(open(line, wrong)).rejects.toMatchObject({ code: 'TPM_REFUSED' });
      }
    });
    expect(tpm.tool('tpm2_getcap', 'handles-transient').trim()).toBe('');
    expect(tpm.tool('tpm2_getcap', 'handles-loaded-session').trim()).toBe('');
  });

  test('nothing that crosses the line shows the secret, and an altered answer is noticed', async () => {
    await tpm.with(async (line) => {
      const seen: Uint8Array[] = [];
      const listen = (alter: boolean): Tpm => ({
        ...line,
        transport: {
          ...line.transport,
          transmit: async (command) => {
            seen.push(command.slice());
            const response = await line.transport.transmit(command);
            seen.push(response.slice());
            const isUnseal = command[8] === 0x01 && command[9] === 0x5e;
            if (alter && isUnseal) response[20] ^= 1;
            return response;
          },
        },
      });
      const blob = await sealNow(listen(false));
      expect(toHex(await open(listen(false), blob))).toBe(toHex(secret));
      await expect(open(listen(true), blob)).rejects.toMatchObject({ code: 'TPM_RESPONSE_FORGED' });
      const wire = Buffer.concat(seen).toString('hex');
      expect(wire).not.toContain(toHex(secret).slice(0, 16));
    });
  });

  test('tpm2_unseal opens what was sealed here, under the same PCRs', async () => {
    const blob = await tpm.with(sealNow);
    const sized = (bytes: Uint8Array): Buffer =>
      Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
    writeFileSync(join(tpm.folder, 'seal.pub'), sized(blob.area));
    writeFileSync(join(tpm.folder, 'seal.priv'), sized(blob.privatePart));
    const attributes = 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|decrypt';
    tpm.tool('tpm2_createprimary', '-Q', '-C', 'o', '-G', 'ecc', '-a', attributes, '-c', 'root.ctx');
    tpm.tool('tpm2_flushcontext', '-t');
    tpm.tool('tpm2_load', '-Q', '-C', 'root.ctx', '-u', 'seal.pub', '-r', 'seal.priv', '-c', 'seal.ctx');
    tpm.tool('tpm2_flushcontext', '-t');
    tpm.tool('tpm2_unseal', '-Q', '-c', 'seal.ctx', '-p', `pcr:sha256:${PCRS.join(',')}`, '-o', 'plain.bin');
    tpm.tool('tpm2_flushcontext', '-t');
    tpm.tool('tpm2_flushcontext', '-l');
    expect(toHex(new Uint8Array(readFileSync(join(tpm.folder, 'plain.bin'))))).toBe(toHex(secret));
  });
});
