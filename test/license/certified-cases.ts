/** The refusals of TPM keys: a minimal case of each, for outcomes.test.ts. */
import { encodeEnrolment, parseEnrolment } from '../../src/license/index.ts';
import {
  activateLicense,
  challengeDevice,
  enrolDevice,
  readMakers,
  respondToChallenge,
  withLicensedKey,
} from '../../src/workflows/license/index.ts';
import { issueCrl } from '../fakes/attest/x509.ts';
import { makeAuthority, makeChip, type TestChip, withChip } from './chip.ts';
import { DAY, type Kit, makeAgreementKey, T0, type TestDevice } from './kit.ts';

type Case = () => Promise<unknown>;

/** @param kitOf the kit of the test that runs */
export function toCertifiedCases(kitOf: () => Kit) {
  const maker = makeAuthority();
  const equip = (): { readonly chip: TestChip; readonly device: TestDevice } => {
    const chip = makeChip(kitOf().device.key, maker);
    return { chip, device: withChip(kitOf().device, chip) };
  };
  const enrol = async (device: TestDevice): Promise<Uint8Array> =>
    (await enrolDevice(device, await device.openDevice(), { isNew: true })).enrolment;
  const challenge = (enrolment: Uint8Array, makers: readonly Uint8Array[] = [maker.der]): Promise<string> =>
    challengeDevice({ ...kitOf().answering, makers: readMakers(makers) }, enrolment, { isFile: true });
  const respond = async (text: string, device: TestDevice): Promise<string> =>
    respondToChallenge(device, await device.openDevice(), { text, keys: kitOf().trust.keys });
  const use = async (change: (chip: TestChip) => void): Promise<unknown> => {
    const { chip, device } = equip();
    const { file } = await kitOf().issue({}, { device });
    await activateLicense(device, kitOf().trust, file);
    change(chip);
    const options = { path: kitOf().sealPath, file, statusList: null, needs: [] };
    return withLicensedKey(device, kitOf().trust, options, () => Promise.resolve());
  };
  return {
    LICENSE_EK_MISSING: async () => challenge(await enrol(kitOf().device)),
    LICENSE_EK_UNTRUSTED: async () => challenge(await enrol(equip().device), [makeAuthority().der]),
    LICENSE_EK_EXPIRED: async () => {
      kitOf().clock.nowSec = T0 + 9 * 365 * DAY;
      return challenge(await enrol(equip().device));
    },
    LICENSE_EK_REVOKED: async () => {
      const times = { thisUpdate: '2026-04-01T00:00:00Z', nextUpdate: '2026-06-01T00:00:00Z' };
      return challenge(await enrol(equip().device), [maker.der, issueCrl({ issuer: maker, revoked: [77], ...times })]);
    },
    LICENSE_EK_MISMATCH: async () => {
      const { chip, device } = equip();
      chip.endorsement = { ...chip.endorsement, ek: makeChip(makeAgreementKey(), maker).endorsement.ek };
      return challenge(await enrol(device));
    },
    LICENSE_DEVICE_KEY_WEAK: async () => {
      const { chip, device } = equip();
      const area = chip.endorsement.area.slice();
      // fixedTPM
      area[7] ^= 0x02;
      chip.endorsement = { ...chip.endorsement, area };
      return challenge(await enrol(device));
    },
    LICENSE_CREDENTIAL_REFUSED: async () => {
      const { device } = equip();
      const text = await challenge(await enrol(device));
      return respond(text, withChip(kitOf().device, makeChip(kitOf().device.key, maker)));
    },
    LICENSE_CHALLENGE_OTHER: async () => {
      const { device } = equip();
      const { fpr, ...rest } = parseEnrolment(await enrol(device));
      return respond(await challenge(encodeEnrolment({ ...rest, fpr: { ...fpr, parts: {} } })), device);
    },
    LICENSE_CLOCK_STOPPED: () => use((chip) => (chip.time = { ...chip.time, clockMs: DAY * 1000 })),
    LICENSE_CLOCK_UNTRUSTED: () => use((chip) => (chip.time = { ...chip.time, clockMs: 0 })),
  } satisfies Readonly<Record<string, Case>>;
}
