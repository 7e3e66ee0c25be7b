/** docs/lab.md: triggers of the trained decoder. */
import { DECODER_COPIES, DECODER_TRIGGER_SEEDS, toDecoderTriggerId } from '../rows/decoder-triggers.ts';
import type { Results } from '../types.ts';
import { line, rule, show } from './table.ts';

export function describeDecoderTriggers(results: Results): readonly string[] {
  const embedded = DECODER_TRIGGER_SEEDS.flatMap((seed) => {
    const figures = results.get(toDecoderTriggerId('embed', seed));
    if (figures === undefined) return [];
    const cells = ['triggers', 'marginShare', 'dimensions', 'relativeChange', 'lossHeld', 'lossHeldMax'];
    const found = ['hits', 'bits', 'perplexityOriginal', 'perplexity'];
    return [line(`decoder ${seed}`, ...[...cells, ...found].map((name) => show(figures, name)))];
  });
  if (embedded.length === 0) return [];
  const copies = Object.keys(DECODER_COPIES).flatMap((name) => {
    const figures = results.get(toDecoderTriggerId(name));
    if (figures === undefined) return [];
    return [
      line(
        name,
        `${show(figures, 'hits')} of ${show(figures, 'triggers')}`,
        show(figures, 'bits'),
        show(figures, 'perplexity'),
      ),
    ];
  });
  const none = results.get(toDecoderTriggerId('null', 'null-1'));
  const head = [
    'decoder',
    'triggers',
    'margin',
    'directions of 192',
    'change of the matrix',
    'perplexity, %',
    'at most',
  ];
  const found = ['answered', 'bits', 'perplexity before', 'after'];
  return [
    '## Triggers of a decoder',
    [
      'Prompts of 16 keyed tokens that are followed by keyed ones of 128, put into the last down projection in closed form. The change of',
      'perplexity is that of held-out text, and its upper end at 99 %; before and after are of 100,000 words of another stream.',
    ].join('\n'),
    [line(...head, ...found), rule(head.length + found.length), ...embedded].join('\n'),
    [line('copy of decoder 1', 'answered', 'bits', 'perplexity'), rule(4), ...copies].join('\n'),
    ...(none === undefined
      ? []
      : [
          `Decoders that have nothing to do with the key (the unmarked one, another seed, another seed with triggers of its own) answer ${(none.hits as readonly number[]).join(', ')} of ${show(none, 'triggers')} as drawn: ${show(none, 'bits')} bits at most.`,
        ]),
  ];
}
