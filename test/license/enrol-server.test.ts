/** Enrolment of a key in a TPM over the licence server, TLS 1.3: two steps, and what is refused at each. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openHttpsServer, type HttpsServer } from '../../src/adapters/https-server/index.ts';
import { askServer } from '../../src/adapters/license-server/index.ts';
import { readEnrolmentFile } from '../../src/license/index.ts';
import {
  createLicenseHandler,
  enrolDevice,
  readMakers,
  respondToChallenge,
  takeCertified,
} from '../../src/workflows/license/index.ts';
import { makeServerIdentity } from '../broker/tls.ts';
import { makeAuthority, makeChip, withChip } from './chip.ts';
import { type Kit, makeKit, type TestDevice } from './kit.ts';

const limits = {
  ...{ bodyBytesMax: 32_768, headerBytesMax: 8192, connectionsMax: 64 },
  ...{ headersTimeoutMs: 60_000, requestTimeoutMs: 60_000, idleTimeoutMs: 100 },
};
const { caPem, ...identity } = makeServerIdentity();
const maker = makeAuthority();

let kit: Kit;
let device: TestDevice;
let server: HttpsServer;

async function serve(makers: ReturnType<typeof readMakers> | null): Promise<void> {
  const handler = createLicenseHandler({ ...kit.answering, statusUri: null, makers, onTrouble: () => undefined });
  const options = { host: '127.0.0.1', port: 0, ...identity, limits, handler, onTrouble: () => undefined };
  server = await openHttpsServer(options);
}

beforeEach(async () => {
  kit = makeKit();
  device = withChip(kit.device, makeChip(kit.device.key, maker));
  await serve(readMakers([maker.der]));
});
afterEach(async () => {
  await server.close();
  kit.remove();
});

const ask = (action: string, request: string): Promise<string> =>
  askServer({ server: `https://127.0.0.1:${server.port}`, action, request, caPem });
const keys = () => kit.trust.keys;

async function enrol(of: TestDevice = device): Promise<string> {
  const { enrolment } = await enrolDevice(of, await of.openDevice(), { isNew: true });
  return Buffer.from(enrolment).toString('latin1').trimEnd();
}

const respond = async (text: string): Promise<string> =>
  respondToChallenge(device, await device.openDevice(), { text, keys: keys() });

test('a device is certified in two steps, in the ledger once; the same response counts once', async () => {
  const response = await respond(await ask('enrol', await enrol()));
  const file = takeCertified(device, { text: await ask('enrol/response', response), keys: keys() });
  expect(readEnrolmentFile(file, keys()).assurance).toBe('tpm-certified');
  await expect(ask('enrol/response', response)).rejects.toMatchObject({ code: 'LICENSE_REQUEST_REPLAYED' });
  expect(kit.records.map(({ type }) => type)).toEqual(['enrolment']);
});

test('a challenge of the server is answered within five minutes', async () => {
  const response = await respond(await ask('enrol', await enrol()));
  kit.clock.nowSec += 300;
  await expect(ask('enrol/response', response)).rejects.toMatchObject({ code: 'LICENSE_REQUEST_STALE' });
});

test('who has no certified TPM is told so, and garbage is refused, each with its code', async () => {
  await expect(ask('enrol', await enrol(kit.device))).rejects.toMatchObject({ code: 'LICENSE_EK_MISSING' });
  const foreign = withChip(kit.device, makeChip(kit.device.key, makeAuthority()));
  await expect(ask('enrol', await enrol(foreign))).rejects.toMatchObject({ code: 'LICENSE_EK_UNTRUSTED' });
  await expect(ask('enrol', '{')).rejects.toMatchObject({ code: 'LICENSE_ENROLMENT_MALFORMED' });
  await expect(ask('enrol/response', 'a.b')).rejects.toMatchObject({ code: 'LICENSE_MALFORMED' });
  expect(kit.refusals).toHaveLength(4);
});

test('without makers the server certifies nothing', async () => {
  await server.close();
  await serve(null);
  await expect(ask('enrol', await enrol())).rejects.toMatchObject({ code: 'LICENSE_REQUEST_MALFORMED' });
});

test("the word about another enrolment is not taken for one's own", async () => {
  const first = await ask('enrol/response', await respond(await ask('enrol', await enrol())));
  await enrol();
  expect(() => takeCertified(device, { text: first, keys: keys() })).toThrow(
    expect.objectContaining({ code: 'LICENSE_CHALLENGE_OTHER' }),
  );
});
