import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../test/fakes/seal-kit.ts';
import { TpmError } from '../core/errors.ts';
import { TPM_LIMITS } from '../core/limits/tpm.ts';
import {
  createPrimary,
  findMakerCertificate,
  listAgreementFaults,
  quote,
  readClock,
  readCounter,
  readModulus,
  readPcrs,
  readPoint,
  readStatement,
  STORAGE_ROOT_TEMPLATE,
  type Tpm,
  withSession,
  withStorageRoot,
} from './index.ts';

/** A TPM that answers with these bytes, under a header that fits. */
function hostile(tag: number, rc: number, body: Uint8Array): Tpm {
  const head = Buffer.alloc(10);
  head.writeUInt16BE(tag, 0);
  head.writeUInt32BE(10 + body.length, 2);
  head.writeUInt32BE(rc, 6);
  const transmit = (): Promise<Uint8Array> => Promise.resolve(new Uint8Array(Buffer.concat([head, body])));
  return {
    transport: { transmit, close: () => Promise.resolve() },
    random: seededRandom(1),
    pause: () => Promise.resolve(),
  };
}

const signer = { handle: 0x80000000, name: new Uint8Array(34) };
const COMMANDS: readonly ((tpm: Tpm) => Promise<unknown>)[] = [
  (tpm) => readClock(tpm),
  (tpm) => readPcrs(tpm, [0, 7]),
  (tpm) => createPrimary(tpm, 'owner', STORAGE_ROOT_TEMPLATE),
  (tpm) =>
    withStorageRoot(tpm, { name: null }, (root) =>
      withSession(tpm, { kind: 'hmac', salted: root }, () => Promise.resolve()),
    ),
  (tpm) => findMakerCertificate(tpm),
  (tpm) => withStorageRoot(tpm, { name: null }, (root) => readClock(tpm, root)),
  (tpm) => readCounter(tpm, 0x01800001),
  (tpm) => quote(tpm, signer, { nonce: new Uint8Array(8), pcrs: [0] }),
];

describe('a TPM that lies', () => {
  test('any answer is an answer or a TpmError, whatever is in it', async () => {
    const tags = fc.constantFrom(0x8001, 0x8002, 0);
    const codes = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xfff }));
    const bodies = fc.uint8Array({ maxLength: 300 });
    await fc.assert(
      fc.asyncProperty(tags, codes, bodies, fc.nat(COMMANDS.length - 1), async (tag, rc, body, which) => {
        await COMMANDS[which](hostile(tag, rc, body)).catch((error: unknown) => {
          expect(error).toBeInstanceOf(TpmError);
        });
      }),
      { numRuns: 1500 },
    );
  });

  test('public areas and statements of any bytes are read or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        for (const read of [readPoint, readModulus, readStatement, listAgreementFaults]) {
          try {
            read(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(TpmError);
          }
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('an answer longer than any TPM gives, or other than its length, is refused; "again" is asked for so often only', async () => {
    const refused = { code: 'TPM_RESPONSE_INVALID' };
    await expect(readClock(hostile(0x8001, 0, new Uint8Array(TPM_LIMITS.responseBytesMax)))).rejects.toMatchObject(
      refused,
    );
    const short = hostile(0x8001, 0, new Uint8Array(20));
    const cut = {
      ...short.transport,
      transmit: async (command: Uint8Array) => (await short.transport.transmit(command)).subarray(1),
    };
    await expect(readClock({ ...short, transport: cut })).rejects.toMatchObject(refused);
    let asked = 0;
    const busy = hostile(0x8001, 0x922, new Uint8Array());
    const counted = {
      ...busy.transport,
      transmit: (command: Uint8Array) => (asked++, busy.transport.transmit(command)),
    };
    await expect(readClock({ ...busy, transport: counted })).rejects.toMatchObject({ code: 'TPM_UNAVAILABLE' });
    expect(asked).toBe(TPM_LIMITS.retriesMax + 1);
  });
});
