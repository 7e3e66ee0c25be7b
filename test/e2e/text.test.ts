/** The text mark by the command line: put into a decoder, read in its texts, shown to a judge, taken out. */
import { cpSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toNpyBytes } from '../../src/fidelity/index.ts';
import { openModelPath } from '../../src/formats/index.ts';
import type { EmbedTextResult } from '../../src/workflows/text/embed.ts';
import type { TextReport } from '../../src/workflows/text/detect.ts';
import { createBigrams, writeWith } from '../bigrams.ts';
import { runPlan } from '../formats/models.ts';
import { createWorkplace, samples, type Workplace } from './command.ts';

let place: Workplace;
let claim: string;
let embedded: EmbedTextResult;
const write = (name: string, content: string | Uint8Array): void => {
  writeFileSync(join(place.folder, name), content);
};
const errorOf = (at: Workplace, args: readonly string[]): unknown =>
  (JSON.parse(at.run([...args, '--json']).stdout) as { error: { code: string } }).error.code;

beforeAll(async () => {
  place = createWorkplace({ isOneProcess: true });
  cpSync(join(samples, 'mlp.onnx'), join(place.folder, 'mlp.onnx'));
  place.json(['embed', 'mlp.onnx', '--owner', 'acme', '--unmeasured', '--out', 'marked']);
  const [name] = readdirSync(join(place.home, 'claims')).filter((file) => file.endsWith('.claim.json'));
  claim = join(place.home, 'claims', name);
  write('decoder.onnx', runPlan(createBigrams().plan([])));
  write('words.txt', Array.from({ length: 256 }, (_, id) => `w${id}\n`).join(''));
  const embed = ['text', 'embed', 'decoder.onnx', '--claim', claim, '--words', 'words.txt', '--out', 'marked.onnx'];
  embedded = place.json<EmbedTextResult>(embed);
  const texts = await writeWith(openModelPath(join(place.folder, 'marked.onnx')), 24);
  write('texts.jsonl', texts.map((text) => JSON.stringify([...text])).join('\n'));
  write('texts.json', JSON.stringify(texts.map((text) => [...text])));
  const ids = BigInt64Array.from(
    texts.flatMap((text) => [...text]),
    BigInt,
  );
  const shape = [texts.length, texts[0].length];
  write('texts.npy', toNpyBytes({ dtype: 'i64', shape, data: new Uint8Array(ids.buffer) }));
  write('texts.txt', texts.map((text) => [...text].map((id) => `w${id}`).join(' ')).join('\n'));
});
afterAll(() => {
  place.remove();
});

describe('text embed', () => {
  test('says what the mark does to texts, and records its annex before the copy', () => {
    const { effect, annex, params } = embedded;
    expect(params).toMatchObject({ tokens: 'input_ids', logits: 'logits', vocabulary: 256, buckets: 256, share: 0.25 });
    expect(effect?.greenAfter).toBeGreaterThan((effect?.greenBefore ?? 1) + 0.2);
    expect(effect?.bitsPer1000Pairs).toBeGreaterThan(100);
    expect(effect?.divergenceNats).toBeGreaterThan(0);
    expect(place.json<{ entries: object[] }>(['ledger', 'show']).entries).toContainEqual(
      expect.objectContaining({ type: 'annex', seq: annex.leafIndex, detail: { kind: 'text' } }),
    );
  });

  test('measures on given texts, too; refuses what is no decoder, a second mark, and to write over its input', () => {
    const again = ['text', 'embed', 'decoder.onnx', '--claim', claim, '--out', 'other.onnx', '--eval', 'texts.npy'];
    expect(place.json<EmbedTextResult>(again).effect).toMatchObject({ texts: 'given' });
    expect(errorOf(place, ['text', 'embed', 'mlp.onnx', '--claim', claim, '--out', 'x.onnx'])).toBe(
      'WATERMARK_TEXT_UNFIT',
    );
    const twice = ['text', 'embed', 'marked.onnx', '--claim', claim, '--out', 'x.onnx'];
    expect(errorOf(place, twice)).toBe('WATERMARK_LABEL_PRESENT');
    const over = ['text', 'embed', 'decoder.onnx', '--claim', claim, '--out', 'decoder.onnx', '--force'];
    expect(errorOf(place, over)).toBe('WRITE_OVER_INPUT');
  });
});

describe('text detect', () => {
  const detect = (...args: string[]): TextReport => place.json<TextReport>(['text', 'detect', ...args]);

  test('reads the same in every form of the texts', () => {
    const readings = ['texts.jsonl', 'texts.json', 'texts.npy'].map((file) => detect(file, '--claim', claim));
    readings.push(detect('texts.txt', '--words', 'words.txt', '--claim', claim));
    for (const { verdict, evidenceBits, pairs } of readings) {
      expect(verdict).toBe('claim');
      expect({ evidenceBits, pairs }).toEqual({ evidenceBits: readings[0].evidenceBits, pairs: readings[0].pairs });
    }
  });

  test('refuses words in another order than was committed: one that is chosen afterwards can read any text', () => {
    write('turned.txt', Array.from({ length: 256 }, (_, id) => `w${255 - id}\n`).join(''));
    const args = ['text', 'detect', 'texts.txt', '--words', 'turned.txt', '--claim', claim];
    expect(errorOf(place, args)).toBe('WATERMARK_TEXT_WORDS');
  });

  test('says when its annex was recorded; a judge with a seed alone is told that nothing here says so', () => {
    const { recorded, notes } = detect('texts.json', '--claim', claim);
    expect(recorded).toMatchObject({ leafIndex: embedded.annex.leafIndex });
    expect(notes.join()).toContain('token ids were taken as given');
  });

  test('of a text that is nobody’s says none, and --expect makes it an exit code', () => {
    write('plain.json', JSON.stringify(Array.from({ length: 900 }, (_, i) => (i * i + 31 * i) % 251)));
    expect(detect('plain.json').verdict).toBe('none');
    expect(place.run(['text', 'detect', 'plain.json', '--expect', 'claim']).status).toBe(1);
  });

  test('a judge reads with claim, annex and the seed of this purpose alone', () => {
    const judge = createWorkplace({ isOneProcess: true });
    try {
      const args = [
        'text',
        'detect',
        join(place.folder, 'texts.json'),
        '--claim',
        claim,
        '--annex',
        embedded.annex.path,
      ];
      place.json(['disclose', claim, '--purpose', 'api', '--out', 'api.json']);
      place.json(['disclose', claim, '--purpose', 'own', '--out', 'own.json']);
      const report = judge.json<TextReport>([...args, '--seed', join(place.folder, 'api.json')]);
      expect(report.verdict).toBe('claim');
      expect(readdirSync(judge.folder)).toEqual([]);
      expect(errorOf(judge, [...args, '--seed', join(place.folder, 'own.json')])).toBe('SEED_OF_ANOTHER_PURPOSE');
      expect(errorOf(judge, ['text', 'detect', join(place.folder, 'texts.json'), '--claim', claim])).toBe(
        'TEXT_MARK_NOT_FOUND',
      );
    } finally {
      judge.remove();
    }
  });

  test.each([
    ['ids.json', '{"a": 1}'],
    ['ids.json', '[1, 2.5]'],
    ['ids.json', '[[1], ["x"]]'],
    ['ids.jsonl', '[1, 2]\nnot json'],
    ['ids.txt', 'words without a list'],
  ])('%s that holds %j is refused with its reason', (name, content) => {
    write(name, content);
    expect(errorOf(place, ['text', 'detect', name])).toBe('WATERMARK_TEXT_MALFORMED');
  });
});

test('text remove gives the decoder back', async () => {
  place.json(['text', 'remove', 'marked.onnx', '--out', 'plain.onnx']);
  const open = (name: string) => openModelPath(join(place.folder, name));
  expect(await writeWith(open('plain.onnx'), 2)).toEqual(await writeWith(open('decoder.onnx'), 2));
  expect(errorOf(place, ['text', 'remove', 'plain.onnx', '--out', 'x.onnx'])).toBe('WATERMARK_OUTPUT_ABSENT');
});
