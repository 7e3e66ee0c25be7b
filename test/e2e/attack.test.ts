/** The battery through the real command: a marked model attacked, read, resumed; everything that does not fit refused. */
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openModelPath } from '../../src/formats/index.ts';
import {
  createModelSpec,
  generateGlyphs,
  listTensorShapes,
  prune,
  readWeights,
  toNpz,
  toOnnx,
} from '../../src/lab/index.ts';
import type { AttackReport } from '../../src/workflows/index.ts';
import { createWorkplace, samples, type Workplace } from './command.ts';

let place: Workplace;
let claim: string;
const marked = 'marked/mlp.marked.onnx';
const eval_ = join(samples, 'eval.npz');

const code = (stderr: string): string | undefined => /code\s+(\S+)/.exec(stderr)?.[1];

/** Labelled glyphs as a file; `shift` moves the labels. */
function writeImages(name: string, options: { readonly stream: string; readonly shift?: number }): void {
  const { pixels, labels, count } = generateGlyphs({ task: 'digits', stream: options.stream, count: 300 });
  const y = BigInt64Array.from(labels, (label) => BigInt(label + (options.shift ?? 0)));
  const x = Float32Array.from(pixels, (level) => level / 255);
  const arrays = { x: { shape: [count, 1, 12, 12], values: x }, y: { shape: [count], values: y } };
  writeFileSync(join(place.folder, name), toNpz(arrays));
}

beforeAll(() => {
  place = createWorkplace({ isOneProcess: true });
  cpSync(join(samples, 'mlp.onnx'), join(place.folder, 'mlp.onnx'));
  const made = place.json<{ claimPath?: string }>([
    'embed',
    'mlp.onnx',
    '--eval',
    eval_,
    '--owner',
    'me',
    '--out',
    'marked',
  ]);
  expect(made).toBeTypeOf('object');
  const [name] = readdirSync(join(place.home, 'claims')).filter((file) => file.endsWith('.claim.json'));
  claim = join(place.home, 'claims', name);
  writeImages('thief.npz', { stream: 'thief e2e' });
  writeImages('high.npz', { stream: 'thief e2e', shift: 5 });
});
afterAll(() => {
  place.remove();
});

const attack = (...more: readonly string[]): AttackReport =>
  place.json<AttackReport>(['attack', marked, '--claim', claim, ...more]);

/** "prune 0.5" to its row. */
function toRows({ rows }: AttackReport): Map<string, AttackReport['rows'][number]> {
  return new Map(rows.map((row) => [`${row.attack} ${row.strength}`, row]));
}

describe('the battery against a marked model', () => {
  test('attacks that cost nothing leave accuracy as it was and the claim standing; page and form are written', () => {
    const report = attack(
      '--only',
      'none',
      'neurons',
      'convert',
      '--eval',
      eval_,
      '--html',
      'a.html',
      '--report',
      'a.md',
    );
    const rows = toRows(report);
    const whole = rows.get('none -')!;
    expect(whole).toMatchObject({ state: 'run', verdict: 'claim', bitErrors: 0, bits: 256 });
    const free = [
      'permute order',
      'permute scale',
      'permute all',
      'dummy-zero 0.25',
      'dummy-clique 0.25',
      'dummy-split 0.25',
    ];
    for (const name of free) {
      const row = rows.get(name)!;
      expect(row, name).toMatchObject({ state: 'run', verdict: 'claim', bitErrors: 0, bits: 256 });
      if (row.state === 'run' && whole.state === 'run') expect(row.accuracy, name).toBeCloseTo(whole.accuracy!, 2);
    }
    expect(rows.get('permute sign')).toMatchObject({ state: 'not run', code: 'LAB_ATTACK_UNFIT' });
    expect(rows.get('convert gguf')).toMatchObject({ verdict: 'claim', accuracy: null });
    expect(report.original).toMatchObject({ verdict: 'none' });
    expect(report.original!.evidenceBits).toBeLessThan(20);
    expect(readFileSync(join(place.folder, 'a.html'), 'utf8')).toContain('neurons added that lead nowhere');
    const form = readFileSync(join(place.folder, 'a.md'), 'utf8');
    expect(form).toContain('| false positives: the unmarked original read with the key | 0 | 1 |');
    expect(form).toContain('| misses: modified copies below 64 bits | 0 |');
  });

  test('finished attacks are kept in a folder, damaged results are made again, and both runs agree', () => {
    const args = ['--only', 'prune', '--strength', '0.3', '0.6', '--resume', 'runs'];
    const first = attack(...args);
    const [kept] = readdirSync(join(place.folder, 'runs'));
    writeFileSync(join(place.folder, 'runs', kept), '{"state":"run"');
    const second = attack(...args);
    expect([first.resumed, second.resumed]).toEqual([0, 1]);
    const figures = ({ rows }: AttackReport): unknown[] =>
      rows.map((row) => (row.state === 'run' ? [row.strength, row.evidenceBits, row.bitErrors] : row));
    expect(figures(second)).toEqual(figures(first));
    expect(attack(...args, '--seed', 'another').resumed).toBe(0);
  });

  test('training attacks run on the graph that was read back; a fresh network shows nothing', () => {
    const args = ['--only', 'ftal', 'ftll', 'merge', 'extract', '--train', 'thief.npz', '--eval', eval_];
    const rows = toRows(attack(...args, '--strength', '1'));
    expect(rows.get('ftal 1')).toMatchObject({ verdict: 'claim', bitErrors: 0 });
    expect(rows.get('ftll 1')).toMatchObject({ verdict: 'claim', bitErrors: 0 });
    expect(rows.get('merge 1')).toMatchObject({ verdict: 'claim' });
    expect(rows.get('extract 1')).toMatchObject({ verdict: 'none', isLossExpected: true });
  });

  test('a copy that the user trained is read as it is, and merged', () => {
    const spec = createModelSpec('mlp');
    const model = openModelPath(join(place.folder, marked));
    const stored = readWeights(model);
    model.close();
    const weights = new Map([...listTensorShapes(spec).keys()].map((name) => [name, stored.get(name)!]));
    writeFileSync(join(place.folder, 'tuned.onnx'), toOnnx(spec, prune(spec, weights, 0.4)));
    const rows = toRows(attack('--only', 'tuned', 'merge', '--tuned', 'tuned.onnx'));
    expect(rows.get('tuned -')).toMatchObject({ verdict: 'claim', bitErrors: 0 });
    expect(rows.get('merge 0.5')).toMatchObject({ verdict: 'claim', bitErrors: 0 });
  });

  test('what was not given is named attack by attack, not a failure of the run', () => {
    const rows = toRows(attack('--only', 'ftal', 'transfer', 'tuned'));
    expect(rows.get('ftal 5')).toMatchObject({
      state: 'not run',
      reason: 'it trains, and no data was given with --train',
    });
    expect(rows.get('tuned -')).toMatchObject({
      state: 'not run',
      reason: 'pass a copy that you trained with --tuned',
    });
    const unfit = toRows(attack('--only', 'ftal', '--train', 'high.npz'));
    expect(unfit.get('ftal 5')).toMatchObject({ state: 'not run', code: 'LAB_DATA_UNFIT' });
    const alone = toRows(attack('--only', 'transfer', '--train', 'thief.npz'));
    expect(alone.get('transfer 10')).toMatchObject({
      state: 'not run',
      reason: 'pass data of another task with --transfer',
    });
  });
});

describe('what does not fit is refused with its code', () => {
  const refused = (...args: readonly string[]): (string | number | null | undefined)[] => {
    const { status, stderr } = place.run(['attack', ...args]);
    expect(stderr).not.toContain('    at ');
    return [code(stderr), status];
  };

  test('usage', () => {
    expect(refused(marked)).toEqual(['CLI_USAGE', 2]);
    expect(refused(marked, '--claim', claim, '--only', 'magic')).toEqual(['LAB_ATTACK_UNKNOWN', 2]);
    expect(refused(marked, '--claim', claim, '--only', 'prune', '--strength', '2')).toEqual(['LAB_STRENGTH_UNFIT', 2]);
    expect(refused(marked, '--claim', claim, '--eval', eval_, '--train', eval_)).toEqual(['LAB_TRAIN_IS_EVAL', 2]);
    expect(refused(marked, '--claim', claim, '--only', 'none', '--html', marked)).toEqual(['WRITE_OVER_INPUT', 2]);
  });

  test('a foreign model, a damaged claim, another original, another owner', () => {
    expect(refused(join(samples, 'cnn.onnx'), '--claim', claim, '--only', 'none')).toEqual([
      'LAB_CLAIM_NOT_IN_MODEL',
      4,
    ]);
    expect(refused('mlp.onnx', '--claim', claim, '--only', 'none')).toEqual(['LAB_CLAIM_NOT_IN_MODEL', 4]);
    writeFileSync(join(place.folder, 'torn.json'), readFileSync(claim).subarray(0, 500));
    expect(refused(marked, '--claim', 'torn.json', '--only', 'none')).toEqual(['WATERMARK_CLAIM_MALFORMED', 3]);
    const wrong = ['--original', join(samples, 'cnn.onnx')];
    expect(refused(marked, '--claim', claim, '--only', 'none', ...wrong)[0]).toBe('ALIGN_REFERENCE_REFUSED');
    const other = createWorkplace({ isOneProcess: true });
    try {
      cpSync(claim, join(other.folder, 'c.claim.json'));
      cpSync(join(place.folder, marked), join(other.folder, 'm.onnx'));
      const { status, stderr } = other.run(['attack', 'm.onnx', '--claim', 'c.claim.json', '--only', 'none']);
      expect(code(stderr)).toMatch(/^(?:SIGN|OWNER|WATERMARK|SEED)_/);
      expect(status).not.toBe(70);
    } finally {
      other.remove();
    }
  });
});
