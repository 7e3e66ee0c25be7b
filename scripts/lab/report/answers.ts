/** docs/lab.md: the mark of answers. */
import { ANSWER_MODEL, SURROGATES } from '../rows/answers.ts';
import { type Results, toRowId } from '../types.ts';
import { line, rule, show } from './table.ts';

export function describeAnswers(results: Results): string[] {
  const rows = Object.entries(SURROGATES).flatMap(([name, { title }]) => {
    const figures = results.get(toRowId(ANSWER_MODEL, '1', name));
    if (figures === undefined) return [];
    const hits = `${show(figures, 'markedHits')} of ${show(figures, 'marked')}`;
    const controls = `${show(figures, 'controlHits')} of ${show(figures, 'controls')}`;
    const isFound = Number(figures.evidenceBits) >= 64;
    return [
      line(
        ...[title, hits, controls, show(figures, 'evidenceBits'), isFound ? 'met' : '**missed**'],
        ...[show(figures, 'othersBitsMax'), show(figures, 'costPoints')],
        (100 * Number(figures.accuracy)).toFixed(1),
      ),
    ];
  });
  if (rows.length === 0) return [];
  return [
    '## Marked answers',
    [
      'Half a per cent of a customer’s answers is the second-best class, chosen by a key; a surrogate is trained on the answered',
      'labels alone. Hits are inputs on which it says our second-best class. The evidence is Fisher’s exact test of marked inputs',
      'against controls; bars: at least 64 bits, below 10 bits for 20 customers whose answers it never saw, at most 0.5 points of accuracy.',
    ].join('\n'),
    [
      line(
        'surrogate',
        'marked hits',
        'control hits',
        'evidence (bits)',
        '64 bits',
        'others, largest',
        'cost (points)',
        'accuracy %',
      ),
      rule(8),
      ...rows,
    ].join('\n'),
  ];
}
