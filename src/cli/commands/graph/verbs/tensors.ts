/** Verbs on values and constant tensors. */
import { CliError } from '../../../../core/errors.ts';
import { toIndex, toValue } from '../words.ts';
import { need, TENSOR, VALUE } from './shared.ts';
import type { VerbRow } from './types.ts';

export const TENSORS: readonly VerbRow[] = [
  {
    name: 'rename-value',
    summary: 'rename a value with every use of it, in subgraphs too',
    words: [VALUE, ['<to>', 'new name']],
    options: [],
    example: ['rename-value model.onnx input.1 image', 'a name that people can read'],
    act: (tx, [value, to], flags) => {
      tx.renameValue(toValue(value, flags), to);
    },
  },
  {
    name: 'edit-tensor',
    summary: 'write elements over those of a constant tensor',
    words: [VALUE],
    options: [TENSOR, ['--start <index>', 'flat index of the first element (default: 0)']],
    example: [
      'edit-tensor model.onnx fc.bias --start 3 --tensor row.npy',
      'some elements; all others keep their bytes',
    ],
    act: (tx, [value], flags, inputs) => {
      const tensor = inputs.tensor(need(flags.tensor, '--tensor'));
      tx.editTensor(toValue(value, flags), toIndex(flags.start ?? '0'), tensor);
    },
  },
  {
    name: 'set-tensor',
    summary: 'replace a constant tensor',
    words: [VALUE],
    options: [TENSOR],
    example: ['set-tensor model.onnx fc.bias --tensor bias.npy', ''],
    act: (tx, [value], flags, inputs) => {
      tx.setTensor(toValue(value, flags), inputs.tensor(need(flags.tensor, '--tensor')));
    },
  },
  {
    name: 'set-storage',
    summary: 'store a tensor as raw bytes or as a typed field',
    words: [VALUE, ['<storage>', '"raw" or "typed"']],
    options: [],
    example: ['set-storage model.onnx fc.bias raw', ''],
    act: (tx, [value, storage], flags) => {
      if (storage !== 'raw' && storage !== 'typed') {
        throw new CliError('CLI_USAGE', { message: 'A tensor is stored "raw" or "typed".' });
      }
      tx.setStorage(toValue(value, flags), storage);
    },
  },
  {
    name: 'to-constant',
    summary: 'turn an initializer into a Constant node',
    words: [VALUE],
    options: [],
    example: ['to-constant model.onnx shape_1', ''],
    act: (tx, [value], flags) => {
      tx.initializerToConstant(toValue(value, flags));
    },
  },
  {
    name: 'to-initializer',
    summary: 'turn a Constant node into an initializer',
    words: [VALUE],
    options: [],
    example: ['to-initializer model.onnx const_1', ''],
    act: (tx, [value], flags) => {
      tx.constantToInitializer(toValue(value, flags));
    },
  },
  {
    name: 'add-initializer',
    summary: 'add a constant tensor',
    words: [['<name>', 'its name']],
    options: [TENSOR],
    example: ['add-initializer model.onnx limit --tensor limit.npy', ''],
    act: (tx, [name], flags, inputs) => {
      tx.addInitializer(name, inputs.tensor(need(flags.tensor, '--tensor')), flags.scope);
    },
  },
  {
    name: 'delete-initializer',
    summary: 'delete a constant tensor that nothing reads',
    words: [VALUE],
    options: [],
    example: ['delete-initializer model.onnx unused', ''],
    act: (tx, [value], flags) => {
      tx.deleteInitializer(toValue(value, flags));
    },
  },
];
