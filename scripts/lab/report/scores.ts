/** docs/lab.md: the mark of scores. */
import { ANSWER_MODEL } from '../rows/answers.ts';
import { SCORE_SURROGATES } from '../rows/scores.ts';
import { type Results, toRowId } from '../types.ts';
import { line, rule, show } from './table.ts';

export function describeScores(results: Results): string[] {
  const rows = Object.entries(SCORE_SURROGATES).flatMap(([name, { title }]) => {
    const figures = results.get(toRowId(ANSWER_MODEL, '1', name));
    if (figures === undefined) return [];
    const confidence = `${show(figures, 'confidenceBefore')} → ${show(figures, 'confidence')}`;
    return [
      line(
        ...[title, `${show(figures, 'errors')} of ${show(figures, 'signs')}`, show(figures, 'evidenceBits')],
        ...[Number(figures.evidenceBits) >= 64 ? 'met' : '**missed**', show(figures, 'othersBitsMax')],
        ...[show(figures, 'changedAnswers'), confidence, (100 * Number(figures.accuracy)).toFixed(1)],
      ),
    ];
  });
  if (rows.length === 0) return [];
  return [
    '## Marked scores',
    [
      'A fifth (or a tenth) of every answer’s probability goes to the other classes, with a keyed lean along 32 directions of the',
      'input; a surrogate is trained on the answered probabilities. A judge asks 2,500 fresh inputs. Errors are keyed signs that it',
      'leans against. Bars: at least 64 bits, below 10 bits for 20 customers whose answers it never saw, at most 0.5 points of accuracy',
      '(no best class changes but through rounding).',
    ].join('\n'),
    [
      line(
        ...['surrogate', 'wrong signs', 'evidence (bits)', '64 bits', 'others, largest'],
        ...['answers changed', 'mean confidence', 'accuracy %'],
      ),
      rule(8),
      ...rows,
    ].join('\n'),
  ];
}
