/** docs/lab.md: the text mark. */
import { BIASES, REPLACED, TEXT_KEYS_ROW_ID, toBiasRowId } from '../rows/text.ts';
import type { Results } from '../types.ts';
import { line, rule, show } from './table.ts';

export function describeText(results: Results): string[] {
  const rows = BIASES.flatMap((bias) => {
    const figures = results.get(toBiasRowId(bias));
    if (figures === undefined) return [];
    const wordsFor = ['wordsFor64', 'wordsFor128'].map((key) => (figures[key] === -1 ? 'never' : show(figures, key)));
    const after = (figures.afterReplacing as readonly number[]).join(' / ');
    const cells = ['pairs', 'greenShare', 'z', 'evidenceBits'].map((key) => show(figures, key));
    return [line(bias === 0 ? 'none' : bias, ...cells, ...wordsFor, after, show(figures, 'perplexity'))];
  });
  if (rows.length === 0) return [];
  const keys = results.get(TEXT_KEYS_ROW_ID);
  const shares = REPLACED.map((share) => 100 * share).join(' / ');
  const columns = ['bias (nats)', 'pairs', 'green', 'z', 'evidence (bits)', 'words for 64', 'words for 128'];
  return [
    '## Marks in texts',
    [
      'Texts of 64 words that the trained decoder writes (128 words in all, so pairs run out early), 96 of them; chance is a quarter',
      'of the pairs. Perplexity is what the unmarked decoder finds them.',
    ].join('\n'),
    [
      line(...columns, `evidence with ${shares} % of the words replaced`, 'perplexity'),
      rule(columns.length + 2),
      ...rows,
    ].join('\n'),
    ...(keys === undefined
      ? []
      : [
          `Keys that marked nothing: ${show(keys, 'keys')} on marked texts, largest evidence ${show(keys, 'markedBitsMax')} bits; on text that no model wrote ${show(keys, 'humanBitsMax')} bits (its perplexity ${show(keys, 'humanPerplexity')}).`,
        ]),
  ];
}
