import { describe, expect, test } from 'vitest';
import { fakeProvider } from '../../test/fakes/key-provider.ts';
import { runKeyProviderContract } from '../../test/key-provider-contract.ts';
import { countingSource, fixedClock, makeTestSeal } from '../../test/fakes/seal-kit.ts';
import { toHex, utf8 } from '../core/bytes.ts';
import { toCanonicalJson } from '../core/canonical-json.ts';
import {
  addRecipient,
  createEnvelope,
  encodeEnvelope,
  type KeyEnvelope,
  type KeyProvider,
  parseEnvelope,
  readSealHeader,
  type Recipient,
  rewrapEnvelope,
  unwrapDek,
} from './index.ts';

runKeyProviderContract({
  name: 'fake',
  abilities: ['versions', 'outage'],
  make: () => {
    const fake = fakeProvider();
    const breakService = (): void => {
      fake.outage = true;
    };
    return Promise.resolve({ provider: fake.provider, rotateOutside: () => fake.rotate(), breakService });
  },
});

const clock = fixedClock();
const isOld = (): boolean => true;
const sealed = makeTestSeal({ seed: 31, length: 100 });
const seal = readSealHeader(countingSource('net.seal', sealed.bytes));
const { dek } = sealed;

async function makeEnvelope(): Promise<{ envelope: KeyEnvelope; provider: ReturnType<typeof fakeProvider> }> {
  const provider = fakeProvider();
  return { envelope: await createEnvelope({ seal, dek, clock, wrapper: provider.wrapper }), provider };
}

describe('key envelope', () => {
  test('gives the key back for its seal, through bytes', async () => {
    const { envelope, provider } = await makeEnvelope();
    const parsed = parseEnvelope(encodeEnvelope(envelope));
    const unwrappers = [fakeProvider().unwrapper, provider.unwrapper];
    const found = await unwrapDek({ envelope: parsed, unwrappers, clock, seal });
    expect(toHex(found.dek)).toBe(toHex(dek));
    expect(found.recipient.keyVersion).toBe('1');
    expect(envelope).toMatchObject({ v: 1, seq: 1, sealId: seal.header.sealId, dekCheck: toHex(seal.dekCheck) });
    expect(new TextDecoder().decode(encodeEnvelope(envelope))).not.toContain(toHex(dek));
  });

  test('an envelope of another seal is refused before any provider is asked', async () => {
    const { envelope } = await makeEnvelope();
    const other = makeTestSeal({ seed: 32, dek });
    const otherInfo = readSealHeader(countingSource('x', other.bytes));
    let calls = 0;
    const unwrapper = {
      unwrapKey: () => {
        calls++;
        return Promise.resolve(null);
      },
    };
    const attempt = unwrapDek({ envelope, unwrappers: [unwrapper], clock, seal: otherInfo });
    await expect(attempt).rejects.toMatchObject({ code: 'ENVELOPE_MISMATCH' });
    expect(calls).toBe(0);
  });

  test('no key at hand: KEY_NOT_FOUND names the recipients', async () => {
    const { envelope } = await makeEnvelope();
    const attempt = unwrapDek({ envelope, unwrappers: [fakeProvider().unwrapper], clock, seal });
    await expect(attempt).rejects.toMatchObject({ code: 'KEY_NOT_FOUND', fields: { expired: 0 } });
  });

  test('every changed member breaks the MAC', async () => {
    const { envelope, provider } = await makeEnvelope();
    const [recipient] = envelope.recipients;
    const changes: Partial<KeyEnvelope>[] = [
      { seq: 2 },
      { dekCheck: '00'.repeat(32) },
      { mac: '00'.repeat(32) },
      { recipients: [recipient, { ...recipient, keyRef: 'smuggled' }] },
      { recipients: [{ ...recipient, createdAt: '2020-01-02T03:04:05.678Z' }] },
      { recipients: [{ ...recipient, expiresAt: '2030-01-02T03:04:05.678Z' }] },
    ];
    for (const change of changes) {
      const attempt = unwrapDek({ envelope: { ...envelope, ...change }, unwrappers: [provider.unwrapper], clock });
      await expect(attempt).rejects.toMatchObject({ code: 'ENVELOPE_AUTH_FAILED' });
    }
  });

  test('an expired recipient is not used; when all are, KEY_EXPIRED', async () => {
    const provider = fakeProvider();
    const expiresAtMs = clock.nowMs() + 1000;
    const envelope = await createEnvelope({ seal, dek, clock, wrapper: provider.wrapper, expiresAtMs });
    const unwrappers = [provider.unwrapper];
    expect(toHex((await unwrapDek({ envelope, unwrappers, clock })).dek)).toBe(toHex(dek));
    const later = fixedClock('2026-01-02T03:04:06.678Z');
    await expect(unwrapDek({ envelope, unwrappers, clock: later })).rejects.toMatchObject({ code: 'KEY_EXPIRED' });
  });

  test('one provider that fails does not lock out another; alone, its error is told', async () => {
    const first = fakeProvider();
    const second = fakeProvider();
    const one = await createEnvelope({ seal, dek, clock, wrapper: first.wrapper });
    const envelope = await addRecipient({ envelope: one, dek, clock, wrapper: second.wrapper });
    expect(envelope.seq).toBe(2);
    first.outage = true;
    const both = await unwrapDek({ envelope, unwrappers: [first.unwrapper, second.unwrapper], clock, seal });
    expect(both.recipient.keyRef).toBe(envelope.recipients[1].keyRef);
    const alone = unwrapDek({ envelope, unwrappers: [first.unwrapper], clock, seal });
    await expect(alone).rejects.toMatchObject({ code: 'KEY_PROVIDER_UNAVAILABLE' });
  });

  test('only the holder of the key can add a recipient', async () => {
    const { envelope } = await makeEnvelope();
    const attempt = addRecipient({ envelope, dek: new Uint8Array(32), clock, wrapper: fakeProvider().wrapper });
    await expect(attempt).rejects.toMatchObject({ code: 'ENVELOPE_AUTH_FAILED' });
  });

  test('rewrap moves the recipient to the new version, and the sealed file is not touched', async () => {
    const { envelope, provider } = await makeEnvelope();
    const before = toHex(sealed.bytes);
    await provider.rotate();
    const unwrappers = [provider.unwrapper];
    const rewrapped = await rewrapEnvelope({ envelope, provider: provider.provider, clock, isOld });
    expect(rewrapped.recipients.map(({ keyVersion }) => keyVersion)).toEqual(['2']);
    expect(rewrapped).toMatchObject({ seq: 2, dekCheck: envelope.dekCheck, sealId: envelope.sealId });
    await provider.retire('1');
    expect(toHex((await unwrapDek({ envelope: rewrapped, unwrappers, clock, seal })).dek)).toBe(toHex(dek));
    const old = unwrapDek({ envelope, unwrappers, clock, seal });
    await expect(old).rejects.toMatchObject({ code: 'KEY_VERSION_GONE' });
    expect(toHex(sealed.bytes)).toBe(before);
  });

  test('a provider that rewraps by itself is asked to, and its result is held to the envelope', async () => {
    const { envelope, provider } = await makeEnvelope();
    await provider.rotate();
    const calls: string[] = [];
    const native: KeyProvider = {
      ...provider.provider,
      unwrapKey: (request) => {
        calls.push(`unwrap ${request.wrapped.keyVersion}`);
        return provider.provider.unwrapKey(request);
      },
      rewrapKey: async ({ wrapped, context }) => {
        calls.push(`rewrap ${wrapped.keyVersion}`);
        return provider.wrapper.wrapKey({ dek: (await provider.unwrapper.unwrapKey({ wrapped, context }))!, context });
      },
    };
    const rewrapped = await rewrapEnvelope({ envelope, provider: native, clock, isOld });
    expect(calls).toEqual(['rewrap 1', 'unwrap 2']);
    expect(toHex((await unwrapDek({ envelope: rewrapped, unwrappers: [native], clock, seal })).dek)).toBe(toHex(dek));
    const liar: KeyProvider = {
      ...native,
      rewrapKey: ({ context }) => provider.wrapper.wrapKey({ dek: new Uint8Array(32).fill(9), context }),
    };
    const attempt = rewrapEnvelope({ envelope, provider: liar, clock, isOld });
    await expect(attempt).rejects.toMatchObject({ code: 'KEY_REFUSED' });
  });

  test('a recipient moves to another provider, keeps its place and its expiry, and leaves the others alone', async () => {
    const [old, next, other] = [fakeProvider(), fakeProvider(), fakeProvider()];
    const expiresAtMs = clock.nowMs() + 1000;
    const first = await createEnvelope({ seal, dek, clock, wrapper: old.wrapper, expiresAtMs });
    const envelope = await addRecipient({ envelope: first, dek, clock, wrapper: other.wrapper });
    const isMine = ({ keyRef }: Recipient): boolean => keyRef === first.recipients[0].keyRef;
    const options = { envelope, provider: old.provider, target: next.provider, clock, isOld: isMine };
    const moved = await rewrapEnvelope(options);
    expect(moved.recipients[0]).toMatchObject({ expiresAt: first.recipients[0].expiresAt });
    expect(moved.recipients[0].keyRef).not.toBe(first.recipients[0].keyRef);
    expect(moved.recipients[1]).toEqual(envelope.recipients[1]);
    expect((await unwrapDek({ envelope: moved, unwrappers: [next.provider], clock, seal })).dek).toEqual(dek);
    const again = rewrapEnvelope({ ...options, envelope: moved });
    await expect(again).rejects.toMatchObject({ code: 'KEY_NOT_FOUND' });
    const stranger = rewrapEnvelope({ ...options, provider: other.provider });
    await expect(stranger).rejects.toMatchObject({ code: 'KEY_NOT_FOUND' });
  });

  test('an altered envelope is not given a new recipient', async () => {
    const { envelope, provider } = await makeEnvelope();
    const altered = { ...envelope, seq: 7 };
    const attempt = rewrapEnvelope({ envelope: altered, provider: provider.provider, clock, isOld });
    await expect(attempt).rejects.toMatchObject({ code: 'ENVELOPE_AUTH_FAILED' });
  });

  test('rewrap refuses a provider that does not give the same key back', async () => {
    const { envelope, provider } = await makeEnvelope();
    const liar: KeyProvider = {
      ...provider.provider,
      wrapKey: (request) => provider.wrapper.wrapKey({ ...request, dek: new Uint8Array(32).fill(9) }),
    };
    const attempt = rewrapEnvelope({ envelope, provider: liar, clock, isOld });
    await expect(attempt).rejects.toMatchObject({ code: 'KEY_REFUSED' });
  });

  test('malformed envelopes', async () => {
    const { envelope } = await makeEnvelope();
    const [recipient] = envelope.recipients;
    const bad: unknown[] = [
      null,
      [],
      { ...envelope, v: 2 },
      { ...envelope, extra: 1 },
      { ...envelope, seq: 0 },
      { ...envelope, mac: 'AB'.repeat(32) },
      { ...envelope, recipients: [] },
      { ...envelope, recipients: Array.from({ length: 257 }, () => recipient) },
      { ...envelope, recipients: [{ ...recipient, wrapped: 'not base64!' }] },
      { ...envelope, recipients: [{ ...recipient, wrapped: '' }] },
      { ...envelope, recipients: [{ ...recipient, ctx: { ...recipient.ctx, model: 'other' } }] },
      { ...envelope, recipients: [{ ...recipient, createdAt: 'yesterday' }] },
    ];
    for (const each of bad) {
      expect(() => parseEnvelope(utf8(JSON.stringify(each)))).toThrow(
        expect.objectContaining({ code: 'ENVELOPE_INVALID' }),
      );
    }
    for (const text of ['', '{', '\ufeff{}']) {
      expect(() => parseEnvelope(utf8(text))).toThrow(expect.objectContaining({ code: 'ENVELOPE_INVALID' }));
    }
    expect(() => parseEnvelope(new Uint8Array(8 * 1024 * 1024 + 1))).toThrow(
      expect.objectContaining({ code: 'ENVELOPE_INVALID' }),
    );
  });

  test('the file is canonical JSON and a line feed', async () => {
    const { envelope } = await makeEnvelope();
    expect(new TextDecoder().decode(encodeEnvelope(envelope))).toBe(`${toCanonicalJson(envelope)}\n`);
  });
});
