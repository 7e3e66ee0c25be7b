/** What happens to a licence, as steps of a test: it is issued, activated, opened with, asked about, listed, seated. */
import { join } from 'node:path';
import { maskParts } from '../../src/license/index.ts';
import {
  acceptAnswer,
  activateLicense,
  answerRequest,
  changeStanding,
  makeRequest,
  withLicensedKey,
  writeStatusList,
} from '../../src/workflows/license/index.ts';
import { DAY, issueActivated, type Kit, type Overrides, type TestDevice } from './kit.ts';

export const b64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
export const json = (file: Uint8Array): Record<string, string> =>
  JSON.parse(Buffer.from(file).toString()) as Record<string, string>;
export const bytes = (value: unknown): Uint8Array => new Uint8Array(Buffer.from(JSON.stringify(value)));

export const STATUS_URI = 'https://vendor.example/list';
export const listed = (idx: number, maxAgeSec: number | null = DAY): Overrides => {
  return { status: { status_list: { idx, uri: STATUS_URI }, maxAgeSec } };
};
export const pool = (seats: number): Overrides => {
  return {
    pool: { id: 'team', seats },
    off: { checkSec: null, graceSec: 0, lateSec: 0, maxSkewSec: 300, leaseSec: 600 },
  };
};

/** @param kitOf the kit of the test that runs */
export function createSteps(kitOf: () => Kit) {
  /** Opens the sealed model; what comes back is the plaintext's key, and a refusal gives none. */
  async function open(
    file: Uint8Array,
    more: Partial<Parameters<typeof withLicensedKey>[2]> = {},
    device = kitOf().device,
  ) {
    const options = { path: kitOf().sealPath, file, statusList: null, needs: [], ...more };
    return withLicensedKey(device, kitOf().trust, options, ({ dek }) =>
      Promise.resolve(Buffer.from(dek).toString('hex')),
    );
  }

  const activate = (file: Uint8Array, device: TestDevice = kitOf().device) =>
    activateLicense(device, kitOf().trust, file);

  const activated = (overrides: Overrides = {}) => issueActivated(kitOf(), overrides);

  async function ask(
    file: Uint8Array,
    action: Parameters<typeof makeRequest>[2]['action'],
    more: { from?: string; device?: TestDevice; isReset?: boolean } = {},
  ) {
    const { device = kitOf().device, ...rest } = more;
    return makeRequest(device, kitOf().trust, { file, action, isFile: false, ...rest });
  }

  async function exchange(file: Uint8Array, action: Parameters<typeof ask>[1], more: Parameters<typeof ask>[2] = {}) {
    const text = await answerRequest(kitOf().answering, await ask(file, action, more));
    return acceptAnswer(more.device ?? kitOf().device, kitOf().trust, { file, text });
  }

  async function list(uri = STATUS_URI): Promise<string> {
    const { vendor, store, clock } = kitOf();
    return writeStatusList({ services: { clock }, store, vendor }, { uri, ttlSec: DAY });
  }

  const fingerprint = (k: number): Overrides => ({
    fpr: { ...maskParts(kitOf().device.parts, kitOf().device.random), k },
  });

  async function twoOfOneSeat() {
    const first = await activated(pool(1));
    await exchange(first.file, 'lease');
    const device = kitOf().makeDevice();
    const second = await kitOf().issue(pool(1), { device });
    await activate(second.file, device);
    return { first, second: { ...second, device } };
  }

  /** The vendor revokes, suspends or restores a licence. */
  const changeTo = (name: string, change: 'revoke' | 'suspend' | 'restore') =>
    changeStanding({ store: kitOf().store, recorder: kitOf().answering.recorder }, { name, change });
  const statePath = () => join(kitOf().device.deviceFolder, 'state.json');
  return { open, activate, activated, ask, exchange, list, fingerprint, twoOfOneSeat, statePath, changeTo };
}
