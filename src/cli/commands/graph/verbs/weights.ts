/** Verbs that take weights out and put them back. */
import { toIndex, toValue } from '../words.ts';
import { need } from './shared.ts';
import type { VerbRow } from './types.ts';

export const WEIGHTS: readonly VerbRow[] = [
  {
    name: 'prune-tensor',
    summary: 'keep the 2 largest of every 4 weights, and set the others to zero',
    words: [['[value]', 'one tensor (default: all weights of Conv, Gemm and MatMul)']],
    options: [['--axis <index>', 'axis of the groups in that tensor']],
    example: ['prune-tensor model.onnx', 'the pattern of sparse matrix units; accuracy is not looked at'],
    act: (tx, words, flags, { weights }) => {
      if (words.length === 0) weights.prune(tx);
      else tx.pruneTensor(toValue(words[0], flags), toIndex(need(flags.axis, '--axis')));
    },
  },
  {
    name: 'strip-tensor',
    summary: 'take weights out: nodes that make zeros stand for them',
    words: [['[value...]', 'initializers (default: all weights of Conv, Gemm and MatMul)']],
    options: [['--except <value...>', 'weights that stay']],
    example: ['strip-tensor model.onnx --out structure.onnx', 'the structure without the weights, still a valid model'],
    act: (tx, words, flags, { weights }) => {
      if (words.length === 0) return weights.strip(tx, { except: flags.except ?? [] });
      for (const word of words) tx.stripTensor(toValue(word, flags));
      return words;
    },
  },
  {
    name: 'restore-tensor',
    summary: 'put weights back that were taken out',
    words: [['[original]', 'ONNX model that has them (default: stand-ins)']],
    other: 0,
    options: [],
    example: ['restore-tensor structure.onnx model.onnx', 'the structure with its weights again'],
    act: (tx, [original]: readonly (string | undefined)[], _flags, { weights }) =>
      weights.restore(tx, original === undefined ? {} : { model: original }),
  },
];
