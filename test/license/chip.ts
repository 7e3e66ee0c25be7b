/**
 * A chip in software for tests: it does with a credential what TPM 2.0 Part 1, chapter 24 says, and tells any time. Written
 * apart from the code that it judges; that both are right is shown on swtpm (src/adapters/device-key/tpm.test.ts).
 */
import { createDecipheriv, createECDH, createHash, createHmac, createPublicKey } from 'node:crypto';
import { concatBytes, u32be, utf8 } from '../../src/core/bytes.ts';
import { LicenseError } from '../../src/core/errors.ts';
import type {
  AgreementKey,
  ChipClock,
  ChipTime,
  KeyCredential,
  KeyEndorsement,
  KeyProver,
} from '../../src/license/ports.ts';
import { AGREEMENT_TEMPLATE, ENDORSEMENT_TEMPLATE } from '../../src/tpm/index.ts';
import { type CertificateSpec, issue, type Issued, makeP256 } from '../fakes/attest/x509.ts';
import { toEndorsementSpec } from '../swtpm.ts';
import type { TestDevice } from './kit.ts';

const part = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64url'));
const sized = (bytes: Uint8Array): Uint8Array => concatBytes(Uint8Array.of(0, bytes.length), bytes);
const toPoint = ({ x, y }: { x: string; y: string }): Uint8Array => concatBytes(sized(part(x)), sized(part(y)));

/** Public area of the device key of `key`, as a TPM would have it. */
function toDeviceArea(key: Pick<AgreementKey, 'publicKey'>): Uint8Array {
  return concatBytes(AGREEMENT_TEMPLATE.subarray(0, -4), toPoint(key.publicKey));
}

export interface TestChip {
  readonly prover: KeyProver;
  readonly clock: ChipClock;
  /** What it says of itself; a test may make it lie. */
  endorsement: KeyEndorsement;
  time: ChipTime;
}

/** A chip with a P-256 endorsement key that `authority` certified, and `key` in it. */
export function makeChip(key: AgreementKey, authority: Issued, change: Partial<CertificateSpec> = {}): TestChip {
  const ek = createECDH('prime256v1');
  const point = ek.generateKeys();
  const [x, y] = [point.subarray(1, 33), point.subarray(33)];
  const jwk = { kty: 'EC', crv: 'P-256', x: x.toString('base64url'), y: y.toString('base64url') };
  const keyPair = { publicKey: createPublicKey({ key: jwk, format: 'jwk' }), privateKey: authority.key.privateKey };
  const chip: TestChip = {
    endorsement: {
      area: toDeviceArea(key),
      ek: concatBytes(ENDORSEMENT_TEMPLATE.subarray(0, -68), toPoint(jwk)),
      certificate: issue({ ...toEndorsementSpec(keyPair, authority), ...change }).der,
      chain: [],
    },
    time: { clockMs: 1000, resets: 1, restarts: 0, isSafe: true },
    prover: {
      describe: () => Promise.resolve(chip.endorsement),
      activate: (credential) => Promise.resolve(open(ek, x, toName(toDeviceArea(key)), credential)),
    },
    clock: { read: () => Promise.resolve(chip.time) },
  };
  return chip;
}

/** The device with its key in the chip. */
export function withChip(device: TestDevice, { prover, clock }: TestChip): TestDevice {
  const openDevice = async () => {
    const opened = await device.openDevice();
    return { ...opened, key: { ...opened.key, assurance: 'tpm' as const }, prover, clock };
  };
  return { ...device, openDevice };
}

export const makeAuthority = (): Issued => issue({ commonName: 'Maker', key: makeP256(), isAuthority: true });

function toName(area: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(0, 0x0b), createHash('sha256').update(area).digest());
}

function kdfa(seed: Uint8Array, label: string, context: Uint8Array, bits: number): Buffer {
  const text = concatBytes(u32be(1), utf8(`${label}\0`), context, u32be(bits));
  return createHmac('sha256', seed)
    .update(text)
    .digest()
    .subarray(0, bits / 8);
}

function open(
  ek: ReturnType<typeof createECDH>,
  ekX: Uint8Array,
  name: Uint8Array,
  credential: KeyCredential,
): Uint8Array {
  const { blob, encryptedSeed } = credential;
  const [theirX, theirY] = [encryptedSeed.subarray(2, 34), encryptedSeed.subarray(36, 68)];
  const z = ek.computeSecret(concatBytes(Uint8Array.of(4), theirX, theirY));
  const seed = createHash('sha256')
    .update(concatBytes(u32be(1), z, utf8('IDENTITY\0'), theirX, ekX))
    .digest();
  const [mac, identity] = [blob.subarray(2, 34), blob.subarray(34)];
  const macKey = kdfa(seed, 'INTEGRITY', new Uint8Array(), 256);
  const expected = createHmac('sha256', macKey).update(identity).update(name).digest();
  if (!expected.equals(mac)) throw new LicenseError('LICENSE_CREDENTIAL_REFUSED');
  const plain = createDecipheriv('aes-128-cfb', kdfa(seed, 'STORAGE', name, 128), new Uint8Array(16)).update(identity);
  return new Uint8Array(plain.subarray(2, 2 + plain.readUInt16BE(0)));
}
