/** The closed list of refusals: one minimal case for each code, and none without one. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { licenseErrors } from '../../src/core/errors/license.ts';
import { licenseDeviceErrors } from '../../src/core/errors/license-device.ts';
import { licenseExchangeErrors } from '../../src/core/errors/license-exchange.ts';
import { toCertifiedCases } from './certified-cases.ts';
import { toDeviceCases } from './device-cases.ts';
import { readRefusals } from './device-ledger.ts';
import { toDocumentCases } from './document-cases.ts';
import { toExchangeCases } from './exchange-cases.ts';
import { type Kit, makeKit } from './kit.ts';

let kit: Kit;
beforeEach(() => {
  kit = makeKit();
});
afterEach(() => {
  kit.remove();
});

const codes = { ...licenseErrors, ...licenseDeviceErrors, ...licenseExchangeErrors };
const CASES: Readonly<Record<keyof typeof codes, () => Promise<unknown>>> = {
  ...toDocumentCases(() => kit),
  ...toDeviceCases(() => kit),
  ...toCertifiedCases(() => kit),
  ...toExchangeCases(() => kit),
};

/** Refused where there is no ledger of a device: no key of his to sign it, or at the vendor's, whose ledger has it. */
const ELSEWHERE: ReadonlySet<string> = new Set([
  ...['LICENSE_DEVICE_KEY_MISSING', 'LICENSE_DEVICE_KEY_EXISTS', 'LICENSE_DEVICE_KEY_INVALID'],
  ...['LICENSE_STATE_BUSY', 'LICENSE_LEDGER_FAILED', 'LICENSE_SERVER_UNAVAILABLE', 'LICENSE_SERVER_INSECURE'],
  ...['LICENSE_EK_MISSING', 'LICENSE_EK_UNTRUSTED', 'LICENSE_EK_EXPIRED', 'LICENSE_EK_REVOKED', 'LICENSE_EK_MISMATCH'],
  ...['LICENSE_DEVICE_KEY_WEAK', 'LICENSE_ENROLMENT_MALFORMED', 'LICENSE_NAME_TAKEN', 'LICENSE_UNKNOWN'],
  ...['LICENSE_REQUEST_MALFORMED', 'LICENSE_REQUEST_STALE', 'LICENSE_REQUEST_REPLAYED', 'LICENSE_REQUESTS_TOO_MANY'],
  ...['LICENSE_PROOF_INVALID', 'LICENSE_STORE_FAILED', 'LICENSE_REGISTER_MOVED', 'LICENSE_REGISTER_NOT_EMPTY'],
  'LICENSE_LOG_TAKEN',
]);

describe('every refusal has its code', () => {
  test.each(Object.entries(CASES))('%s', async (code, run) => {
    await expect(run()).rejects.toMatchObject({ code });
    const causes = readRefusals(kit.folder).map(({ cause }) => cause);
    expect(causes.includes(code as keyof typeof codes), 'in the ledger of the device').toBe(!ELSEWHERE.has(code));
  });

  test('there are at least 40 of them', () => {
    expect(Object.keys(codes).length).toBeGreaterThanOrEqual(40);
    expect(Object.keys(CASES).sort()).toEqual(Object.keys(codes).sort());
  });
});
