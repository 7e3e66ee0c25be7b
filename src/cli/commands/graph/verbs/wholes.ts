/** Verbs on the interface, on functions, and on whole graphs. */
import type { Transaction } from '../../../../surgery/index.ts';
import { toIndex, toNode, toPair, toTypedValue, toValue } from '../words.ts';
import { need, VALUE } from './shared.ts';
import type { VerbRow } from './types.ts';

export const WHOLES: readonly VerbRow[] = [
  {
    name: 'add-input',
    summary: 'add an input to the graph',
    words: [['<value>', 'NAME:TYPE[SHAPE], such as mask:f32[1,n]']],
    options: [],
    example: ['add-input model.onnx "mask:f32[1,n]"', ''],
    act: (tx, [value], flags) => {
      tx.addInput(toTypedValue(value), flags.scope);
    },
  },
  {
    name: 'set-type',
    summary: 'declare another type or shape for a value',
    words: [['<value>', 'NAME:TYPE[SHAPE], such as image:f32[batch,3,224,224]; NAME alone forgets what was declared']],
    options: [],
    example: ['set-type model.onnx "image:f32[batch,3,224,224]"', 'any batch'],
    act: (tx, [word], flags) => {
      const { name, ...type } = toTypedValue(word);
      tx.setType(toValue(name, flags), Object.keys(type).length === 0 ? null : type);
    },
  },
  {
    name: 'delete-input',
    summary: 'delete an input that nothing reads',
    words: [VALUE],
    options: [],
    example: ['delete-input model.onnx mask', ''],
    act: (tx, [value], flags) => {
      tx.deleteInput(toValue(value, flags));
    },
  },
  {
    name: 'add-output',
    summary: 'make a value an output of the graph',
    words: [['<value>', 'NAME, or NAME:TYPE[SHAPE] where the type is not known']],
    options: [],
    example: ['add-output model.onnx features', 'look inside'],
    act: (tx, [value], flags) => {
      const { name, ...type } = toTypedValue(value);
      tx.addOutput(toValue(name, flags), Object.keys(type).length === 0 ? undefined : type);
    },
  },
  {
    name: 'delete-output',
    summary: 'take a value off the outputs',
    words: [VALUE],
    options: [],
    example: ['delete-output model.onnx debug', ''],
    act: (tx, [value], flags) => {
      tx.deleteOutput(toValue(value, flags));
    },
  },
  {
    name: 'import-opset',
    summary: 'import an operator set of another domain',
    words: [
      ['<domain>', 'domain'],
      ['<version>', 'version'],
    ],
    options: [],
    example: ['import-opset model.onnx com.microsoft 1', ''],
    act: (tx, [domain, version], flags) => {
      tx.importOpset(domain, toIndex(version), flags.scope);
    },
  },
  {
    name: 'extract',
    summary: 'keep what lies between some values and others',
    words: [],
    options: [
      ['--inputs <value...>', 'values that are fed: NAME, or NAME:TYPE[SHAPE]'],
      ['--outputs <value...>', 'values that come out'],
    ],
    example: ['extract model.onnx --inputs "x:f32[1,64]" --outputs logits', 'the head as a model of its own'],
    act: (tx, _words, { inputs = [], outputs }) => {
      tx.extract(inputs.map(toTypedValue), need(outputs, '--outputs').map(toTypedValue));
    },
  },
  {
    name: 'merge',
    summary: 'put another model behind this one',
    words: [['<other>', 'ONNX model that is added']],
    other: 0,
    options: [
      ['--connect <input=value...>', 'inputs of the other model, and the values of this one that they read'],
      ['--prefix <text>', 'before the names of the other model'],
      ['--keep-outputs', 'outputs of this one that are connected stay outputs'],
    ],
    example: ['merge backbone.onnx head.onnx --connect x=features --prefix head_', 'one model out of two'],
    act: (tx, [other], { connect = [], prefix, keepOutputs }) => {
      tx.merge(other, {
        connect: Object.fromEntries(connect.map((word) => toPair(word, 'INPUT=VALUE'))),
        ...(prefix !== undefined && { prefix }),
        ...(keepOutputs === true && { keepOutputs }),
      });
    },
  },
  {
    name: 'prefix',
    summary: 'put a prefix before the names of all values and nodes',
    words: [['<prefix>', 'the prefix']],
    options: [['--interface', 'inputs and outputs as well']],
    example: ['prefix model.onnx a_', 'before two models are merged'],
    act: (tx, [prefix], flags) => {
      tx.prefix(prefix, { ...(flags.interface === true && { interface: true }) });
    },
  },
  {
    name: 'inline',
    summary: 'put the body of a model-local function in the place of its call',
    words: [['[node]', 'the call (default: every call, and the functions go)']],
    options: [],
    example: ['inline model.onnx', 'no functions are left'],
    act: (tx, words, flags) => {
      if (words.length === 0) tx.inlineAll();
      else tx.inline(toNode(tx, words[0], flags));
    },
  },
  {
    name: 'outline',
    summary: 'make a model-local function of nodes, and a call in their place',
    words: [
      ['<name>', 'name of the function'],
      ['<node...>', 'the nodes, each by its name or a value that it makes'],
    ],
    options: [['--domain <domain>', 'domain of the function (default: modelward.outlined)']],
    example: ['outline model.onnx Block relu_1 conv_2 add_3', 'the opposite of inline; needs IR 8'],
    act: (tx, [name, ...nodes], flags) => {
      const { domain } = flags;
      tx.outline(
        nodes.map((word) => toNode(tx, word, flags)),
        name,
        domain === undefined ? {} : { domain },
      );
    },
  },
  {
    name: 'add-function',
    summary: 'add a model-local function',
    words: [['<function>', 'JSON, or a file of it: {"name","domain","inputs","outputs","attributes","nodes"}']],
    options: [],
    example: ['add-function model.onnx attention.json', ''],
    act: (tx, [word], _flags, inputs) => {
      tx.addFunction(inputs.json(word) as Parameters<Transaction['addFunction']>[0]);
    },
  },
  {
    name: 'toposort',
    summary: 'put nodes in an order in which values are made before they are read',
    words: [],
    options: [],
    example: ['toposort model.onnx', 'stable: what is in order stays'],
    act: (tx, _words, { scope }) => {
      tx.toposort(scope);
    },
  },
  {
    name: 'cleanup',
    summary: 'delete nodes, constants and functions that no output depends on',
    words: [],
    options: [],
    example: ['cleanup model.onnx', ''],
    act: (tx) => tx.cleanup(),
  },
];
