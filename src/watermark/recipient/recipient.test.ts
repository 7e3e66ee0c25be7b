/** The payload: its code against an encoder and a decoder of another make, its evidence against chance, the register. */
import { describe, expect, test } from 'vitest';
import { seededNumbers } from '../../../test/fakes/memory-model.ts';
import { codeOf } from '../../../test/error-code.ts';
import { toHex } from '../../core/bytes.ts';
import type { Annex } from '../annex.ts';
import type { Topology } from '../../align/index.ts';
import { decodeConvolutional, encodeConvolutional, toCodeLength } from './convolutional.ts';
import { identifyRecipient } from './identify.ts';
import { deriveRecipientKeys, toRecipientId } from './keys.ts';
import { crc16, PAYLOAD_BITS, receiveMessage, TAG_BITS, toRecipientMessage } from './message.ts';
import { readPayload } from './payload.ts';
import { isNamed, toNameCommitment, toRecipientBody, toRegister } from './register.ts';

const KEYS = deriveRecipientKeys(new Uint8Array(32).fill(5), new Uint8Array(32).fill(6));

/** Encodes by the definition: each output is the sum, modulo 2, of the newest seven bits that its generator names. */
function encodeByDefinition(bits: readonly number[]): number[] {
  const all = [...bits, 0, 0, 0, 0, 0, 0];
  // 133, 145, 175 in octal, the newest bit first.
  const taps = [
    [1, 0, 1, 1, 0, 1, 1],
    [1, 1, 0, 0, 1, 0, 1],
    [1, 1, 1, 1, 1, 0, 1],
  ];
  return all.flatMap((_, at) =>
    taps.map((tap) => tap.reduce((sum, used, back) => sum + used * (all[at - back] ?? 0), 0) % 2),
  );
}

const toBits = (value: number, count: number): number[] => Array.from({ length: count }, (_, i) => (value >> i) & 1);

describe('the convolutional code', () => {
  test('is the one of its generators', () => {
    for (let value = 0; value < 256; value++) {
      const bits = toBits(value, 8);
      expect([...encodeConvolutional(Uint8Array.from(bits))]).toEqual(
        encodeByDefinition(bits).map((bit) => 2 * bit - 1),
      );
    }
    // Free distance 15: the lightest word that is not all zeros.
    const weights = Array.from({ length: 255 }, (_, i) =>
      encodeByDefinition(toBits(i + 1, 8)).reduce((a, b) => a + b, 0),
    );
    expect(Math.min(...weights)).toBe(15);
  });

  test('is decoded to the most likely word, as trying all of them finds', () => {
    const words = Array.from({ length: 256 }, (_, value) => ({
      bits: toBits(value, 8),
      word: encodeByDefinition(toBits(value, 8)),
    }));
    const numbers = seededNumbers(11);
    let wrong = 0;
    for (let round = 0; round < 60; round++) {
      const sent = words[Math.floor(256 * numbers.uniform())];
      const values = Float64Array.from(sent.word, (bit) => 2 * bit - 1 + 1.6 * numbers.normal());
      const score = (word: readonly number[]): number =>
        word.reduce((sum, bit, i) => sum + (2 * bit - 1) * values[i], 0);
      const best = words.reduce((a, b) => (score(b.word) > score(a.word) ? b : a));
      expect([...decodeConvolutional(values)]).toEqual(best.bits);
      wrong += Number(best !== sent);
    }
    // Noise this loud also fools the best decoder now and then, so the comparison is not one of easy cases.
    expect(wrong).toBeGreaterThan(0);
  });

  test('carries 80 bits through every tenth bit turned over', () => {
    const numbers = seededNumbers(3);
    const bits = Uint8Array.from({ length: 80 }, () => Math.floor(2 * numbers.uniform()));
    const word = Float64Array.from(encodeConvolutional(bits));
    expect(word).toHaveLength(toCodeLength(80));
    for (let i = 0; i < word.length; i += 10) word[i] = -word[i];
    expect([...decodeConvolutional(word)]).toEqual([...bits]);
    expect(() => decodeConvolutional(new Float64Array(19))).toThrow(TypeError);
  });
});

describe('the message', () => {
  test('has the CRC of the catalogue', () => {
    expect(crc16(Buffer.from('123456789'))).toBe(0x29b1);
  });

  test('fills every slot, and comes back whole', () => {
    const message = toRecipientMessage(KEYS, 12);
    expect(message).toHaveLength(PAYLOAD_BITS);
    expect([...message].every((bit) => bit === 1 || bit === -1)).toBe(true);
    const { id } = receiveMessage(KEYS.positions, Float64Array.from(message));
    expect(toHex(id!)).toBe(toHex(toRecipientId(KEYS.ids, 12).id));
    expect(
      receiveMessage(
        KEYS.positions,
        new Float64Array(PAYLOAD_BITS).map((_, i) => (i % 2) - 0.5),
      ).id,
    ).toBeNull();
  });

  test('of another key says nothing', () => {
    const other = deriveRecipientKeys(new Uint8Array(32).fill(5), new Uint8Array(32).fill(7));
    const means = Float64Array.from(toRecipientMessage(KEYS, 12));
    expect(readPayload({ means, coverage: 1 }, other, [12])!.evidenceBits).toBeLessThan(16);
  });
});

describe('naming', () => {
  const all = Array.from({ length: 10_000 }, (_, i) => i + 1);
  const received = (number: number, noise: number) => {
    const numbers = seededNumbers(number);
    return {
      means: Float64Array.from(toRecipientMessage(KEYS, number), (bit) => bit + noise * numbers.normal()),
      coverage: 1,
    };
  };

  test('finds the right one of 10,000 by the payload, with less than 2^-64 of a chance to be wrong', () => {
    const clean = readPayload(received(4711, 0.3), KEYS, all)!;
    expect(clean).toMatchObject({ number: 4711, isDecoded: true });
    expect(clean.evidenceBits).toBeCloseTo(TAG_BITS + 64 - Math.log2(2 * 10_000), 0);
    const loud = readPayload(received(4711, 1), KEYS, all)!;
    expect(loud.number).toBe(4711);
    expect(loud.evidenceBits).toBeGreaterThan(64);
  });

  test('accuses nobody of 10,000 by the copy of somebody who is not among them', () => {
    for (const number of [20_001, 20_002, 20_003]) {
      const found = readPayload(received(number, 0), KEYS, all)!;
      expect(found.isDecoded).toBe(false);
      expect(found.evidenceBits).toBeLessThan(8);
    }
  });

  test('pays for every reading and register, and never adds the codes', () => {
    const payload = received(3, 0);
    const recipients = { order: [], payload: [1, 2, 3] };
    const one = identifyRecipient({ order: null, payloads: [payload] }, KEYS, recipients);
    const two = identifyRecipient({ order: null, payloads: [payload, payload] }, KEYS, recipients, 4);
    expect(one).toMatchObject({ verdict: 'claim', number: 3, trials: 3 });
    expect(one.evidenceBits - two.evidenceBits).toBeCloseTo(3, 9);
    expect(identifyRecipient({ order: null, payloads: [] }, KEYS, recipients)).toMatchObject({
      verdict: 'inconclusive',
      number: null,
    });
    const nothing = { means: new Float64Array(PAYLOAD_BITS), coverage: 0 };
    expect(identifyRecipient({ order: null, payloads: [nothing] }, KEYS, recipients)).toMatchObject({
      verdict: 'none',
      evidenceBits: 0,
    });
  });
});

describe('the register', () => {
  const topology: Topology = {
    v: 1,
    layers: [],
    vectors: [],
    spaces: [
      { channels: 64, isPermutable: true },
      { channels: 8, isPermutable: false },
    ],
  };
  const body = {
    ...{ v: 1, number: 7, name: 'a'.repeat(64), releasedDigest: 'b'.repeat(64) },
    ...{ order: { spaces: [{ space: 0, channels: 64, blocks: 1 }] }, payload: { tau: 0.06, bits: 512 } },
  };
  const annex = (change: object): Annex => ({
    v: 1,
    kind: 'modelward-annex',
    type: 'recipient',
    commitment: 'c'.repeat(64),
    body: { ...body, ...change },
  });

  test('takes what protect writes', () => {
    expect(toRecipientBody(annex({}), topology)).toEqual(body);
    expect(toRecipientBody(annex({ order: null }), topology).order).toBeNull();
  });

  test.each([
    ['WATERMARK_ANNEX_MALFORMED', { number: 0 }],
    ['WATERMARK_ANNEX_MALFORMED', { extra: 1 }],
    ['WATERMARK_ANNEX_MALFORMED', { name: 'acme' }],
    ['WATERMARK_ANNEX_MALFORMED', { payload: { tau: 2, bits: 512 } }],
    ['RECIPIENT_REGISTER_MALFORMED', { order: null, payload: null }],
    ['RECIPIENT_REGISTER_MALFORMED', { order: { spaces: [{ space: 1, channels: 8, blocks: 1 }] } }],
    ['RECIPIENT_REGISTER_MALFORMED', { order: { spaces: [{ space: 9, channels: 8, blocks: 1 }] } }],
    ['RECIPIENT_REGISTER_MALFORMED', { order: { spaces: [{ space: 0, channels: 32, blocks: 1 }] } }],
    ['RECIPIENT_REGISTER_MALFORMED', { order: { spaces: [{ space: 0, channels: 64, blocks: 5 }] } }],
    ['RECIPIENT_REGISTER_MALFORMED', { order: { spaces: Array(2).fill({ space: 0, channels: 64, blocks: 1 }) } }],
  ])('refuses, with %s, %j', (code, change) => {
    expect(codeOf(() => toRecipientBody(annex(change), topology))).toBe(code);
  });

  const entry = (number: number, releasedDigest: string, name = 'acme') => ({
    body: { ...toRecipientBody(annex({}), topology), number, releasedDigest, name },
  });

  test('has every copy of every recipient once, by number', () => {
    const { entries, ambiguous } = toRegister([entry(2, 'x'), entry(1, 'y'), entry(2, 'x')]);
    expect(entries.map((one) => one.body.number)).toEqual([1, 2]);
    expect([...ambiguous]).toEqual([]);
  });

  test.each([
    ['two recipients of one copy', entry(2, 'x', 'acme'), entry(2, 'x', 'globex')],
    ['two recipients of two copies', entry(2, 'x', 'acme'), entry(2, 'y', 'globex')],
    ['two copies of one recipient', entry(2, 'x'), entry(2, 'y')],
  ])('keeps %s under one number, and says that the number is ambiguous', (_, one, other) => {
    const { entries, ambiguous } = toRegister([one, entry(1, 'z'), other]);
    expect(entries).toHaveLength(3);
    expect(entries).toEqual(expect.arrayContaining([one, other]));
    expect([...ambiguous]).toEqual([2]);
  });

  test('commits to names without showing them', () => {
    const salt = new Uint8Array(16).fill(1);
    const name = toNameCommitment(salt, 'acme');
    expect(isNamed({ name }, salt, 'acme')).toBe(true);
    expect(isNamed({ name }, salt, 'globex')).toBe(false);
    expect(isNamed({ name }, new Uint8Array(16).fill(2), 'acme')).toBe(false);
  });
});
