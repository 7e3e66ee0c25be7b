/** A device whose record of licences has no room for one more. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LICENSE_LIMITS } from '../../src/core/limits/license.ts';
import { decodeState, type DeviceState, encodeState, newState } from '../../src/license/index.ts';
import { nodeStorage } from '../../src/source/node-storage.ts';
import type { TestDevice } from './kit.ts';

/** Fills the record up with licences of a name that nobody issued. */
export async function fillRecord(device: TestDevice): Promise<void> {
  const { key, counter } = await device.openDevice();
  const path = join(device.deviceFolder, 'state.json');
  const before = nodeStorage.exists(path)
    ? await decodeState(nodeStorage.read(path), key)
    : newState(key, counter, false);
  const more = LICENSE_LIMITS.stateLicensesMax - Object.keys(before.licenses).length;
  const record: DeviceState['licenses'][string] = {
    ...{ seq: 1, activatedSec: 0, contactSec: 0, lease: null, pending: null, pendingSec: 0, taken: null },
    ...{ standing: 'valid', statusSec: 0 },
  };
  const others = Array.from({ length: more }, (_, at) => [`other${at}@urn:modelward:${'ab'.repeat(32)}`, record]);
  const licenses = { ...before.licenses, ...(Object.fromEntries(others) as DeviceState['licenses']) };
  writeFileSync(path, await encodeState({ ...before, counter: await counter.increment(), licenses }, key));
}
