/** Copies that name who got them, through the real command: given away, leaked, named; registers that were tampered with. */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { EXIT } from '../../src/core/errors.ts';
import { openModelPath } from '../../src/formats/index.ts';
import { readWeights, permute, toOnnx, createModelSpec } from '../../src/lab/index.ts';
import type {
  DetectReport,
  EmbedResult,
  ListedRecipient,
  ProtectResult,
  RecipientList,
} from '../../src/workflows/index.ts';
import { createWorkplace, samples, type Workplace } from './command.ts';

let place: Workplace;
const model = join(samples, 'cnn.onnx');
const eval_ = join(samples, 'eval.npz');
const spec = createModelSpec('cnn');

/** The error code that a refusal prints. */
const code = (stderr: string): string | undefined => /^ +code +(\S+)$/m.exec(stderr)?.[1];

beforeAll(() => {
  place = createWorkplace({ isOneProcess: true });
  for (const [id, more] of [
    ['acme', []],
    ['globex', ['--recipient-code', 'order']],
  ] as const) {
    place.json<EmbedResult>([
      'embed',
      model,
      '--eval',
      eval_,
      '--owner',
      'me',
      '--recipient',
      id,
      '--out',
      id,
      ...more,
    ]);
  }
});
afterAll(() => {
  place.remove();
});

const annexes = (): string[] => readdirSync(join(place.home, 'annexes')).filter((name) => name.endsWith('.annex.json'));

describe('recipients', () => {
  test('are numbered, listed and shown; their IDs are in no annex and no ledger', () => {
    const { recipients } = place.json<{ recipients: ListedRecipient[] }>(['recipients', 'list']);
    expect(recipients.map(({ number, id, codes }) => ({ number, id, codes }))).toEqual([
      { number: 1, id: 'acme', codes: ['order', 'payload'] },
      { number: 2, id: 'globex', codes: ['order'] },
    ]);
    expect(recipients.every(({ recorded }) => recorded !== null)).toBe(true);
    expect(new Set(recipients.map(({ commitment }) => commitment)).size).toBe(1);
    expect(place.run(['recipients', 'show', 'globex']).stdout).toContain('order of 328 neurons');
    const unknown = place.run(['recipients', 'show', 'initech']);
    expect([unknown.status, code(unknown.stderr)]).toEqual([2, 'RECIPIENT_UNKNOWN']);
    const listed = (folder: string): string[] =>
      readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'));
    const annexTexts = annexes().map((name) => {
      const { payload } = JSON.parse(readFileSync(join(place.home, 'annexes', name), 'utf8')) as { payload: string };
      return Buffer.from(payload, 'base64').toString('utf8');
    });
    for (const text of [...annexTexts, ...listed(join(place.home, 'ledger'))]) expect(text).not.toContain('acme');
  });

  test('are named by detect, each by their own copy, with the mark in the same file', () => {
    for (const [id, number] of [
      ['acme', 1],
      ['globex', 2],
    ] as const) {
      const report = place.json<DetectReport>(['detect', `${id}/cnn.marked.onnx`]);
      expect(report.verdict).toBe('claim');
      expect(report.recipient).toMatchObject({ verdict: 'claim', number, id, recipients: 2, orderState: 'recipient' });
      expect(report.recipient!.order).toMatchObject({ agreements: 328, channels: 328 });
      expect(report.recipient!.evidenceBits).toBeGreaterThan(1000);
    }
  });

  test('a copy whose neurons were moved again is called reshuffled, and named by its payload', () => {
    const copy = openModelPath(join(place.folder, 'acme/cnn.marked.onnx'));
    const moved = permute(spec, readWeights(copy), { seed: 'thief', logScaleMax: 0.5 });
    copy.close();
    writeFileSync(join(place.folder, 'moved.onnx'), toOnnx(spec, moved));
    const { recipient, verdict } = place.json<DetectReport>(['detect', 'moved.onnx']);
    expect(verdict).toBe('claim');
    expect(recipient).toMatchObject({ number: 1, verdict: 'claim', orderState: 'reshuffled' });
    expect(recipient!.payload).toMatchObject({ decoded: true, tagErrors: 0 });
    // Few moved neurons come back to their place by chance: no more than one stranger in 2^10 shows as much.
    expect(recipient!.order!.evidenceBits).toBeLessThan(10);
  });

  test('a copy is read, and its recipient named, where the original is gone: every order is undone in turn', () => {
    const folder = join(place.home, 'claims');
    const notes = join(folder, readdirSync(folder).find((name) => name.endsWith('.notes.json'))!);
    const kept = readFileSync(notes, 'utf8');
    writeFileSync(notes, JSON.stringify({ v: 1, originalPath: join(place.folder, 'gone.onnx'), baselinePath: null }));
    onTestFinished(() => {
      writeFileSync(notes, kept);
    });
    const report = place.json<DetectReport>(['detect', 'acme/cnn.marked.onnx']);
    const other = place.json<DetectReport>(['detect', 'globex/cnn.marked.onnx']);
    const words = ['detect', join(samples, 'cnn-large.onnx'), '--expect', 'inconclusive'];
    const stranger = place.json<DetectReport>(words).recipient;
    expect(report).toMatchObject({ verdict: 'claim', original: 'absent' });
    expect(report.recipient).toMatchObject({ verdict: 'claim', number: 1, id: 'acme', orderState: 'unread' });
    // An order alone says whose copy it is only against the original; the mark is found all the same.
    expect(other).toMatchObject({ verdict: 'claim', recipient: { number: null, undone: { number: 2 } } });
    expect(stranger).toMatchObject({ number: null, undone: null });
  });

  test('nobody is named in the original or in a model that has nothing to do with it', () => {
    expect(place.json<DetectReport>(['detect', model]).recipient).toMatchObject({
      number: null,
      orderState: 'original',
    });
    const stranger = place.json<DetectReport>(['detect', join(samples, 'cnn-large.onnx')]);
    expect(stranger.recipient).toMatchObject({ number: null, orderState: 'unread' });
  });

  test('the same copy again is the same entry; another one for the same ID is refused before anything is released', () => {
    const again = place.json<EmbedResult>(['embed', model, '--eval', eval_, '--recipient', 'acme', '--out', 'again']);
    expect(again.recipient).toMatchObject({ number: 1, leafIndex: null });
    const bytes = (folder: string): Buffer => readFileSync(join(place.folder, folder, 'cnn.marked.onnx'));
    expect(bytes('again').equals(bytes('acme'))).toBe(true);
    const other = place.run(['embed', model, '--eval', eval_, '--recipient', 'acme', '--tau', '0.1', '--out', 'other']);
    expect([other.status, code(other.stderr)]).toEqual([2, 'RECIPIENT_EXISTS']);
    expect(readdirSync(place.folder)).not.toContain('other');
    expect(annexes()).toHaveLength(2);
  });

  test('a model without neurons that can move is refused with the way out', () => {
    const plain = join(samples, 'mlp.safetensors');
    const refused = place.run(['embed', plain, '--unmeasured', '--recipient', 'acme', '--out', 'plain']);
    expect([refused.status, code(refused.stderr)]).toEqual([4, 'RECIPIENT_NO_NEURONS']);
    const named = place.json<EmbedResult>([
      'embed',
      plain,
      '--unmeasured',
      '--recipient',
      'acme',
      '--recipient-code',
      'payload',
      '--out',
      'plain',
    ]);
    expect(named.recipient).toMatchObject({ number: 1, codes: ['payload'] });
    const { recipient } = place.json<DetectReport>(['detect', 'plain/mlp.marked.safetensors']);
    expect(recipient).toMatchObject({ number: 1, id: 'acme', verdict: 'claim', orderState: 'unread' });
  });

  test.each([
    [['--recipient-code', 'order'], 'CLI_USAGE'],
    [['--recipient', ''], 'CLI_USAGE'],
    [['--recipient', 'a\nb'], 'CLI_USAGE'],
    [['--recipient', 'x'.repeat(201)], 'CLI_USAGE'],
  ])('%j is refused', (words, expected) => {
    const refused = place.run(['embed', model, '--eval', eval_, '--out', 'wrong', ...words]);
    expect([refused.status, code(refused.stderr)]).toEqual([2, expected]);
  });

  test('a register that was tampered with names nobody; the own mark is read, and the list says what is wrong', () => {
    const folder = join(place.home, 'annexes');
    const kept = join(place.folder, 'kept');
    mkdirSync(kept);
    for (const name of readdirSync(folder).filter((file) => file.endsWith('.json')))
      copyFileSync(join(folder, name), join(kept, name));
    const suspect = ['detect', 'acme/cnn.marked.onnx'] as const;
    // Names begin with the commitment, which is another one in every run: the register of this suspect is meant.
    const prefixes = annexes().map((name) => name.slice(0, 12));
    const own = prefixes.find((prefix, at) => prefixes.indexOf(prefix) !== at)!;
    const path = join(folder, annexes().find((name) => name.startsWith(own))!);
    const refuse = (): string | undefined => {
      const { verdict, recipient } = place.json<DetectReport>(suspect);
      expect(verdict).toBe('claim');
      if (recipient!.verdict !== 'unreadable') return undefined;
      expect(recipient).toMatchObject({ number: null, id: null, releasedDigest: null });
      return /\(([A-Z_]+)\)/.exec(recipient!.notes.join())?.[1];
    };

    const envelope = JSON.parse(readFileSync(path, 'utf8')) as { payload: string };
    const body = Buffer.from(envelope.payload, 'base64')
      .toString('utf8')
      .replace(/"number":\d+/, '"number":9');
    writeFileSync(path, JSON.stringify({ ...envelope, payload: Buffer.from(body).toString('base64') }));
    expect(refuse()).toBe('SIGN_SIGNATURE_INVALID');
    const listing = place.run(['recipients', 'list', '--json']);
    const { recipients, faults } = JSON.parse(listing.stdout) as RecipientList;
    expect(listing.status).toBe(EXIT.malformed);
    expect(faults).toMatchObject([{ code: 'SIGN_SIGNATURE_INVALID', number: null, annexes: [path] }]);
    expect(recipients).toHaveLength(2);

    const foreign = readdirSync(kept).find((name) => !name.startsWith(own) && name.endsWith('.annex.json'))!;
    copyFileSync(join(kept, foreign), join(folder, `${own}.recipient.000000000000.annex.json`));
    copyFileSync(join(kept, basename(path)), path);
    expect(refuse()).toBe('WATERMARK_ANNEX_OF_ANOTHER_CLAIM');
    rmSync(join(folder, `${own}.recipient.000000000000.annex.json`));

    const names = readdirSync(folder).filter((file) => file.endsWith('.recipient-name.json'));
    for (const name of names) {
      const text = readFileSync(join(folder, name), 'utf8');
      writeFileSync(join(folder, name), text.replace(/"id":"[^"]+"/, '"id":"somebody else"'));
    }
    expect(refuse()).toBe('RECIPIENT_REGISTER_MALFORMED');
    for (const name of names) copyFileSync(join(kept, name), join(folder, name));
    expect(refuse()).toBeUndefined();
  });

  test('the report of protect names the copy: by ID for the owner, by number alone for everybody else', () => {
    const words = [
      'protect',
      join(samples, 'mlp.onnx'),
      '--eval',
      eval_,
      '--recipient',
      'umbrella',
      '--out',
      'released',
    ];
    const { report, publicReport, recipient } = place.json<ProtectResult>(words);
    const [owner, everybody] = [report, publicReport].map(({ path }) => readFileSync(path, 'utf8'));
    expect(owner).toContain(`umbrella (number ${recipient!.number})`);
    expect(everybody).toContain(`number ${recipient!.number}</strong>`);
    expect(everybody).not.toMatch(/umbrella|payload in the weights/);
  });
});
