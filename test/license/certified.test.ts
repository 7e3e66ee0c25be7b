/** Keys that are proven to be in a certified TPM: the way there by files, what it is worth, and each attempt to get it otherwise. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LicenseError } from '../../src/core/errors.ts';
import {
  encodeCertifiedFile,
  encodeEnrolment,
  type Enrolment,
  type KnownAssurance,
  parseEnrolment,
  readEnrolmentFile,
  signChallenge,
  signResponse,
  toThumbprint,
  verifyChallenge,
  verifyLicense,
} from '../../src/license/index.ts';
import {
  certifyDevice,
  type CertifyContext,
  challengeDevice,
  enrolDevice,
  issueLicense,
  type LicenseTerms,
  openVendor,
  readMakers,
  respondToChallenge,
  type VendorServices,
} from '../../src/workflows/license/index.ts';
import type { Session } from '../../src/workflows/session.ts';
import { seededRandom } from '../fakes/seal-kit.ts';
import { issueCrl } from '../fakes/attest/x509.ts';
import { createOwner } from '../../src/sign/index.ts';
import { makeAuthority, makeChip, type TestChip, withChip } from './chip.ts';
import { DAY, type Kit, makeAgreementKey, makeKit, T0, type TestDevice } from './kit.ts';

const maker = makeAuthority();
let kit: Kit;
let chip: TestChip;
let device: TestDevice;
beforeEach(() => {
  kit = makeKit();
  chip = makeChip(kit.device.key, maker);
  device = withChip(kit.device, chip);
});
afterEach(() => {
  kit.remove();
});

function certifier(makers: readonly Uint8Array[] = [maker.der]): CertifyContext {
  return { ...kit.answering, makers: readMakers(makers) };
}

async function enrol(of: TestDevice = device): Promise<Uint8Array> {
  const opened = await of.openDevice();
  return (await enrolDevice(of, opened, { isNew: true })).enrolment;
}

const challenge = (enrolment: Uint8Array, context = certifier()) =>
  challengeDevice(context, enrolment, { isFile: true });

async function respond(text: string, of: TestDevice = device): Promise<string> {
  return respondToChallenge(of, await of.openDevice(), { text, keys: kit.trust.keys });
}

/** The enrolment with another endorsement. */
function withEndorsement(bytes: Uint8Array, change: Partial<NonNullable<Enrolment['tpm']>>): Uint8Array {
  const enrolment = parseEnrolment(bytes);
  return encodeEnrolment({ ...enrolment, tpm: { ...enrolment.tpm!, ...change } });
}

const b64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');

describe('by files', () => {
  test('enrolment, challenge, response: the vendor certifies, and the ledger says so', async () => {
    const { certified, jkt, ek, leafIndex } = await certifyDevice(
      certifier(),
      await respond(await challenge(await enrol())),
    );
    expect(jkt).toBe(toThumbprint(device.key.publicKey));
    const read = readEnrolmentFile(encodeCertifiedFile(certified), [kit.vendor.key]);
    expect(read).toMatchObject({ assurance: 'tpm-certified', certified: { ek, isRevocationChecked: false } });
    expect(kit.records[leafIndex]).toMatchObject({ type: 'enrolment', subject: jkt, digests: { endorsement: ek } });
  });

  test('lists of revoked certificates that are given with the makers are looked at', async () => {
    const list = (revoked: readonly number[]) =>
      issueCrl({ issuer: maker, revoked, thisUpdate: '2026-04-01T00:00:00Z', nextUpdate: '2026-06-01T00:00:00Z' });
    const context = certifier([maker.der, list([5])]);
    const result = await certifyDevice(context, await respond(await challenge(await enrol(), context)));
    expect(result.isRevocationChecked).toBe(true);
    const revoked = certifier([maker.der, list([77])]);
    await expect(challenge(await enrol(), revoked)).rejects.toMatchObject({ code: 'LICENSE_EK_REVOKED' });
  });

  test('what the device says alone is told as that, and the word of another vendor is none', async () => {
    const enrolment = await enrol();
    expect(readEnrolmentFile(enrolment, [kit.vendor.key])).toMatchObject({ assurance: 'tpm', certified: null });
    const { certified } = await certifyDevice(certifier(), await respond(await challenge(enrolment)));
    const other = openVendor(createOwner({ ownerId: 'b', random: seededRandom(99), clock: kit.clock }));
    expect(() => readEnrolmentFile(encodeCertifiedFile(certified), [other.key])).toThrow(
      expect.objectContaining({ code: 'LICENSE_KEY_UNKNOWN' }),
    );
  });
});

test('with makers, a licence for a TPM is issued for a key alone that is certified under them still', async () => {
  const owner = createOwner({ ownerId: 'b', random: seededRandom(98), clock: kit.clock });
  const vendor = openVendor(owner);
  const by = { ...certifier(), vendor };
  const enrolment = await enrol();
  const text = await challenge(enrolment, by);
  const response = await respondToChallenge(device, await device.openDevice(), { text, keys: [vendor.key] });
  const certified = encodeCertifiedFile((await certifyDevice(by, response)).certified);
  const terms: LicenseTerms = {
    ...{ licensee: 'Acme', audience: 'modelward', validSec: DAY, fromSec: null, entitlements: [], offline: {} },
    ...{ pool: null, machineParts: 0, assurance: 'tpm', status: null },
  };
  const issue = (bytes: Uint8Array, pinned: Uint8Array) => {
    const services: unknown = { clock: kit.clock };
    const options = { path: `${kit.folder}/absent`, keyUri: null, name: null, terms };
    return issueLicense(services as VendorServices, { owner } as Session, {
      ...options,
      enrolment: bytes,
      makers: readMakers([pinned]),
    });
  };
  await expect(issue(enrolment, maker.der)).rejects.toMatchObject({ code: 'LICENSE_ASSURANCE_LOW' });
  await expect(issue(certified, makeAuthority().der)).rejects.toMatchObject({ code: 'LICENSE_EK_UNTRUSTED' });
  // What is looked at next is the model.
  await expect(issue(certified, maker.der)).rejects.toMatchObject({ code: 'SOURCE_NOT_FOUND' });
});

describe('what is no proof', () => {
  test.each<[string, string, () => Promise<unknown>]>([
    [
      'a key in a file that calls itself one in a TPM',
      'LICENSE_EK_MISSING',
      async () => challenge(await enrol(kit.device)),
    ],
    [
      'a certificate of a maker who is not pinned',
      'LICENSE_EK_UNTRUSTED',
      async () => challenge(await enrol(), certifier([makeAuthority().der])),
    ],
    [
      'an expired certificate',
      'LICENSE_EK_EXPIRED',
      async () => {
        kit.clock.nowSec = T0 + 9 * 365 * DAY;
        return challenge(await enrol());
      },
    ],
    [
      'a certificate for something else',
      'LICENSE_EK_UNTRUSTED',
      async () => {
        chip = makeChip(kit.device.key, maker, { extensions: [] });
        return challenge(await enrol(withChip(kit.device, chip)));
      },
    ],
    [
      "the certificate of another TPM beside one's own endorsement key",
      'LICENSE_EK_MISMATCH',
      async () => {
        const { certificate } = makeChip(makeAgreementKey(), maker).endorsement;
        return challenge(withEndorsement(await enrol(), { certificate: b64(certificate) }));
      },
    ],
    ...[
      ['fixedTpm', 7, 0x02],
      ['fixedParent', 7, 0x10],
      ['sensitiveDataOrigin', 7, 0x20],
      ['restricted', 5, 0x01],
    ].map(([name, at, bit]): [string, string, () => Promise<unknown>] => [
      `a device key with ${name} turned over`,
      'LICENSE_DEVICE_KEY_WEAK',
      async () => {
        const area = chip.endorsement.area.map((byte, index) => (index === at ? byte ^ Number(bit) : byte));
        return challenge(withEndorsement(await enrol(), { area: b64(area) }));
      },
    ]),
    [
      "the area of a key in the TPM beside a key of one's own",
      'LICENSE_ENROLMENT_MALFORMED',
      async () => {
        const { area } = makeChip(makeAgreementKey(), maker).endorsement;
        return challenge(withEndorsement(await enrol(), { area: b64(area) }));
      },
    ],
    [
      'a device key that is not in the TPM of the certificate',
      'LICENSE_CREDENTIAL_REFUSED',
      async () => {
        // The chip is genuine, and its owner lends it; the key that is enrolled is in a file.
        const lent = makeChip(makeAgreementKey(), maker);
        lent.endorsement = { ...lent.endorsement, area: chip.endorsement.area };
        const thief = withChip(kit.device, lent);
        return respond(await challenge(await enrol(thief)), thief);
      },
    ],
    [
      'a challenge that was made for another TPM',
      'LICENSE_CREDENTIAL_REFUSED',
      async () => {
        const text = await challenge(await enrol());
        const { prover } = makeChip(kit.device.key, maker);
        const elsewhere = withChip(kit.device, {
          ...chip,
          prover: { ...prover, describe: () => chip.prover.describe() },
        });
        return respond(text, elsewhere);
      },
    ],
    [
      'a credential that was swapped for the one of another challenge',
      'LICENSE_PROOF_INVALID',
      async () => {
        const enrolment = await enrol();
        const keys = kit.trust.keys;
        const [one, two] = [await challenge(enrolment), await challenge(enrolment)].map((text) =>
          verifyChallenge(text, keys, parseEnrolment(enrolment)),
        );
        const secret = await chip.prover.activate(two.credential);
        return certifyDevice(certifier(), signResponse(one, parseEnrolment(enrolment), secret));
      },
    ],
    [
      'an answer without what the TPM gives back',
      'LICENSE_PROOF_INVALID',
      async () => {
        const guess = { ...chip.prover, activate: () => Promise.resolve(new Uint8Array(32)) };
        const thief = withChip(kit.device, { ...chip, prover: guess });
        return certifyDevice(certifier(), await respond(await challenge(await enrol(thief)), thief));
      },
    ],
    [
      'an answer for one enrolment with another in it',
      'LICENSE_PROOF_INVALID',
      async () => {
        const [header, payload, mac] = (await respond(await challenge(await enrol()))).split('.');
        const said = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { enr: Enrolment };
        const changed = { ...said, enr: { ...said.enr, jwk: makeAgreementKey().publicKey } };
        return certifyDevice(certifier(), [header, b64(Buffer.from(JSON.stringify(changed))), mac].join('.'));
      },
    ],
    [
      'an answer whose end was put off',
      'LICENSE_PROOF_INVALID',
      async () => {
        const [header, payload, mac] = (await respond(await challenge(await enrol()))).split('.');
        const said = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { exp: number };
        return certifyDevice(
          certifier(),
          [header, b64(Buffer.from(JSON.stringify({ ...said, exp: said.exp + 1 }))), mac].join('.'),
        );
      },
    ],
    [
      'an answer that comes too late',
      'LICENSE_REQUEST_STALE',
      async () => {
        const text = await respond(await challenge(await enrol()));
        kit.clock.nowSec += 14 * DAY;
        return certifyDevice(certifier(), text);
      },
    ],
    [
      'an answer that was taken before',
      'LICENSE_REQUEST_REPLAYED',
      async () => {
        const text = await respond(await challenge(await enrol()));
        await certifyDevice(certifier(), text);
        return certifyDevice(certifier(), text);
      },
    ],
    [
      'a challenge to an earlier enrolment',
      'LICENSE_CHALLENGE_OTHER',
      async () => {
        const text = await challenge(await enrol());
        const { enrolment } = await enrolDevice(device, await device.openDevice(), { isNew: false });
        expect(enrolment.length).toBeGreaterThan(0);
        return respond(text);
      },
    ],
    [
      'a challenge of somebody else than the pinned vendor',
      'LICENSE_KEY_UNKNOWN',
      async () => {
        const other = openVendor(createOwner({ ownerId: 'b', random: seededRandom(98), clock: kit.clock }));
        return respond(await challenge(await enrol(), { ...certifier(), vendor: other }));
      },
    ],
    [
      'an answer that is addressed to another vendor by who has the secret',
      'LICENSE_ISSUER',
      async () => {
        const enrolment = parseEnrolment(await enrol());
        const asked = verifyChallenge(await challenge(encodeEnrolment(enrolment)), kit.trust.keys, enrolment);
        const secret = await chip.prover.activate(asked.credential);
        return certifyDevice(certifier(), signResponse({ ...asked, issuer: 'urn:modelward:other' }, enrolment, secret));
      },
    ],
    [
      'an answer that was made for another vendor',
      'LICENSE_PROOF_INVALID',
      async () => {
        const other = openVendor(createOwner({ ownerId: 'b', random: seededRandom(97), clock: kit.clock }));
        return certifyDevice({ ...certifier(), vendor: other }, await respond(await challenge(await enrol())));
      },
    ],
  ])('%s is refused as %s', async (_, code, attempt) => {
    await expect(attempt()).rejects.toMatchObject({ code });
  });

  test('whatever is in an enrolment, it is refused with a code of licences', async () => {
    const enrolment = parseEnrolment(await enrol());
    const { tpm } = enrolment;
    const context = certifier();
    const bytes = fc.uint8Array({ maxLength: 400 });
    const whole = Buffer.from(tpm!.certificate, 'base64url');
    const cut = fc.nat(whole.length - 1).map((length) => whole.subarray(0, length));
    const member = fc.constantFrom('area', 'ek', 'certificate');
    await fc.assert(
      fc.asyncProperty(member, fc.oneof(bytes, cut), fc.array(bytes, { maxLength: 4 }), async (name, value, chain) => {
        const forged = { ...enrolment, tpm: { ...tpm!, chain: chain.map(b64), [name]: b64(value) } };
        const refused: unknown = await challenge(encodeEnrolment(forged), context).catch((error: unknown) => error);
        expect(refused).toBeInstanceOf(LicenseError);
      }),
      { numRuns: 300 },
    );
  });

  test('each refusal of the vendor is counted in the ledger', async () => {
    await challenge(await enrol(), certifier([makeAuthority().der])).catch(() => undefined);
    await certifyDevice(certifier(), 'no.thing.here').catch(() => undefined);
    expect(kit.refusals.map(({ cause }) => cause)).toEqual(['LICENSE_EK_UNTRUSTED', 'LICENSE_MALFORMED']);
  });

  test('secrets of two questions have nothing in common, and one question has always the same', async () => {
    const enrolment = parseEnrolment(await enrol());
    const ask = (nonce: string, expSec: number) =>
      signChallenge({
        ...{ signer: kit.vendor.signer, secretOf: kit.vendor.secretOf, enrolment, nonce, iatSec: T0, expSec },
        random: seededRandom(3),
      });
    const open = async (text: string) =>
      b64(await chip.prover.activate(verifyChallenge(text, kit.trust.keys, enrolment).credential));
    const [nonce, other] = ['A'.repeat(22), 'B'.repeat(22)];
    const texts = await Promise.all([ask(nonce, T0 + 9), ask(nonce, T0 + 9), ask(nonce, T0 + 8), ask(other, T0 + 9)]);
    const [one, same, sooner, second] = await Promise.all(texts.map(open));
    expect(one).toBe(same);
    expect(new Set([one, sooner, second]).size).toBe(3);
  });
});

describe('claims', () => {
  const issue = (asr: KnownAssurance, assurance: KnownAssurance) => kit.issue({ asr, key: { assurance } });

  test('a licence says what was known of the key, and does not demand more', async () => {
    const { text } = await issue('tpm', 'tpm-certified');
    expect(verifyLicense(text, kit.trust).claims.key).toEqual({ assurance: 'tpm-certified' });
    await expect(issue('tpm-certified', 'tpm')).rejects.toMatchObject({ code: 'LICENSE_CLAIMS_INVALID' });
    await expect(kit.issue({ asr: 'tpm-certified' })).rejects.toMatchObject({ code: 'LICENSE_CLAIMS_INVALID' });
  });
});
