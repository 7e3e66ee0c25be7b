import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { countingSource, fixedClock } from '../../test/fakes/seal-kit.ts';
import { findHexBytes, toHex, utf8 } from '../core/bytes.ts';
import type { Random } from '../core/ports.ts';
import { createEnvelope, encodeEnvelope, openSealBuffer, parseEnvelope, readSealHeader, sealBuffer } from './index.ts';

const fixture = (name: string): string => readFileSync(join(import.meta.dirname, 'fixtures', name), 'utf8');
const sealed = findHexBytes(fixture('hello.seal.hex').trim()) ?? new Uint8Array();
const dek = Uint8Array.from({ length: 32 }, (_, i) => i);
const clock = fixedClock();

function countingRandom(): Random {
  let next = 0;
  return {
    fill: (into) => {
      for (let i = 0; i < into.length; i++) into[i] = next++ & 255;
    },
  };
}

describe('the vectors of the specifications', () => {
  test('the sealed file is made byte for byte, and opens', () => {
    const made = sealBuffer({
      name: 'net.onnx',
      bytes: utf8('hello'),
      dek,
      model: { name: 'net' },
      format: 'onnx',
      clock,
      random: countingRandom(),
    });
    expect(toHex(made.sealed)).toBe(toHex(sealed));
    expect(new TextDecoder().decode(openSealBuffer({ sealed, dek }))).toBe('hello');
  });

  test('its header tag is the one HMAC block that the specification writes out', () => {
    const info = readSealHeader(countingSource('hello.seal', sealed));
    expect(info.preamble.length).toBe(255);
    const tag = createHmac('sha384', dek)
      .update(info.floeHeader.subarray(0, 42))
      .update('HEADER_TAG:')
      .update(info.preamble)
      .update(Uint8Array.of(1))
      .digest('hex');
    expect(tag.slice(0, 64)).toBe('f1dab84dbfc2e4679fdcfdee213b4e6731e8262387e82972b9502501ca68b7bc');
    expect(toHex(info.dekCheck)).toBe(tag.slice(0, 64));
  });

  test('the envelope is made byte for byte', async () => {
    const seal = readSealHeader(countingSource('hello.seal', sealed));
    const wrapped = { type: 'local', keyRef: '00'.repeat(16), keyVersion: '1', wrapped: Uint8Array.of(1, 2, 3) };
    const wrapper = { wrapKey: () => Promise.resolve(wrapped) };
    const envelope = await createEnvelope({ seal, dek, wrapper, clock });
    expect(new TextDecoder().decode(encodeEnvelope(envelope))).toBe(fixture('hello.keys.json'));
    expect(parseEnvelope(utf8(fixture('hello.keys.json')))).toEqual(envelope);
  });
});
