/** Verbs that put nodes in. */
import { toIndex, toNode, toValue } from '../words.ts';
import { NODE, toNodes, toOutput, toWireNode, VALUE, WIRE, WITH } from './shared.ts';
import type { VerbRow } from './types.ts';

export const INSERTION: readonly VerbRow[] = [
  {
    name: 'insert-after',
    summary: 'put a node behind a value: all that reads the value reads the new node',
    words: [VALUE],
    options: WIRE,
    example: ['insert-after model.onnx conv1_out --op Relu', 'a Relu behind a convolution'],
    act: (tx, [value], flags) => tx.insertAfter(toValue(value, flags), toWireNode(flags), toOutput(flags)),
  },
  {
    name: 'insert-before',
    summary: 'put a node before one input of a node; other readers keep the value',
    words: [NODE, ['<input>', 'index of the input']],
    options: WIRE,
    example: ['insert-before model.onnx fc1 0 --op Clip', 'clip what one node reads'],
    act: (tx, [node, input], flags) =>
      tx.insertBefore(toNode(tx, node, flags), toIndex(input), toWireNode(flags), toOutput(flags)),
  },
  {
    name: 'insert-on-edge',
    summary: 'put a node between a value and one of its readers',
    words: [VALUE, ['<reader>', 'node that reads it, or "output" for the output of the graph']],
    options: WIRE,
    example: ['insert-on-edge model.onnx x output --op Identity', 'before the output of the graph alone'],
    act: (tx, [value, reader], flags) => {
      const to = reader === 'output' ? 'output' : toNode(tx, reader, flags);
      return tx.insertOnEdge(toValue(value, flags), to, toWireNode(flags), toOutput(flags));
    },
  },
  {
    name: 'add-nodes',
    summary: 'add nodes with all wires given',
    words: [],
    options: [WITH, ['--after <node>', 'place in the order, where nothing else decides it']],
    example: ['add-nodes model.onnx --with nodes.json', 'nodes from a file'],
    act: (tx, _words, flags, inputs) =>
      tx.addNodes(toNodes(flags, inputs), {
        ...(flags.scope !== undefined && { scope: flags.scope }),
        ...(flags.after !== undefined && { after: toNode(tx, flags.after, flags) }),
      }),
  },
];
