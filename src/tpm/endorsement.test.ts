/** Endorsement keys, credentials for them, and the clock: each held against tpm2-tools. */
import { createPublicKey, X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { issue, makeP256, makeP384 } from '../../test/fakes/attest/x509.ts';
import { seededBytes, seededRandom } from '../../test/fakes/seal-kit.ts';
import { describeWhere } from '../../test/shared-data.ts';
import {
  certifyEccEndorsementKey,
  hasSwtpmSetup,
  makeCertifiedTpm,
  readTestAuthorities,
  removeTestTpm,
  startTestTpm,
  SWTPM_NEEDED,
  type TestTpm,
  writeNv,
} from '../../test/swtpm.ts';
import { concatBytes, toHex, u32be } from '../core/bytes.ts';
import {
  activateCredential,
  AGREEMENT_TEMPLATE,
  ATTESTATION_TEMPLATE,
  createKey,
  type Credential,
  findEndorsementArea,
  findMakerCertificate,
  listAgreementFaults,
  makeCredential,
  readClock,
  toName,
  type Tpm,
  type TpmBlob,
  withEndorsementKey,
  withLoaded,
  withStorageRoot,
} from './index.ts';

const secret = seededBytes(21, 32);
const KINDS = ['p256', 'rsa2048'] as const;
const GROUP = { p256: 'ecc', rsa2048: 'rsa' } as const;
/** tpm2-tools put a magic number and a version before the two parts of a credential. */
const HEAD = Buffer.from('badcc0de00000001', 'hex');

const sized = (bytes: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
const encode = ({ blob, encryptedSeed }: Credential): Buffer =>
  Buffer.concat([HEAD, sized(blob), sized(encryptedSeed)]);

function decode(bytes: Buffer): Credential {
  const first = bytes.readUInt16BE(8);
  const at = 10 + first;
  const blob = bytes.subarray(10, at);
  return { blob, encryptedSeed: bytes.subarray(at + 2, at + 2 + bytes.readUInt16BE(at)) };
}

function toPem(der: Uint8Array): string {
  return new X509Certificate(Buffer.from(der)).toString();
}

describeWhere(hasSwtpmSetup, 'endorsement keys on swtpm', SWTPM_NEEDED, () => {
  let tpm: TestTpm;
  const root = issue({ commonName: 'test root', key: makeP256(), isAuthority: true });
  beforeAll(async () => {
    tpm = await startTestTpm(makeCertifiedTpm());
  });
  afterAll(async () => {
    await tpm.stop();
    removeTestTpm(tpm);
  });

  const makeDeviceKey = (): Promise<TpmBlob> =>
    tpm.with((line) => withStorageRoot(line, { name: null }, (parent) => createKey(line, parent, AGREEMENT_TEMPLATE)));

  const activate = (line: Tpm, blob: TpmBlob, kind: (typeof KINDS)[number], credential: Credential) =>
    withStorageRoot(line, { name: null }, (parent) =>
      withLoaded(line, { parent, blob }, (key) =>
        withEndorsementKey(line, kind, (endorsement) =>
          activateCredential(line, credential, { key, endorsement, root: parent }),
        ),
      ),
    );

  test.each(KINDS)('tpm2_activatecredential opens what is made here for a %s key', async (kind) => {
    const blob = await makeDeviceKey();
    tpm.tool('tpm2_createek', '-Q', '-c', 'ek.ctx', '-G', GROUP[kind], '-u', 'ek.pem', '-f', 'pem');
    const endorsement = findEndorsementArea(createPublicKey(readFileSync(join(tpm.folder, 'ek.pem'))));
    const name = toName(blob.area);
    const credential = makeCredential({ endorsement: endorsement!, name, secret, random: seededRandom(4) });
    const put = (file: string, bytes: Uint8Array): void => {
      writeFileSync(join(tpm.folder, file), bytes);
    };
    put('credential.bin', encode(credential));
    put('device.pub', sized(blob.area));
    put('device.priv', sized(blob.privatePart));
    const attributes = 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|decrypt';
    tpm.tool('tpm2_flushcontext', '-t');
    tpm.tool('tpm2_createprimary', '-Q', '-C', 'o', '-G', 'ecc', '-a', attributes, '-c', 'root.ctx');
    tpm.tool('tpm2_load', '-Q', '-C', 'root.ctx', '-u', 'device.pub', '-r', 'device.priv', '-c', 'device.ctx');
    tpm.tool('tpm2_flushcontext', '-t');
    tpm.tool('tpm2_startauthsession', '--policy-session', '-S', 'session.ctx');
    tpm.tool('tpm2_policysecret', '-Q', '-S', 'session.ctx', '-c', 'e');
    const files = ['-i', 'credential.bin', '-o', 'opened.bin'];
    tpm.tool(
      'tpm2_activatecredential',
      '-Q',
      '-c',
      'device.ctx',
      '-C',
      'ek.ctx',
      ...files,
      '-P',
      'session:session.ctx',
    );
    tpm.tool('tpm2_flushcontext', '-t');
    tpm.tool('tpm2_flushcontext', '-l');
    expect(readFileSync(join(tpm.folder, 'opened.bin')).equals(secret)).toBe(true);
  });

  test.each(KINDS)('what tpm2_makecredential makes for a %s key is opened here', async (kind) => {
    const blob = await makeDeviceKey();
    tpm.tool('tpm2_createek', '-Q', '-c', 'ek.ctx', '-G', GROUP[kind], '-u', 'ek.pem', '-f', 'pem');
    tpm.tool('tpm2_flushcontext', '-t');
    writeFileSync(join(tpm.folder, 'secret.bin'), secret);
    const name = toHex(toName(blob.area));
    const files = ['-u', 'ek.pem', '-s', 'secret.bin', '-o', 'made.bin'];
    tpm.tool('tpm2_makecredential', '-Q', '-T', 'none', '-G', GROUP[kind], ...files, '-n', name);
    const credential = decode(readFileSync(join(tpm.folder, 'made.bin')));
    expect(toHex(await tpm.with((line) => activate(line, blob, kind, credential)))).toBe(toHex(secret));
  });

  test('a key that is only named, and not in the TPM, opens nothing', async () => {
    const blob = await makeDeviceKey();
    const other = await startTestTpm();
    const theirs = await other.with((line) => withEndorsementKey(line, 'p256', (key) => Promise.resolve(key.area)));
    const credential = makeCredential({
      endorsement: theirs,
      name: toName(blob.area),
      secret,
      random: seededRandom(5),
    });
    // The other TPM's owner loads the public part alone: its name is right, and using it needs what is not there.
    writeFileSync(join(other.folder, 'device.pub'), sized(blob.area));
    other.tool('tpm2_createek', '-Q', '-c', 'ek.ctx', '-G', 'ecc');
    other.tool('tpm2_flushcontext', '-t');
    other.tool('tpm2_loadexternal', '-Q', '-C', 'n', '-u', 'device.pub', '-c', 'device.ctx');
    other.tool('tpm2_flushcontext', '-t');
    writeFileSync(join(other.folder, 'credential.bin'), encode(credential));
    other.tool('tpm2_startauthsession', '--policy-session', '-S', 'session.ctx');
    other.tool('tpm2_policysecret', '-Q', '-S', 'session.ctx', '-c', 'e');
    const files = ['-i', 'credential.bin', '-o', 'opened.bin'];
    const attempt = ['-Q', '-c', 'device.ctx', '-C', 'ek.ctx', ...files, '-P', 'session:session.ctx'];
    // 0x12f: the authorization of the key is not available.
    expect(() => other.tool('tpm2_activatecredential', ...attempt)).toThrow(/0x12F/i);
    await other.stop();
    removeTestTpm(other);
  });

  test('an index that holds something else, or nothing yet, is passed over', async () => {
    writeNv(tpm, '0x01c0000a', new Uint8Array(40));
    expect(await tpm.with(findMakerCertificate)).toMatchObject({ kind: 'rsa2048' });
    tpm.tool('tpm2_nvundefine', '0x01c0000a', '-C', 'o');
    tpm.tool('tpm2_nvdefine', '0x01c0000a', '-C', 'o', '-s', '40', '-a', 'ownerread|ownerwrite|authread|no_da');
    expect(await tpm.with(findMakerCertificate)).toMatchObject({ kind: 'rsa2048' });
    tpm.tool('tpm2_nvundefine', '0x01c0000a', '-C', 'o');
  });

  test('the certificate of the maker is found, RSA, and P-256 before it; with those of the authorities', async () => {
    const { between } = readTestAuthorities(tpm);
    const rsa = await tpm.with(findMakerCertificate);
    expect(rsa).toMatchObject({ kind: 'rsa2048', chain: [] });
    const area = findEndorsementArea(new X509Certificate(Buffer.from(rsa!.certificate)).publicKey);
    const own = await tpm.with((line) => withEndorsementKey(line, 'rsa2048', (key) => Promise.resolve(key.area)));
    expect(toHex(area!)).toBe(toHex(own));
    certifyEccEndorsementKey(tpm, root);
    const der = new X509Certificate(between).raw;
    writeNv(tpm, '0x01c00100', concatBytes(der, root.der));
    const ecc = await tpm.with(findMakerCertificate);
    expect(ecc).toMatchObject({ kind: 'p256' });
    expect(ecc!.chain.map(toPem)).toEqual([toPem(der), toPem(root.der)]);
    const eccArea = findEndorsementArea(new X509Certificate(Buffer.from(ecc!.certificate)).publicKey);
    const made = await tpm.with((line) => withEndorsementKey(line, 'p256', (key) => Promise.resolve(key.area)));
    expect(toHex(eccArea!)).toBe(toHex(made));
  });

  test('the clock that a storage key vouches for is the clock, and an altered one is noticed', async () => {
    const readVouched = (line: Tpm) => withStorageRoot(line, { name: null }, (key) => readClock(line, key));
    const before = await tpm.with((line) => readClock(line));
    const vouched = await tpm.with(readVouched);
    expect(vouched.clockMs).toBeGreaterThanOrEqual(before.clockMs);
    expect(vouched).toMatchObject({ resetCount: before.resetCount, restartCount: before.restartCount });
    const altered = tpm.with((line) => {
      const transmit = async (command: Uint8Array): Promise<Uint8Array> => {
        const response = await line.transport.transmit(command);
        // The lowest byte of the clock: after the header, the size of the parameters, and the time.
        if (Buffer.compare(command.subarray(6, 10), u32be(0x181)) === 0) response[10 + 4 + 8 + 7] ^= 1;
        return response;
      };
      return readVouched({ ...line, transport: { ...line.transport, transmit } });
    });
    await expect(altered).rejects.toMatchObject({ code: 'TPM_RESPONSE_FORGED' });
    expect(tpm.tool('tpm2_getcap', 'handles-loaded-session').trim()).toBe('');
  });
});

test('a device key is told by its public area: attributes that are missing or too many, and keys of other kinds', () => {
  const area = concatBytes(AGREEMENT_TEMPLATE.subarray(0, -4), seededBytes(1, 68));
  expect(listAgreementFaults(area)).toEqual([]);
  const attributes = new DataView(area.buffer, area.byteOffset).getUint32(4);
  const changed = (bits: number): Uint8Array =>
    concatBytes(area.subarray(0, 4), u32be((attributes ^ bits) >>> 0), area.subarray(8));
  expect(listAgreementFaults(changed(1 << 1))).toEqual(['fixedTpm']);
  expect(listAgreementFaults(changed((1 << 1) | (1 << 4)))).toEqual(['fixedTpm', 'fixedParent']);
  expect(listAgreementFaults(changed(1 << 5))).toEqual(['sensitiveDataOrigin']);
  expect(listAgreementFaults(changed(1 << 16))).toEqual(['restricted']);
  expect(listAgreementFaults(changed(1 << 7))).toEqual(['adminWithPolicy']);
  // encryptedDuplication
  expect(listAgreementFaults(changed(1 << 11))).toEqual(['attributes']);
  expect(listAgreementFaults(concatBytes(area.subarray(0, 8), Uint8Array.of(0, 32), area.subarray(10)))).toEqual([
    'policy',
  ]);
  expect(listAgreementFaults(ATTESTATION_TEMPLATE)).toContain('restricted');
  expect(listAgreementFaults(Uint8Array.of(0, 1, 0, 11))).toEqual(['kind']);
});

test('keys that no template gives have no endorsement area', () => {
  expect(findEndorsementArea(makeP384().publicKey)).toBeUndefined();
});
