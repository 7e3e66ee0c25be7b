/** Device and licence server over TLS 1.3: seats, refusals with their code, and many devices at once. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openHttpsServer, type HttpsServer } from '../../src/adapters/https-server/index.ts';
import { askServer } from '../../src/adapters/license-server/index.ts';
import { verifyStatusList } from '../../src/license/index.ts';
import { makeServerIdentity } from '../broker/tls.ts';
import { acceptAnswer, activateLicense, createLicenseHandler, makeRequest } from '../../src/workflows/license/index.ts';
import { type Kit, makeKit, type Overrides, type TestDevice } from './kit.ts';

const limits = {
  ...{ bodyBytesMax: 32_768, headerBytesMax: 8192, connectionsMax: 64 },
  ...{ headersTimeoutMs: 60_000, requestTimeoutMs: 60_000, idleTimeoutMs: 100 },
};
const STATUS_URI = 'https://vendor.example/list';
const { caPem, ...identity } = makeServerIdentity();

let kit: Kit;
let server: HttpsServer;
let url: string;
const troubles: string[] = [];

beforeEach(async () => {
  kit = makeKit();
  troubles.length = 0;
  const onTrouble = (code: string) => void troubles.push(code);
  const handler = createLicenseHandler({ ...kit.answering, statusUri: STATUS_URI, makers: null, onTrouble });
  server = await openHttpsServer({
    host: '127.0.0.1',
    port: 0,
    ...identity,
    limits,
    handler,
    onTrouble: () => undefined,
  });
  url = `https://127.0.0.1:${server.port}`;
});
afterEach(async () => {
  await server.close();
  kit.remove();
});

async function activated(overrides: Overrides = {}, device: TestDevice = kit.device): Promise<Uint8Array> {
  const { file } = await kit.issue(overrides, { device });
  await activateLicense(device, kit.trust, file);
  return file;
}

async function sync(file: Uint8Array, action: 'check' | 'lease' | 'renew', device: TestDevice = kit.device) {
  const request = await makeRequest(device, kit.trust, { file, action, isFile: false });
  const text = await askServer({ server: url, action, request, caPem });
  return acceptAnswer(device, kit.trust, { file, text });
}

test('a device checks, renews, and reads the status list', async () => {
  const file = await activated();
  expect(await sync(file, 'check')).toMatchObject({ result: 'OK', file: null });
  expect((await sync(file, 'renew')).file).toEqual(file);
  const list = await getText(`${url}/v1/status-list`);
  expect(verifyStatusList(list, kit.trust.keys).uri).toBe(STATUS_URI);
});

test('a refusal comes with its code; what is no request of a device is refused and counted', async () => {
  const file = await activated();
  const request = await makeRequest(kit.device, kit.trust, { file, action: 'check', isFile: false });
  const ask = (action: string, text: string) => askServer({ server: url, action, request: text, caPem });
  await expect(ask('renew', request)).rejects.toMatchObject({ code: 'LICENSE_REQUEST_MALFORMED' });
  await ask('check', request);
  await expect(ask('check', request)).rejects.toMatchObject({ code: 'LICENSE_REQUEST_REPLAYED' });
  await expect(ask('check', 'nonsense')).rejects.toMatchObject({ code: 'LICENSE_MALFORMED' });
  await expect(ask('steal', request)).rejects.toMatchObject({ code: 'LICENSE_REQUEST_MALFORMED' });
  expect(kit.refusals.map(({ cause }) => cause)).toEqual([
    'LICENSE_REQUEST_MALFORMED',
    'LICENSE_REQUEST_REPLAYED',
    'LICENSE_MALFORMED',
  ]);
  expect(troubles).toEqual([]);
});

test('a server that is not the one of the given authority is not spoken to, whatever the environment says', async () => {
  const other = makeServerIdentity().caPem;
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
  try {
    const ask = askServer({ server: url, action: 'check', request: 'x', caPem: other });
    await expect(ask).rejects.toMatchObject({ code: 'LICENSE_SERVER_UNAVAILABLE' });
    // Not a refusal: that one would have come from the server.
    await expect(ask).rejects.not.toHaveProperty('fields.status');
  } finally {
    delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
  }
});

test('a path that looks like the address of another server is a path of the server that was named', async () => {
  const [elsewhere, here] = [`https://127.0.0.1:1//${new URL(url).host}`, `${url}//127.0.0.1:1`];
  const ask = (server: string) => askServer({ server, action: 'check', request: 'x', caPem });
  await expect(ask(elsewhere)).rejects.toMatchObject({ fields: { host: '127.0.0.1:1' } });
  await expect(ask(here)).rejects.toMatchObject({ fields: { host: new URL(url).host, status: 404 } });
});

test('of eight devices that ask at once, as many get a seat as there are', async () => {
  const pool: Overrides = {
    pool: { id: 'team', seats: 3 },
    off: { checkSec: null, graceSec: 0, lateSec: 0, maxSkewSec: 300, leaseSec: 600 },
  };
  const devices = Array.from({ length: 8 }, () => kit.makeDevice());
  const files: Uint8Array[] = [];
  for (const device of devices) files.push(await activated(pool, device));
  const results = await Promise.allSettled(devices.map((device, at) => sync(files[at], 'lease', device)));
  const refused = results.filter((result) => result.status === 'rejected');
  expect(results.length - refused.length).toBe(3);
  for (const { reason } of refused) expect(reason).toMatchObject({ code: 'LICENSE_SEATS_TAKEN' });
});

async function getText(address: string): Promise<string> {
  const { get } = await import('node:https');
  return new Promise((resolve, reject) => {
    get(address, { ca: Buffer.from(caPem) }, (response) => {
      response.setEncoding('utf8');
      let text = '';
      response.on('data', (part: string) => (text += part));
      response.on('end', () => {
        resolve(text);
      });
    }).on('error', reject);
  });
}
