/** Servers of the command refuse a private key that others can read: licences, key broker and witness, as the gateway does. */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeServerIdentity } from '../broker/tls.ts';
import { createWorkplace, samples, type Workplace } from './command.ts';

const KEY = 'server.key';
/** No machine has this address (RFC 5737): a server whose key was taken ends there, instead of serving on. */
const NOWHERE = '203.0.113.1';
let place: Workplace;

beforeAll(() => {
  place = createWorkplace();
  const write = (name: string, content: Uint8Array | string): void => {
    writeFileSync(join(place.folder, name), content);
  };
  const { certificatePem, privateKeyPem } = makeServerIdentity();
  write('server.pem', certificatePem);
  write(KEY, privateKeyPem);
  const { sealId } = place.json<{ sealId: string }>(['seal', join(samples, 'mlp.onnx'), '--out', 'sealed/model.seal']);
  const minimumTcb = { Milan: { bootloader: 4, tee: 0, snp: 24, microcode: 219 } };
  const accept = { snp: { measurements: ['aa'.repeat(48)], minimumTcb } };
  const guest = { type: 'modelward/attestation-policy/v1', name: 'guest', accept };
  const resources = [{ resource: 'models/key/mlp', sealId, policy: 'guest' }];
  write(
    'broker.json',
    JSON.stringify({ type: 'modelward/broker-policy/v1', name: 'guests', policies: { guest }, resources }),
  );
  place.run(['witness', 'init', '--name', 'w.example/1']);
});
afterAll(() => {
  place.remove();
});

test.runIf(process.platform !== 'win32').each([
  ['license serve', []],
  ['broker serve', ['--policy', 'broker.json']],
  ['witness serve', []],
])('%s refuses a private key that others can read, and takes one of its owner alone', (command, options) => {
  const words = [...command.split(' '), ...options, '--tls-cert', 'server.pem', '--tls-key', KEY];
  const serve = (mode: number): readonly [number | null, string] => {
    chmodSync(join(place.folder, KEY), mode);
    const { status, stderr } = place.run([...words, '--host', NOWHERE, '--port', '0']);
    return [status, stderr];
  };
  for (const mode of [0o644, 0o620]) {
    expect(serve(mode)).toEqual([5, expect.stringMatching(/TLS_KEY_EXPOSED[\s\S]*chmod 600/)]);
  }
  expect(serve(0o600)).toEqual([6, expect.stringContaining('SERVER_LISTEN_FAILED')]);
});
