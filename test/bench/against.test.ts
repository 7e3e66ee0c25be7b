/** What one commit's gateway costs beside another's: figures to verdicts. */
import { describe, expect, test } from 'vitest';
import { type Compared, findWorse, toTable, toVerdicts } from '../../scripts/bench/gateway/against.ts';

const BEFORE = [100, 103, 98, 101, 102, 99];
const cpu = (body: string, now: readonly number[], before: readonly number[] = BEFORE): Compared => ({
  ...{ body, figure: 'CPU us', isLessBetter: true, before, now },
});

describe('a commit beside another', () => {
  test('what is no larger than chance is not called a change', () => {
    const [one] = toVerdicts([cpu('JSON 100 B', [101, 99.5, 102.5, 98.5, 100.5, 103.5])]);
    expect(one).toMatchObject({ medianBefore: 100.5, medianNow: 100.75, isClear: false });
    expect(findWorse([one], 0)).toEqual([]);
  });

  test('what is clearly slower is found, by how much, and fails where that is above what is allowed', () => {
    const verdicts = toVerdicts([
      cpu(
        'JSON 100 B',
        BEFORE.map((value) => value * 1.1),
      ),
      cpu('binary 10 MB', BEFORE),
    ]);
    expect(verdicts.map(({ isClear }) => isClear)).toEqual([true, false]);
    expect(verdicts[0].changePercent).toBeCloseTo(10, 6);
    expect(findWorse(verdicts, 5).map(({ body }) => body)).toEqual(['JSON 100 B']);
    expect(findWorse(verdicts, 15)).toEqual([]);
  });

  test('what is clearly faster never fails', () => {
    const verdicts = toVerdicts([
      cpu(
        'JSON 100 B',
        BEFORE.map((value) => value * 0.8),
      ),
    ]);
    expect(verdicts[0].isClear).toBe(true);
    expect(findWorse(verdicts, 0)).toEqual([]);
  });

  test('of three samples each nothing can be told, however far apart', () => {
    const [one] = toVerdicts([cpu('JSON 100 B', [900, 901, 902], [1, 2, 3])]);
    expect(one.isClear).toBeNull();
    expect(findWorse([one], 0)).toEqual([]);
  });

  test('the more bodies, the less one of them alone says', () => {
    const near = [104, 102.5, 103.5, 101.5, 105, 106];
    const alone = toVerdicts([cpu('JSON 100 B', near)]);
    const bodies = ['JSON 10 KB', 'JSON 1 MB', 'binary 10 KB', 'binary 600 KB', 'binary 10 MB'];
    const among = toVerdicts([cpu('JSON 100 B', near), ...bodies.map((body) => cpu(body, BEFORE))]);
    expect(alone[0].isClear).toBe(true);
    expect(among[0].probability).toBeCloseTo(alone[0].probability * 6, 9);
    expect(among[0].isClear).toBe(false);
  });

  test('the table says which way a change is good', () => {
    const rate: Compared = {
      body: 'JSON 100 B',
      figure: 'requests/s',
      isLessBetter: false,
      before: BEFORE,
      now: BEFORE.map((value) => value * 1.5),
    };
    const verdicts = toVerdicts([
      cpu(
        'JSON 100 B',
        BEFORE.map((value) => value * 1.5),
      ),
      rate,
      cpu('binary 10 MB', BEFORE),
    ]);
    const table = toTable({ names: { before: 'a1 one', now: 'b2 two' }, notes: ['a note'], verdicts });
    expect(table.split('\n').filter((line) => /^\| (JSON|binary)/.test(line))).toEqual([
      expect.stringMatching(/^\| JSON 100 B \| CPU us .*\+50\.0 % \| 0\.\d{3} \| worse \|$/),
      expect.stringMatching(/^\| binary 10 MB \| CPU us .*\+0\.0 % \| 1\.000 \| ~ \|$/),
      expect.stringMatching(/^\| JSON 100 B \| requests\/s .*\+50\.0 % \| 0\.\d{3} \| better \|$/),
    ]);
    expect(table).toContain('a note');
  });
});
