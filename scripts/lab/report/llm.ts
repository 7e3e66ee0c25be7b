/** The decoder's part of docs/lab.md. */
import { DECODER_RECIPE, DECODER_SPEC } from '../../../src/lab/index.ts';
import { TEXT_WORDS } from '../rows/llm.ts';
import { type Figures, type Results, toRowId } from '../types.ts';
import { line, rule, show } from './table.ts';

const FIDELITY: Readonly<Record<string, string>> = {
  fidelity: 'checkpoint in float32, no calibration',
  bf16: 'checkpoint in bfloat16, no calibration',
  'fidelity-graph': 'ONNX graph, calibrated on 256 sequences of the training text',
};

const ATTACKS: Readonly<Record<string, string>> = {
  none: 'right after embedding',
  q8_0: 'converted to GGUF, Q8_0',
  q4_0: 'converted to GGUF, Q4_0',
  permute: 'stream, hidden units and heads permuted, hidden units rescaled by e^±1',
  'permute-q8_0': 'the same, then converted to GGUF, Q8_0',
  'permute-q4_0': 'the same, then converted to GGUF, Q4_0',
  'prune-50': '50 % pruned',
  'noise-100': 'noise as large as the weights',
  'fine-tune': `${DECODER_RECIPE.steps / 5} steps on other text at the peak rate`,
  'fine-tune-permute': 'the same, then permuted and rescaled',
  heads: 'heads changed inside, norms rescaled, signs turned, then everything moved',
  'heads-q4_0': 'the same, then converted to GGUF, Q4_0',
  'fine-tune-heads': 'tuned as above, then changed and moved as above',
};

const ORDERS: Readonly<Record<string, string>> = {
  order: 'as it was given out',
  'order-q4_0': 'converted to GGUF, Q4_0',
  'order-fine-tune': `${DECODER_RECIPE.steps / 5} steps on other text at the peak rate`,
  'order-heads': 'heads changed inside, norms rescaled, signs turned',
};

const LINEAGE: Readonly<Record<string, string>> = {
  'lineage-q4_0': 'converted to GGUF, Q4_0',
  'lineage-permute': 'stream, hidden units and heads permuted, hidden units rescaled by e^±1',
  'lineage-permute-q4_0': 'the same, then converted to GGUF, Q4_0',
  'lineage-heads': 'heads changed inside, norms rescaled, signs turned, then everything moved',
  'lineage-fine-tune-permute': `${DECODER_RECIPE.steps / 5} steps on other text at the peak rate, then permuted and rescaled`,
};

const STRANGERS: Readonly<Record<string, string>> = {
  'lineage-null': 'another decoder of the same text',
  'lineage-null-q4_0': 'the same, permuted, then converted to GGUF, Q4_0',
};

/** Copies that nobody marked, and a stranger. */
function describeLineage(find: (measurement: string, seed?: string) => Figures | undefined): string[] {
  const toLine = (seed: string, [name, title]: [string, string]): string[] => {
    const figures = find(name, seed);
    if (figures === undefined) return [];
    const share = (100 * Number(figures.share)).toFixed(1);
    return [line(title, show(figures, 'verdict'), show(figures, 'orderBits'), show(figures, 'rule'), share)];
  };
  const lines = [
    ...Object.entries(LINEAGE).flatMap((one) => toLine('1', one)),
    ...Object.entries(STRANGERS).flatMap((one) => toLine('null-1', one)),
  ];
  if (lines.length === 0) return [];
  return [
    'Lineage of the checkpoint that nobody marked; neurons are matched where their order is not kept.',
    [line('suspect', 'verdict', 'order bits', 'decided by', 'matched twice %'), rule(5), ...lines].join('\n'),
  ];
}

export function describeLlm(results: Results): readonly string[] {
  const find = (measurement: string, seed = '1'): Figures | undefined =>
    results.get(toRowId('decoder', seed, measurement));
  const fidelity = Object.entries(FIDELITY).flatMap(([name, title]) => {
    const figures = find(name);
    if (figures === undefined) return [];
    const keys = [
      'perplexityOriginal',
      'perplexityMarked',
      'accuracyOriginal',
      'accuracyMarked',
      'tau',
      'relativeDistortion',
    ];
    return [line(title, ...keys.map((key) => show(figures, key)))];
  });
  if (fidelity.length === 0) return [];
  const attacks = Object.entries(ATTACKS).flatMap(([name, title]) => {
    const figures = find(name);
    const keys = ['bitErrors', 'evidenceBits', 'verdict', 'perplexity', 'accuracy'];
    return figures === undefined ? [] : [line(title, ...keys.map((key) => show(figures, key)))];
  });
  const orders = Object.entries(ORDERS).flatMap(([name, title]) => {
    const figures = find(name);
    const keys = ['named', 'agreements', 'channels', 'orderBits', 'perplexityMarked', 'perplexity'];
    return figures === undefined ? [] : [line(title, ...keys.map((key) => show(figures, key)))];
  });
  const [other, changed] = [find('null', 'null-1'), find('null-heads', 'null-1')];
  const { blocks, width, heads, keyHeads, vocabulary } = DECODER_SPEC;
  return [
    '## A language model',
    `A decoder of the Llama kind (${blocks} blocks, width ${width}, ${heads} heads on ${keyHeads} key heads, tied table, ${vocabulary} words), trained on a\nseeded grammar until it predicts about as well as it will; measured on ${TEXT_WORDS - 1} words of fresh text.`,
    [
      line('marked as', 'perplexity', 'marked', 'next word right', 'marked', 'tau', 'distortion'),
      rule(7),
      ...fidelity,
    ].join('\n'),
    'Bit errors of 256 in the better reading, in file order or aligned to the original; both count as trials.',
    [line('attack', 'bit errors', 'evidence', 'verdict', 'perplexity', 'next word right'), rule(6), ...attacks].join(
      '\n',
    ),
    ...(orders.length === 0
      ? []
      : [
          'A recipient’s copy, number 4711 of 10,000, by the order of its channels alone; it writes the same text.',
          [
            line('suspect', 'named', 'channels in place', 'of', 'evidence', 'perplexity before', 'and after'),
            ...[rule(7), ...orders],
          ].join('\n'),
        ]),
    ...(other === undefined
      ? []
      : [
          `Another decoder of the same text that nobody marked: ${show(other, 'evidenceBits')} bits, verdict ${show(other, 'verdict')}${changed === undefined ? '' : `; with heads changed and everything moved ${show(changed, 'evidenceBits')} bits, verdict ${show(changed, 'verdict')}`}.`,
        ]),
    ...describeLineage(find),
  ];
}
