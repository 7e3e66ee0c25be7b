import { beforeEach, describe, expect, test } from 'vitest';
import { createRecordingStorage, type RecordingStorage } from '../../../test/crash/recording-storage.ts';
import { testClock } from '../../../test/fakes/ledger-kit.ts';
import { growReaders, openTestWitness, prepareWitness, testCosigner } from '../../../test/fakes/witness-kit.ts';
import { utf8 } from '../../core/bytes.ts';
import {
  askWitness,
  cosign,
  type CosignerKey,
  findCosignature,
  findCosigned,
  findCosignedOver,
  keepCosignatures,
  type LedgerReader,
  listCosignedSizes,
  parseCosignerKey,
  parseNote,
  type WitnessLink,
} from '../index.ts';
import { encodeSignature } from '../note.ts';

let storage: RecordingStorage;
let readers: LedgerReader[];
let link: WitnessLink;
let key: CosignerKey;
let asked: number;
const coded = (code: string, fields = {}) =>
  expect.objectContaining({ code, fields: expect.objectContaining(fields) as object }) as Error;

beforeEach(async () => {
  storage = createRecordingStorage(['/home']);
  prepareWitness(storage);
  readers = await growReaders(storage, '/home/ledger', [3, 8, 13]);
  const witness = await openTestWitness(storage);
  key = parseCosignerKey(witness.witness.verifierKey);
  asked = 0;
  link = {
    addCheckpoint: (body) => {
      asked += 1;
      return witness.link.addCheckpoint(body);
    },
  };
});

const ask = (reader: LedgerReader, oldSize: number, change: Partial<Parameters<typeof askWitness>[0]> = {}) =>
  askWitness({ link, key, reader, oldSize, clock: testClock(), ...change });

describe('asking a witness', () => {
  test('from the size that it knows in one request, from another one in two', async () => {
    expect((await ask(readers[0], 0)).cosignature.name).toBe('witness.example/w1');
    expect(asked).toBe(1);
    await ask(readers[1], 3);
    expect(asked).toBe(2);
    await ask(readers[2], 0);
    expect(asked).toBe(4);
  });

  test('a ledger that is smaller than what the witness saw is an older copy', async () => {
    await ask(readers[2], 0);
    await expect(ask(readers[1], 0)).rejects.toThrow(coded('WITNESS_CONFLICT', { size: 8, witnessSize: 13 }));
  });

  test('another history of the same size, and one that does not extend it, are told apart from outages', async () => {
    await ask(readers[1], 0);
    const forked = await growReaders(createRecordingStorage(['/home']), '/home/ledger', [1, 8, 13]);
    const [, same, longer] = await forge(forked);
    await expect(ask(same, 8)).rejects.toThrow(coded('WITNESS_CONFLICT', { status: 409 }));
    await expect(ask(longer, 8)).rejects.toThrow(coded('WITNESS_CONFLICT', { status: 422 }));
  });

  /** The same key over other entries. */
  async function forge(forked: readonly LedgerReader[]): Promise<LedgerReader[]> {
    const { openTestLedger, testEntries } = await import('../../../test/fakes/ledger-kit.ts');
    const ledger = await openTestLedger(createRecordingStorage(['/home']));
    const made = forked.map(({ head }) => {
      const { size } = ledger.reader().head;
      ledger.append(testEntries(head.size - size, 1000 + size));
      return ledger.reader();
    });
    ledger.close();
    return made;
  }

  const line = (timeSeconds: number, name = 'witness.example/w1') => {
    const { text } = parseNote(utf8(readers[0].checkpoint));
    return encodeSignature(cosign(text, timeSeconds, testCosigner(name)));
  };
  const now = Date.UTC(2026, 0, 1) / 1000;
  const SIZE = 'text/x.tlog.size';

  test.each([
    ['404', 404, undefined, '', 'WITNESS_REFUSED'],
    ['403', 403, undefined, '', 'WITNESS_REFUSED'],
    ['400', 400, undefined, '', 'WITNESS_REFUSED'],
    ['503', 503, undefined, '', 'WITNESS_REFUSED'],
    ['a redirect', 302, undefined, '', 'WITNESS_REFUSED'],
    ['409 without a size', 409, undefined, '', 'WITNESS_CONFLICT'],
    ['409 with the size that it was asked from', 409, SIZE, '0\n', 'WITNESS_CONFLICT'],
    ['a size that is none', 409, SIZE, '007\n', 'WITNESS_ANSWER_MALFORMED'],
    ['a size without its newline', 409, `${SIZE}; charset=utf-8`, '2', 'WITNESS_ANSWER_MALFORMED'],
    ['no lines', 200, undefined, '', 'WITNESS_ANSWER_MALFORMED'],
    ['no signature lines', 200, undefined, '<html>\n', 'WITNESS_ANSWER_MALFORMED'],
  ])('a witness that answers with %s', async (_, status, contentType, text, code) => {
    const answering: WitnessLink = { addCheckpoint: () => Promise.resolve({ status, contentType, body: utf8(text) }) };
    await expect(ask(readers[0], 0, { link: answering })).rejects.toThrow(coded(code));
  });

  test('lines of other keys are left out; a wrong time or signature is refused', async () => {
    const give = (text: string): Promise<unknown> =>
      ask(readers[0], 0, {
        key: testCosigner(),
        link: { addCheckpoint: () => Promise.resolve({ status: 200, contentType: undefined, body: utf8(text) }) },
      });
    await expect(give(line(now, 'another.example'))).rejects.toThrow(coded('WITNESS_ANSWER_MALFORMED'));
    await expect(give(line(now, 'another.example') + line(now))).resolves.toMatchObject({ signatures: [{}] });
    await expect(give(line(now + 300))).resolves.toBeDefined();
    await expect(give(line(now + 301))).rejects.toThrow(coded('LEDGER_COSIGNATURE_INVALID'));
  });

  test('a witness that names another size each time is not asked for ever', async () => {
    let size = 0;
    const restless: WitnessLink = {
      addCheckpoint: () => Promise.resolve({ status: 409, contentType: SIZE, body: utf8(`${(size += 1)}\n`) }),
    };
    await expect(ask(readers[2], 0, { link: restless })).rejects.toThrow(coded('WITNESS_REFUSED', { asks: 3 }));
  });
});

describe('cosigned checkpoints in the ledger folder', () => {
  const place = () => ({ storage, folder: '/home/ledger' });

  async function keep(reader: LedgerReader, names: readonly string[]): Promise<void> {
    const { text } = parseNote(utf8(reader.checkpoint));
    const signatures = names.map((name) => cosign(text, 1_767_225_600, testCosigner(name)));
    const { size } = reader.head;
    keepCosignatures({ ...place(), size, checkpoint: reader.checkpoint, signatures });
    await Promise.resolve();
  }

  test('witnesses are added one by one; of each the first cosignature stays', async () => {
    await keep(readers[0], ['a.example']);
    await keep(readers[0], ['b.example']);
    const { text } = parseNote(utf8(readers[0].checkpoint));
    const later = [cosign(text, 1_800_000_000, testCosigner('a.example'))];
    keepCosignatures({ ...place(), size: 3, checkpoint: readers[0].checkpoint, signatures: later });
    const note = parseNote(utf8(findCosigned(place(), 3)!));
    expect(note.signatures.map(({ name }) => name)).toEqual(['example.test/ledger', 'a.example', 'b.example']);
    expect(findCosignature(note, testCosigner('a.example'))?.timeSeconds).toBe(1_767_225_600);
  });

  test('the oldest that covers an entry is found, or the oldest that enough witnesses cosigned', async () => {
    await keep(readers[0], ['a.example']);
    await keep(readers[1], ['a.example', 'b.example']);
    await keep(readers[2], ['b.example']);
    expect(listCosignedSizes(place())).toEqual([3, 8, 13]);
    const sizeOf = (text?: string) => text?.split('\n')[1];
    expect(sizeOf(findCosignedOver(place(), 2))).toBe('3');
    expect(sizeOf(findCosignedOver(place(), 3))).toBe('8');
    const keys = [testCosigner('a.example'), testCosigner('b.example')];
    expect(sizeOf(findCosignedOver(place(), 0, { keys, required: 2 }))).toBe('8');
    expect(sizeOf(findCosignedOver(place(), 8, { keys, required: 1 }))).toBe('13');
    expect(findCosignedOver(place(), 8, { keys, required: 2 })).toBeUndefined();
    expect(findCosignedOver(place(), 13)).toBeUndefined();
  });

  test('another tree of the same size is not mixed in, and 101 signatures are not kept', async () => {
    await keep(readers[0], ['a.example']);
    const signatures = Array.from({ length: 101 }, (_, i) => ({ name: `w${i}`, keyId: i, bytes: new Uint8Array(72) }));
    const other = readers[1].checkpoint;
    expect(() => {
      keepCosignatures({ ...place(), size: 3, checkpoint: other, signatures: [] });
    }).toThrow(coded('LEDGER_CORRUPT'));
    expect(() => {
      keepCosignatures({ ...place(), size: 8, checkpoint: other, signatures });
    }).toThrow(coded('LEDGER_NOTE_MALFORMED'));
    expect(listCosignedSizes(place())).toEqual([3]);
  });
});
