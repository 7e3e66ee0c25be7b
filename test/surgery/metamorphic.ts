/** Edits that must not change what a model computes, and the comparison of two models by running both. */
import type { Runtime, RuntimeTensor } from '../../src/model/runtime.ts';
import { decodeFloats, isFloatDType } from '../../src/model/floats.ts';
import type { TensorRef } from '../../src/model/types.ts';
import {
  applyEditPlan,
  editGraph,
  formatEditPlan,
  type TensorJson,
  type Transaction,
  validateGraph,
} from '../../src/surgery/index.ts';
import { openBytes, runPlan } from '../formats/models.ts';
import { type CorpusCase, decodeInput } from './corpus.ts';

export const METAMORPHOSES: Readonly<Record<string, (tx: Transaction) => void>> = {
  'insert Identity on every edge': (tx) => {
    for (const path of tx.scopes()) {
      const { nodes, outputs } = tx.scope(path);
      importDefault(tx, path);
      for (const node of nodes) {
        node.inputs.forEach((value, input) => {
          if (value !== '') tx.insertBefore(node, input, { op: 'Identity' });
        });
      }
      for (const { name } of outputs) {
        if (tx.producer({ scope: path, value: name }) === undefined) continue;
        tx.insertOnEdge({ scope: path, value: name }, 'output', { op: 'Identity' });
      }
    }
  },
  'rename every value and node': (tx) => {
    for (const path of tx.scopes()) {
      const { inputs, initializers, nodes } = tx.scope(path);
      const values = new Set([
        ...inputs.map(({ name }) => name),
        ...initializers,
        ...nodes.flatMap(({ outputs }) => outputs),
      ]);
      for (const value of values) if (value !== '') tx.renameValue({ scope: path, value }, tx.fresh('renamed'));
      for (const node of nodes) tx.renameNode(node, tx.fresh('node'));
    }
  },
  'reorder nodes, then sort them': (tx) => {
    for (const path of tx.scopes()) {
      const { nodes } = tx.scope(path);
      for (const node of nodes) tx.moveNode(node, null);
    }
    tx.toposort();
  },
  'turn initializers into Constant nodes': (tx) => {
    for (const path of tx.scopes()) {
      const { initializers, inputs } = tx.scope(path);
      const fed = new Set(inputs.map(({ name }) => name));
      for (const value of initializers) {
        // A default of an input stays: the interface would change.
        if (tx.tensor({ scope: path, value }) === undefined || (fed.has(value) && tx.irVersion >= 4)) continue;
        tx.initializerToConstant({ scope: path, value });
      }
    }
  },
  'turn Constant nodes into initializers': (tx) => {
    for (const node of tx.find({ op: 'Constant', domain: '' })) {
      const { kind } = tx.scope(node.scopePath);
      const at = { scope: node.scopePath, value: node.outputs[0] };
      if (tx.tensor(at) === undefined || kind === 'function' || (kind === 'subgraph' && tx.irVersion < 4)) continue;
      tx.constantToInitializer(at);
    }
  },
  'store raw tensors typed and typed ones raw': (tx) => {
    for (const path of tx.scopes()) {
      const { initializers, nodes } = tx.scope(path);
      for (const value of [...initializers, ...nodes.flatMap(({ outputs }) => outputs)]) {
        const tensor = value === '' ? undefined : tx.tensor({ scope: path, value });
        if (tensor === undefined || tensor.dtype === 'string') continue;
        tx.setStorage({ scope: path, value }, tensor.storage === 'typed' ? 'raw' : 'typed');
      }
    }
  },
  'split every matrix of weights in two, and put it together again': (tx) => {
    for (const path of tx.scopes()) {
      const { initializers, inputs, outputs } = tx.scope(path);
      const interfaces = new Set([...inputs, ...outputs].map(({ name }) => name));
      for (const value of initializers) {
        const at = { scope: path, value };
        const tensor = tx.tensor(at);
        if (tensor === undefined || tensor.shape.length < 2 || tensor.shape[0] < 2 || interfaces.has(value)) continue;
        if (tensor.dtype !== 'f32' && tensor.dtype !== 'f64') continue;
        const rows = tensor.shape[0] >> 1;
        const [first, second] = [readRows(tensor, 0, rows), readRows(tensor, rows, tensor.shape[0])];
        const rest = tx.fresh(`${value}_rest`);
        tx.setTensor(at, first);
        tx.addInitializer(rest, second, path);
        tx.insertAfter(at, { op: 'Concat', inputs: [null, rest], attributes: { axis: { int: 0 } } });
      }
    }
  },
  'outline nodes, five at a time': (tx) => {
    outlineAll(tx);
  },
  'outline nodes, and inline every function': (tx) => {
    outlineAll(tx);
    tx.inlineAll();
  },
  'add what nothing needs, then clean up': (tx) => {
    for (const path of tx.scopes()) {
      const { inputs } = tx.scope(path);
      const read = inputs.find(({ dtype }) => dtype === 'f32')?.name;
      if (read === undefined) continue;
      importDefault(tx, path);
      const value = tx.fresh('unneeded');
      tx.addNodes([{ op: 'Neg', inputs: [read], outputs: [value] }], { scope: path });
    }
    tx.cleanup();
  },
};

/** Rows [from, to) of a tensor whose elements are whole bytes. */
function readRows(tensor: TensorRef, from: number, to: number): TensorJson {
  const { dtype, shape } = tensor;
  const rowBytes = tensor.byteLength / shape[0];
  const data = new Uint8Array((to - from) * rowBytes);
  tensor.read(from * rowBytes, data);
  return { dtype, shape: [to - from, ...shape.slice(1)], data };
}

/** Functions came with IR 8; below, nothing happens. */
function outlineAll(tx: Transaction): void {
  if (tx.irVersion < 8) return;
  const { nodes } = tx.scope();
  for (let first = 0; first < nodes.length; first += 5) {
    tx.outline(nodes.slice(first, first + 5), `Part${first}`);
  }
}

/** Models of ai.onnx.ml alone have no operator set for what is put in. */
function importDefault(tx: Transaction, scope: string): void {
  if (tx.opset('', scope) === undefined) tx.importOpset('', 13, scope);
}

/** Why a model cannot serve, or its outputs by position. */
export type RunResult =
  | { readonly outputs: readonly RuntimeTensor[]; readonly problem: null }
  | { readonly outputs: null; readonly problem: string };

/** Runs a model on inputs given by position. */
export async function runModel(
  runtime: Runtime,
  main: Uint8Array,
  inputs: readonly RuntimeTensor[],
): Promise<RunResult> {
  try {
    const session = await runtime.load({ main, external: [] });
    try {
      if (session.outputs.some(({ dtype }) => dtype === null))
        return { outputs: null, problem: 'an output is no tensor' };
      const feeds = new Map(session.inputs.slice(0, inputs.length).map(({ name }, at) => [name, inputs[at]]));
      const results = await session.run(feeds);
      return { outputs: session.outputs.map(({ name }) => results.get(name)!), problem: null };
    } finally {
      await session.release();
    }
  } catch (error) {
    const { fields, message } = error as { fields?: { reason?: string }; message: string };
    return { outputs: null, problem: fields?.reason ?? message };
  }
}

/** A runnable case: its inputs, and what the model gives for them. */
export interface RunnableCase {
  readonly name: string;
  readonly model: Uint8Array;
  readonly inputs: readonly RuntimeTensor[];
  readonly outputs: readonly RuntimeTensor[];
}

/** Null when the runtime cannot run it, or does not give the same twice (random operators). */
export async function findRunnable(runtime: Runtime, of: CorpusCase): Promise<RunnableCase | null> {
  let inputs: RuntimeTensor[];
  try {
    inputs = of.inputs.map(decodeInput);
  } catch {
    return null;
  }
  const first = await runModel(runtime, of.model, inputs);
  if (first.outputs === null) return null;
  const second = await runModel(runtime, of.model, inputs);
  if (second.outputs === null || !isClose(first.outputs, second.outputs)) return null;
  return { name: of.name, model: of.model, inputs, outputs: first.outputs };
}

/** Undefined when the edited model is valid and gives the same; else what went wrong. */
export async function findDifference(
  runtime: Runtime,
  of: RunnableCase,
  act: (tx: Transaction) => void,
): Promise<string | undefined> {
  let edited: Uint8Array;
  try {
    const model = openBytes(of.model, 'model.onnx');
    const edit = editGraph(model, act);
    edited = runPlan(edit.toRewrite());
    const replayed = applyEditPlan(model, formatEditPlan(edit.plan));
    if (Buffer.compare(runPlan(replayed.toRewrite()), edited) !== 0) return 'the plan replays to other bytes';
    const { problems } = validateGraph(openBytes(edited, 'model.onnx'));
    const known = new Set(validateGraph(model).problems.map(({ rule }) => rule));
    const fresh = problems.filter(({ rule, severity }) => severity === 'error' && !known.has(rule));
    if (fresh.length > 0) return `invalid: ${JSON.stringify(fresh[0])}`;
  } catch (error) {
    const { code, fields, message } = error as { code?: string; fields?: unknown; message: string };
    return `${code ?? message} ${JSON.stringify(fields)}`;
  }
  const { outputs, problem } = await runModel(runtime, edited, of.inputs);
  if (outputs === null) return problem;
  return isClose(of.outputs, outputs) ? undefined : 'other outputs';
}

/** Equal types, shapes and values; floats within 1e-3 relative or absolute, since runtimes fuse nodes. */
export function isClose(a: readonly RuntimeTensor[], b: readonly RuntimeTensor[]): boolean {
  return a.length === b.length && a.every((value, at) => isCloseTensor(value, b[at]));
}

function isCloseTensor(a: RuntimeTensor, b: RuntimeTensor): boolean {
  if (a.dtype !== b.dtype || a.shape.join() !== b.shape.join()) return false;
  if (Buffer.compare(a.data, b.data) === 0) return true;
  const { dtype } = a;
  if (!isFloatDType(dtype)) return false;
  const count = a.shape.reduce((product, dim) => product * dim, 1);
  const [x, y] = [new Float64Array(count), new Float64Array(count)];
  decodeFloats(dtype, a.data, x);
  decodeFloats(dtype, b.data, y);
  return x.every((value, i) => Object.is(value, y[i]) || Math.abs(value - y[i]) <= 1e-3 + 1e-3 * Math.abs(value));
}
