/** Verbs on nodes that are there. */
import { toAttributeValue, toIndex, toNode } from '../words.ts';
import { NODE, toNodes, VALUE, WITH } from './shared.ts';
import type { VerbRow } from './types.ts';

export const NODES: readonly VerbRow[] = [
  {
    name: 'replace',
    summary: 'take nodes out and put others in their place',
    words: [['<nodes...>', 'nodes that go']],
    options: [WITH],
    example: ['replace model.onnx gelu_pow gelu_add --with gelu.json', 'a fused operator instead of its parts'],
    act: (tx, words, flags, inputs) =>
      tx.replace(
        words.map((word) => toNode(tx, word, flags)),
        toNodes(flags, inputs),
      ),
  },
  {
    name: 'remove',
    summary: 'take nodes out',
    words: [['<nodes...>', 'nodes that go']],
    options: [['--reconnect', 'what read their output reads their input']],
    example: ['remove model.onnx dropout_1 --reconnect', 'without a gap'],
    act: (tx, words, flags) => {
      const gone = words.map((word) => toNode(tx, word, flags));
      tx.remove(gone, { ...(flags.reconnect === true && { reconnect: true }) });
    },
  },
  {
    name: 'rename-node',
    summary: 'rename a node',
    words: [NODE, ['<to>', 'new name']],
    options: [],
    example: ['rename-node model.onnx node_17 head', ''],
    act: (tx, [node, to], flags) => {
      tx.renameNode(toNode(tx, node, flags), to);
    },
  },
  {
    name: 'set-attribute',
    summary: 'set or delete an attribute of a node',
    words: [NODE, ['<name>', 'attribute'], ['[value]', 'its value; deletes it when absent']],
    options: [],
    example: ['set-attribute model.onnx leaky_1 alpha 0.2', ''],
    act: (tx, words, flags) => {
      const [node, name] = words;
      tx.setAttribute(toNode(tx, node, flags), name, words.length === 2 ? null : toAttributeValue(words[2]));
    },
  },
  {
    name: 'set-input',
    summary: 'let a node read another value',
    words: [NODE, ['<input>', 'index of the input'], VALUE],
    options: [],
    example: ['set-input model.onnx add_1 1 skip', ''],
    act: (tx, [node, input, value], flags) => {
      tx.setInput(toNode(tx, node, flags), toIndex(input), value);
    },
  },
  {
    name: 'move-node',
    summary: 'move a node to another place in the order',
    words: [NODE],
    options: [['--after <node>', 'behind this one (default: to the front)']],
    example: ['move-node model.onnx relu_2 --after conv_2', ''],
    act: (tx, [node], flags) => {
      tx.moveNode(toNode(tx, node, flags), flags.after === undefined ? null : toNode(tx, flags.after, flags));
    },
  },
];
