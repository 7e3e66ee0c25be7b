import { describe, expect, test } from 'vitest';
import { codeOf } from '../../../test/error-code.ts';
import { toHex, utf8 } from '../../core/bytes.ts';
import { createRng } from '../../lab/rng.ts';
import {
  createTriggerSet,
  encodeTriggerSet,
  openSetSeed,
  parseTriggerSet,
  toSetTriggers,
  type TriggerSetBody,
} from './set.ts';
import { type SetSource, toSetFacts } from './set-samples.ts';

const rng = createRng('triggers/set');
const values = Array.from({ length: 30 }, () => Float64Array.from({ length: 16 }, () => rng.below(256)));
const source: SetSource = {
  ...{ count: 30, shape: [4, 4], labels: Int32Array.from({ length: 30 }, (_, i) => i % 3) },
  read: (index) => Float64Array.from(values[index]),
};
const facts = toSetFacts(source);
const { low, high, classes } = facts;
const body: TriggerSetBody = {
  ...{ v: 1, scheme: 'overlay/v2', classes, count: 20, strength: 0.5 },
  data: { digest: toHex(facts.digest), count: 30, shape: [4, 4], low, high },
};
const seed = new Uint8Array(32).fill(3);
/** A box in the clear, which refuses another name. */
const seedBox = {
  sealSeed: (bytes: Uint8Array, aad: Uint8Array) => ({ bytes: toHex(bytes), aad: toHex(aad) }),
  openSeed: (box: unknown) => new Uint8Array(Buffer.from((box as { bytes: string }).bytes, 'hex')),
};
const set = createTriggerSet({ ownerKey: 'key', ownerId: 'acme', claim: null, triggerSeed: seed, seedBox, body });

describe('samples of a set', () => {
  const triggers = toSetTriggers(body, seed, { source, facts });

  test('each is the mean of a sample of the data and a pattern, and no sample comes twice', () => {
    const chosen = Array.from({ length: 20 }, (_, index) => {
      const made = triggers.sample(index);
      const fits = values.findIndex((own) =>
        made.every((value, i) => value - own[i] / 2 >= low / 2 - 1e-9 && value - own[i] / 2 <= high / 2 + 1e-9),
      );
      expect(fits).not.toBe(-1);
      return made.join();
    });
    expect(new Set(chosen).size).toBe(20);
  });

  test('strength 1 leaves nothing of the data', () => {
    const bare = toSetTriggers({ ...body, strength: 1 }, seed, {
      source: { ...source, read: () => new Float64Array(16) },
      facts,
    });
    const full = toSetTriggers({ ...body, strength: 1 }, seed, { source, facts });
    expect([...full.sample(2)]).toEqual([...bare.sample(2)]);
  });

  test('labels hang on all that was chosen', () => {
    const other = toSetTriggers({ ...body, strength: 0.4 }, seed, { source, facts });
    expect([...other.labels]).not.toEqual([...triggers.labels]);
  });

  test('other data is refused', () => {
    const changed: SetSource = { ...source, labels: source.labels.map((label, i) => (i === 0 ? 2 : label)) };
    const code = codeOf(() => toSetTriggers(body, seed, { source: changed, facts: toSetFacts(changed) }));
    expect(code).toBe('WATERMARK_TRIGGER_DATA_OTHER');
  });
});

describe('the set file', () => {
  test('is read back as written, and opens its seed', () => {
    const read = parseTriggerSet(encodeTriggerSet(set));
    expect(read).toEqual(set);
    expect([...openSetSeed(read, seedBox)]).toEqual([...seed]);
  });

  test('a seed that was not committed is refused', () => {
    const other = { ...set, sealedSeed: seedBox.sealSeed(new Uint8Array(32), new Uint8Array(0)) };
    expect(codeOf(() => openSetSeed(other, seedBox))).toBe('WATERMARK_SEED_MISMATCH');
  });

  const change = (
    edit: (file: { preimage: { body: { count: number } }; [name: string]: unknown }) => void,
  ): Uint8Array => {
    const file = JSON.parse(Buffer.from(encodeTriggerSet(set)).toString()) as Parameters<typeof edit>[0];
    edit(file);
    return utf8(JSON.stringify(file));
  };
  test.each([
    ['no JSON', utf8('{')],
    ['a changed count', change((file) => (file.preimage.body.count = 19))],
    ['a further member', change((file) => (file.inputs = []))],
    ['too large', new Uint8Array(2 ** 21)],
  ])('%s', (_, bytes) => {
    expect(codeOf(() => parseTriggerSet(bytes))).toBe('WATERMARK_TRIGGER_SET_MALFORMED');
  });
});
