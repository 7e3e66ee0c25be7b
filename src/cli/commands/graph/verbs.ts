/** The verbs of `modelward graph` that edit: one row each, the twin of a method of a transaction. */
import { CliError } from '../../../core/errors.ts';
import {
  type NodeJson,
  pruneWeights,
  restoreWeights,
  stripWeights,
  type TensorJson,
  type Transaction,
  type WireNodeJson,
} from '../../../surgery/index.ts';
import {
  toAttribute,
  toAttributeValue,
  toIndex,
  toNode,
  toPair,
  toTypedValue,
  toValue,
  type WordFlags,
} from './words.ts';

export interface VerbFlags extends WordFlags {
  readonly op?: string;
  readonly domain?: string;
  readonly name?: string;
  readonly attribute?: readonly string[];
  readonly input?: readonly string[];
  readonly output?: string;
  readonly with?: string;
  readonly reconnect?: boolean;
  readonly after?: string;
  readonly start?: string;
  readonly tensor?: string;
  readonly inputs?: readonly string[];
  readonly outputs?: readonly string[];
  readonly prefix?: string;
  readonly connect?: readonly string[];
  readonly keepOutputs?: boolean;
  readonly interface?: boolean;
  readonly axis?: string;
  readonly except?: readonly string[];
}

/** A file or JSON text that a flag names, as JSON; and tensors from npy files. */
export interface VerbInputs {
  /** JSON of a flag: text that begins with { or [, else the content of a file. */
  json(word: string): unknown;
  /** A tensor: JSON text, or an npy file. */
  tensor(word: string): TensorJson;
}

export interface VerbRow {
  readonly name: string;
  readonly summary: string;
  /** Index of the argument that is another model, which the verb takes by that word. */
  readonly other?: number;
  /** Arguments behind the model, as commander writes them. */
  readonly words: readonly (readonly [string, string])[];
  readonly options: readonly (readonly [string, string])[];
  readonly example: readonly [string, string];
  readonly act: (tx: Transaction, words: readonly string[], flags: VerbFlags, inputs: VerbInputs) => unknown;
}

const WIRE: VerbRow['options'] = [
  ['--op <op>', 'operator of the new node'],
  ['--domain <domain>', 'domain of the operator (default: the standard one)'],
  ['--name <name>', 'name of the new node'],
  ['--attribute <name=value...>', 'attributes: alpha=0.5, axis=1, axes=[0,1], mode=linear'],
  ['--input <value...>', 'inputs of the new node, "-" being the wire (default: the wire alone)'],
  ['--output <name>', 'name of the value that the new node makes'],
];
const WITH = ['--with <json>', 'nodes as JSON, or a file of it: [{"op","inputs","outputs","attributes"}]'] as const;
const TENSOR = ['--tensor <file>', 'npy file, or JSON: {"dtype":"f32","shape":[2],"values":[1,2]}'] as const;
const NODE = ['<node>', 'node, by its name or a value that it makes'] as const;
const VALUE = ['<value>', 'name of a value'] as const;

function need<T>(value: T | undefined, flag: string): T {
  if (value === undefined) throw new CliError('CLI_USAGE', { message: `${flag} is missing.` });
  return value;
}

function toWireNode({ op, domain, name, attribute, input }: VerbFlags): WireNodeJson {
  return {
    op: need(op, '--op'),
    ...(domain !== undefined && { domain }),
    ...(name !== undefined && { name }),
    ...(input !== undefined && { inputs: input.map((word) => (word === '-' ? null : word)) }),
    ...(attribute !== undefined && { attributes: Object.fromEntries(attribute.map(toAttribute)) }),
  };
}

const toOutput = ({ output }: VerbFlags): { output?: string } => (output === undefined ? {} : { output });

function toNodes(flags: VerbFlags, inputs: VerbInputs): NodeJson[] {
  const json = inputs.json(need(flags.with, '--with'));
  return (Array.isArray(json) ? json : [json]) as NodeJson[];
}

const insertion: readonly VerbRow[] = [
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

const nodes: readonly VerbRow[] = [
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

const tensors: readonly VerbRow[] = [
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

const weights: readonly VerbRow[] = [
  {
    name: 'prune-tensor',
    summary: 'keep the 2 largest of every 4 weights, and set the others to zero',
    words: [['[value]', 'one tensor (default: all weights of Conv, Gemm and MatMul)']],
    options: [['--axis <index>', 'axis of the groups in that tensor']],
    example: ['prune-tensor model.onnx', 'the pattern of sparse matrix units; accuracy is not looked at'],
    act: (tx, words, flags) => {
      if (words.length === 0) pruneWeights(tx);
      else tx.pruneTensor(toValue(words[0], flags), toIndex(need(flags.axis, '--axis')));
    },
  },
  {
    name: 'strip-tensor',
    summary: 'take weights out: nodes that make zeros stand for them',
    words: [['[value...]', 'initializers (default: all weights of Conv, Gemm and MatMul)']],
    options: [['--except <value...>', 'weights that stay']],
    example: ['strip-tensor model.onnx --out structure.onnx', 'the structure without the weights, still a valid model'],
    act: (tx, words, flags) => {
      if (words.length === 0) return stripWeights(tx, { except: flags.except ?? [] });
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
    act: (tx, [original]: readonly (string | undefined)[]) =>
      restoreWeights(tx, original === undefined ? {} : { model: original }),
  },
];

const wholes: readonly VerbRow[] = [
  {
    name: 'add-input',
    summary: 'add an input to the graph',
    words: [['<value>', 'NAME:TYPE[SHAPE], such as mask:f32[1,n]']],
    options: [],
    example: ['add-input model.onnx mask:f32[1,n]', ''],
    act: (tx, [value], flags) => {
      tx.addInput(toTypedValue(value), flags.scope);
    },
  },
  {
    name: 'set-type',
    summary: 'declare another type or shape for a value',
    words: [['<value>', 'NAME:TYPE[SHAPE], such as image:f32[batch,3,224,224]; NAME alone forgets what was declared']],
    options: [],
    example: ['set-type model.onnx image:f32[batch,3,224,224]', 'any batch'],
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
    example: ['extract model.onnx --inputs x:f32[1,64] --outputs logits', 'the head as a model of its own'],
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
        connect: Object.fromEntries(connect.map(toPair)),
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

/** Plan JSON of more than one verb comes from a file: `modelward graph apply`. */
export const VERB_ROWS: readonly VerbRow[] = [...insertion, ...nodes, ...tensors, ...weights, ...wholes];
