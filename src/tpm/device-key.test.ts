import { createECDH, createPublicKey, verify, X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { seededBytes, seededRandom } from '../../test/fakes/seal-kit.ts';
import { describeWhere } from '../../test/shared-data.ts';
import {
  hasSwtpmSetup,
  makeCertifiedTpm,
  removeTestTpm,
  startTestTpm,
  SWTPM_NEEDED,
  type TestTpm,
} from '../../test/swtpm.ts';
import { toHex } from '../core/bytes.ts';
import {
  activateCredential,
  agree,
  AGREEMENT_TEMPLATE,
  ATTESTATION_TEMPLATE,
  certify,
  createKey,
  createPrimary,
  defineCounter,
  EK_CERTIFICATE,
  ENDORSEMENT_TEMPLATE,
  findNv,
  flush,
  incrementCounter,
  isRefusal,
  makeCredential,
  quote,
  RC,
  readClock,
  readCounter,
  readModulus,
  readPcrs,
  readPoint,
  readStatement,
  RSA_ENDORSEMENT_TEMPLATE,
  type SignedStatement,
  toName,
  toPcrDigest,
  toSelection,
  toSpki,
  type Tpm,
  undefineNv,
  withLoaded,
  withStorageRoot,
} from './index.ts';

const COUNTER = 0x01800042;
const nonce = seededBytes(9, 32);

/** As a verifier elsewhere does it: with the public point only. */
function isSigned({ statement, signature }: SignedStatement, area: Uint8Array): boolean {
  const key = createPublicKey({ key: Buffer.from(toSpki(readPoint(area))), format: 'der', type: 'spki' });
  return verify('sha256', statement, { key, dsaEncoding: 'ieee-p1363' }, signature);
}

describeWhere(hasSwtpmSetup, 'device keys on swtpm', SWTPM_NEEDED, () => {
  let tpm: TestTpm;
  beforeAll(async () => {
    tpm = await startTestTpm(makeCertifiedTpm());
  });
  afterAll(async () => {
    await tpm.stop();
    removeTestTpm(tpm);
  });

  test('ECDH in the TPM agrees with ECDH outside; a point off the curve is refused; the secret is not on the line', async () => {
    const peer = createECDH('prime256v1');
    const own = peer.generateKeys();
    const point = { x: own.subarray(1, 33), y: own.subarray(33) };
    await tpm.with((line) =>
      withStorageRoot(line, { name: null }, async (root) => {
        const blob = await createKey(line, root, AGREEMENT_TEMPLATE);
        const { x, y } = readPoint(blob.area);
        const seen: Uint8Array[] = [];
        const transmit = async (command: Uint8Array): Promise<Uint8Array> => {
          const response = await line.transport.transmit(command);
          seen.push(command, response);
          return response;
        };
        const heard: Tpm = { ...line, transport: { ...line.transport, transmit } };
        await withLoaded(heard, { parent: root, blob }, async (key) => {
          const shared = await agree(heard, key, { root, point });
          expect(toHex(shared)).toBe(peer.computeSecret(Buffer.concat([Buffer.of(4), x, y])).toString('hex'));
          expect(Buffer.concat(seen).toString('hex')).not.toContain(toHex(shared).slice(0, 16));
          const wrong = { x: point.x, y: point.x };
          await expect(agree(heard, key, { root, point: wrong })).rejects.toMatchObject({ code: 'TPM_REFUSED' });
        });
      }),
    );
  });

  test('a counter goes up only, survives a restart, and cannot be turned back by making it anew', async () => {
    const missing: unknown = await tpm.with((line) => readCounter(line, COUNTER)).catch((error: unknown) => error);
    expect(isRefusal(missing, RC.handle)).toBe(true);
    const first = await tpm.with(async (line) => {
      await defineCounter(line, COUNTER);
      await expect(readCounter(line, COUNTER)).rejects.toMatchObject({ code: 'TPM_REFUSED' });
      return incrementCounter(line, COUNTER);
    });
    expect(await tpm.with((line) => incrementCounter(line, COUNTER))).toBe(first + 1n);
    await tpm.stop();
    tpm = await startTestTpm(tpm.folder);
    expect(await tpm.with((line) => readCounter(line, COUNTER))).toBe(first + 1n);
    const again = await tpm.with(async (line) => {
      const taken: unknown = await defineCounter(line, COUNTER).catch((error: unknown) => error);
      expect(isRefusal(taken, RC.nvDefined)).toBe(true);
      await undefineNv(line, COUNTER);
      await defineCounter(line, COUNTER);
      return incrementCounter(line, COUNTER);
    });
    expect(again).toBeGreaterThan(first + 1n);
    await tpm.with((line) => undefineNv(line, COUNTER));
  });

  test('an index that is no counter of ours is not taken for one', async () => {
    tpm.tool('tpm2_nvdefine', '0x01800043', '-C', 'o', '-s', '8', '-a', 'ownerread|ownerwrite|authread|authwrite');
    await expect(tpm.with((line) => readCounter(line, 0x01800043))).rejects.toMatchObject({
      code: 'TPM_RESPONSE_INVALID',
    });
  });

  test('the clock goes forward, and tells restarts as tpm2_readclock does', async () => {
    const before = await tpm.with(readClock);
    const told = tpm.tool('tpm2_readclock');
    const after = await tpm.with(readClock);
    expect(after.clockMs).toBeGreaterThanOrEqual(before.clockMs);
    expect(Number(/reset_count: (\d+)/.exec(told)?.[1])).toBe(before.resetCount);
    expect(Number(/restart_count: (\d+)/.exec(told)?.[1])).toBe(before.restartCount);
    await tpm.stop();
    tpm = await startTestTpm(tpm.folder);
    // It was killed, not shut down: the clock may have been further than what was written down.
    expect(await tpm.with(readClock)).toMatchObject({ resetCount: before.resetCount + 1, isSafe: false });
  });

  test('a quote is over the nonce and the PCRs, and tpm2_checkquote agrees', async () => {
    tpm.tool('tpm2_pcrextend', `7:sha256=${'07'.repeat(32)}`);
    const pcrs = [0, 7];
    const { signed, area, values } = await tpm.with((line) =>
      withStorageRoot(line, { name: null }, async (root) => {
        const blob = await createKey(line, root, ATTESTATION_TEMPLATE);
        const signed = await withLoaded(line, { parent: root, blob }, (key) => quote(line, key, { nonce, pcrs }));
        return { signed, area: blob.area, values: await readPcrs(line, pcrs) };
      }),
    );
    expect(isSigned(signed, area)).toBe(true);
    expect(
      isSigned({ ...signed, statement: signed.statement.map((byte, at) => (at === 40 ? byte ^ 1 : byte)) }, area),
    ).toBe(false);
    const said = readStatement(signed.statement);
    expect(said).toMatchObject({ kind: 'quote' });
    expect(toHex(said.nonce)).toBe(toHex(nonce));
    if (said.kind !== 'quote') throw new Error('no quote');
    expect(toHex(said.selection)).toBe(toHex(toSelection(pcrs)));
    expect(toHex(said.pcrDigest)).toBe(toHex(toPcrDigest(values)));
    const spki = Buffer.from(toSpki(readPoint(area))).toString('base64');
    writeFileSync(join(tpm.folder, 'ak.pem'), `-----BEGIN PUBLIC KEY-----\n${spki}\n-----END PUBLIC KEY-----\n`);
    writeFileSync(join(tpm.folder, 'quote.bin'), signed.statement);
    writeFileSync(join(tpm.folder, 'quote.sig'), toTpmSignature(signed.signature));
    const check = ['-u', 'ak.pem', '-m', 'quote.bin', '-s', 'quote.sig', '-g', 'sha256'];
    expect(() => tpm.tool('tpm2_checkquote', ...check, '-q', toHex(nonce))).not.toThrow();
    expect(() => tpm.tool('tpm2_checkquote', ...check, '-q', toHex(seededBytes(1, 32)))).toThrow();
  });

  test('a key is certified by its name, under the nonce', async () => {
    await tpm.with((line) =>
      withStorageRoot(line, { name: null }, async (root) => {
        const ak = await createKey(line, root, ATTESTATION_TEMPLATE);
        const device = await createKey(line, root, AGREEMENT_TEMPLATE);
        const signed = await withLoaded(line, { parent: root, blob: ak }, (signer) =>
          withLoaded(line, { parent: root, blob: device }, (object) => certify(line, signer, { nonce, object })),
        );
        expect(isSigned(signed, ak.area)).toBe(true);
        const said = readStatement(signed.statement);
        expect(said.kind === 'certify' && toHex(said.name)).toBe(toHex(toName(device.area)));
        expect(toHex(said.nonce)).toBe(toHex(nonce));
      }),
    );
    expect(() => readStatement(new Uint8Array(100))).toThrow(expect.objectContaining({ code: 'TPM_RESPONSE_INVALID' }));
  });

  test('the certificate of the maker is of the endorsement key that the RSA template gives', async () => {
    const { der, area } = await tpm.with(async (line) => {
      const key = await createPrimary(line, 'endorsement', RSA_ENDORSEMENT_TEMPLATE);
      await flush(line, key.handle);
      return { der: await findNv(line, EK_CERTIFICATE.rsa2048), area: key.area };
    });
    const certificate = new X509Certificate(Buffer.from(der ?? new Uint8Array()));
    const { n } = certificate.publicKey.export({ format: 'jwk' });
    expect(Buffer.from(readModulus(area)).toString('base64url')).toBe(n);
    expect(await tpm.with((line) => findNv(line, 0x01c0ffff))).toBeUndefined();
  });

  test.each([
    ['ECC P-256', ENDORSEMENT_TEMPLATE],
    ['RSA 2048', RSA_ENDORSEMENT_TEMPLATE],
  ])('a credential for a %s key comes back for its key alone', async (_, template) => {
    const secret = seededBytes(5, 32);
    await tpm.with((line) =>
      withStorageRoot(line, { name: null }, async (root) => {
        const endorsement = await createPrimary(line, 'endorsement', template);
        const ak = await createKey(line, root, ATTESTATION_TEMPLATE);
        const make = (name: Uint8Array): ReturnType<typeof makeCredential> =>
          makeCredential({ endorsement: endorsement.area, name, secret, random: seededRandom(8) });
        try {
          await withLoaded(line, { parent: root, blob: ak }, async (key) => {
            const back = await activateCredential(line, make(key.name), { key, endorsement, root });
            expect(toHex(back)).toBe(toHex(secret));
            const other = activateCredential(line, make(toName(seededBytes(1, 40))), { key, endorsement, root });
            expect(isRefusal(await other.catch((error: unknown) => error), RC.integrity)).toBe(true);
          });
        } finally {
          await flush(line, endorsement.handle);
        }
      }),
    );
    expect(tpm.tool('tpm2_getcap', 'handles-transient').trim()).toBe('');
    expect(readFileSync(join(tpm.folder, 'tpm2-00.permall')).length).toBeGreaterThan(0);
  });
});

/** TPMT_SIGNATURE, as tpm2-tools keep it. */
function toTpmSignature(signature: Uint8Array): Uint8Array {
  const part = (bytes: Uint8Array): Buffer => Buffer.concat([Buffer.from([0, bytes.length]), bytes]);
  return Buffer.concat([Buffer.from('0018000b', 'hex'), part(signature.subarray(0, 32)), part(signature.subarray(32))]);
}
