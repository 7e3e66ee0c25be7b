/**
 * Weights and computation in f16: operators of the table compute in it, Cast nodes stand where they meet others. A layer
 * with a weight beyond ±65,504 stays in f32; so do function bodies, and the inputs and outputs of subgraphs.
 */
import { toOnnxCode } from '../../../formats/index.ts';
import type { NodeRecord, ScopeRecord } from '../../../model/document.ts';
import { decodeFloats } from '../../../model/floats.ts';
import type { TensorRef } from '../../../model/types.ts';
import type { NodeView } from '../../draft/node.ts';
import { inferDocument } from '../../infer/infer.ts';
import type { InferredType } from '../../infer/types.ts';
import type { Transaction } from '../../transaction.ts';
import { eachScopeRecord } from '../../validate/tree.ts';
import { findFixedTensor } from '../constants.ts';
import type { Pass, PassResult } from '../pass.ts';
import { findHalfInputs } from './half-table.ts';

/** Largest finite f16. */
const HALF_MAX = 65_504;

export const half: Pass = ({ document, keepIo }) => {
  const { scopes } = inferDocument(document);
  const frames = [...eachScopeRecord(document.graph)].map(
    (record): Frame => ({ record, path: record.path, types: scopes.get(record) ?? new Map<string, InferredType>() }),
  );
  return Promise.resolve((tx) => new HalfRun(tx, frames, keepIo).run());
};

/** The main graph or a subgraph, with what is known of the values that it defines. */
interface Frame {
  readonly record: ScopeRecord;
  readonly path: string;
  readonly types: ReadonlyMap<string, InferredType>;
}

/** A value by the scope that defines it. */
interface Place {
  readonly scope: string;
  readonly value: string;
}

const toKey = (scope: string, value: string): string => `${scope}\n${value}`;

/** One conversion: what is f16 already, and the casts that were made, each once per value. Keys are those of places. */
class HalfRun {
  readonly #tx: Transaction;
  readonly #frames: readonly Frame[];
  readonly #keepIo: boolean;
  /** Every f32 value. */
  readonly #floats = new Map<string, Place>();
  /** Paths of scopes around a scope, itself first. */
  readonly #around = new Map<string, readonly Frame[]>();
  /** Values that a scope inside gives as they are: their type is that of its output. */
  readonly #captured = new Set<string>();
  readonly #halves = new Set<string>();
  readonly #casts = new Map<string, string>();
  /** Nodes that compute in f16, by their first outputs. */
  readonly #nodes = new Set<string>();
  /** The name that a value had before an output got a Cast. */
  readonly #renamed = new Map<string, string>();

  constructor(tx: Transaction, frames: readonly Frame[], keepIo: boolean) {
    this.#tx = tx;
    this.#frames = frames;
    this.#keepIo = keepIo;
    const byPath = new Map(frames.map((frame) => [frame.path, frame]));
    for (const { path, types } of frames) {
      const around: Frame[] = [];
      for (let at: string | null = path; at !== null; at = tx.scope(at).parentPath) around.push(byPath.get(at)!);
      this.#around.set(path, around);
      for (const [value, type] of types) {
        const isFloat = type.kind === 'tensor' && type.dtype === 'f32';
        if (isFloat) this.#floats.set(toKey(path, value), { scope: path, value });
      }
    }
    for (const { path, record } of frames) {
      for (const { name } of record.outputs) {
        const key = this.#resolve(path, name);
        if (key !== toKey(path, name)) this.#captured.add(key);
      }
    }
  }

  run(): PassResult {
    const tooLarge = this.#collectTooLarge();
    for (const { path, record } of this.#frames) {
      for (const node of record.nodes) {
        if (this.#isHalf(path, node, tooLarge)) this.#nodes.add(toKey(path, node.outputs[0]));
      }
    }
    const weights = this.#castWeights();
    if (!this.#keepIo) this.#castInputs();
    for (const frame of this.#frames) this.#markOutputs(frame);
    for (const { path } of this.#frames) this.#restoreOutputs(path);
    this.#meetEdges();
    const notes = [...tooLarge].map((key) => `${this.#floats.get(key)!.value}: a weight beyond f16 stays in f32`);
    const casts = new Set(this.#casts.values()).size + this.#renamed.size;
    return { counts: { nodes: this.#nodes.size, weights, casts }, notes };
  }

  /** Key of the value that `name` is in a scope. */
  #resolve(path: string, name: string): string {
    const frame = this.#around.get(path)?.find(({ types }) => types.has(name));
    return toKey(frame?.path ?? path, name);
  }

  /** The constant of a value that callers cannot replace. */
  #findTensor({ scope, value }: Place): TensorRef | undefined {
    return scope === '' ? findFixedTensor(this.#tx, value) : this.#tx.tensor({ scope, value });
  }

  /** Weights that f16 cannot hold. */
  #collectTooLarge(): ReadonlySet<string> {
    const found = new Set<string>();
    for (const [key, place] of this.#floats) {
      const tensor = this.#findTensor(place);
      if (tensor !== undefined && !fitsHalf(tensor)) found.add(key);
    }
    return found;
  }

  /** In the table, with every input that must be f16 a known f32, and outputs that follow. */
  #isHalf(path: string, node: NodeRecord, tooLarge: ReadonlySet<string>): boolean {
    const positions = findHalfInputs(node.domain, node.op);
    if (positions === undefined || node.outputs[0] === '') return false;
    if (node.outputs.some((name) => this.#captured.has(toKey(path, name)))) return false;
    const taken = node.inputs.filter((name, i) => name !== '' && (positions === 'all' || positions.includes(i)));
    const keys = taken.map((name) => this.#resolve(path, name));
    return isPlain(node) && keys.length > 0 && keys.every((key) => this.#floats.has(key) && !tooLarge.has(key));
  }

  #takesHalf({ domain, op, outputs, scopePath }: NodeView, input: number): boolean {
    const [first = ''] = outputs;
    const name = this.#renamed.get(toKey(scopePath, first)) ?? first;
    if (!this.#nodes.has(toKey(scopePath, name))) return false;
    const positions = findHalfInputs(domain, op);
    return positions === 'all' || positions?.includes(input) === true;
  }

  /** Rounds weights that only f16 nodes read. @returns how many */
  #castWeights(): number {
    let count = 0;
    for (const [key, place] of this.#floats) {
      if (this.#findTensor(place) === undefined || this.#captured.has(key)) continue;
      const { scope, value } = place;
      const readers = this.#tx.readers(place);
      const isHalfOnly = readers.every((node) => node.inputs.every((n, i) => n !== value || this.#takesHalf(node, i)));
      const isOutput = this.#tx.scope(scope).outputs.some(({ name }) => name === value);
      if (readers.length === 0 || !isHalfOnly || isOutput) continue;
      this.#tx.castTensor(place, 'f16');
      this.#halves.add(key);
      count++;
    }
    return count;
  }

  #castInputs(): void {
    const { inputs, initializers } = this.#tx.scope();
    for (const { name, shape } of inputs) {
      if (!this.#floats.has(toKey('', name)) || initializers.includes(name)) continue;
      this.#tx.setType(name, { dtype: 'f16', shape: shape ?? null });
      this.#halves.add(toKey('', name));
    }
  }

  #markOutputs({ path, record }: Frame): void {
    const declared = new Map(this.#tx.scope(path).values.map((value) => [value.name, value]));
    for (const node of record.nodes) {
      if (!this.#nodes.has(toKey(path, node.outputs[0]))) continue;
      for (const value of node.outputs) {
        if (!this.#floats.has(toKey(path, value))) continue;
        this.#halves.add(toKey(path, value));
        const known = declared.get(value);
        if (known !== undefined) this.#tx.setType({ scope: path, value }, { dtype: 'f16', shape: known.shape ?? null });
      }
    }
  }

  /** Outputs stay f32 behind a Cast; readers inside take what comes before it. */
  #restoreOutputs(scope: string): void {
    for (const { name: value, shape } of this.#tx.scope(scope).outputs) {
      const key = toKey(scope, value);
      if (!this.#halves.has(key)) continue;
      if (scope === '' && !this.#keepIo) {
        this.#tx.setType(value, { dtype: 'f16', shape: shape ?? null });
        continue;
      }
      const { value: inner } = this.#tx.insertOnEdge({ scope, value }, 'output', toCastNode('f32'));
      this.#halves.delete(key);
      this.#halves.add(toKey(scope, inner));
      this.#floats.set(toKey(scope, inner), { scope, value: inner });
      this.#renamed.set(toKey(scope, inner), value);
    }
  }

  /** Puts a Cast between values and readers that are not of one type. */
  #meetEdges(): void {
    for (const [key, place] of [...this.#floats]) {
      const isHalf = this.#halves.has(key);
      const restored = this.#renamed.get(key);
      for (const node of this.#tx.readers(place)) {
        if (node.op === 'Cast' && restored !== undefined && node.outputs[0] === restored) continue;
        for (const [input, name] of node.inputs.entries()) {
          if (name !== place.value || this.#takesHalf(node, input) === isHalf) continue;
          this.#tx.setInput(node, input, this.#toCast(key, place, isHalf ? 'f32' : 'f16'));
        }
      }
    }
  }

  #toCast(key: string, { scope, value }: Place, to: 'f32' | 'f16'): string {
    const known = this.#casts.get(key);
    if (known !== undefined) return known;
    const output = this.#tx.fresh(`${value}_${to}`);
    const name = this.#tx.fresh(`${value}_to_${to}`);
    this.#tx.addNodes([{ ...toCastNode(to), name, inputs: [value], outputs: [output] }], { scope });
    this.#casts.set(key, output);
    return output;
  }
}

/**
 * The mean and deviation of a LayerNormalization stay f32: it is left alone when they are read. A Dropout that may train
 * draws other numbers in f16.
 */
function isPlain({ op, inputs, outputs }: NodeRecord): boolean {
  if (op === 'LayerNormalization') return outputs.length === 1;
  return op !== 'Dropout' || inputs.length < 3;
}

function toCastNode(to: 'f32' | 'f16'): { readonly op: string; readonly attributes: { readonly to: { int: number } } } {
  return { op: 'Cast', attributes: { to: { int: toOnnxCode(to)! } } };
}

/** Elements that are looked at together. */
const STEP = 65_536;

function fitsHalf(tensor: TensorRef): boolean {
  const bytes = new Uint8Array(4 * Math.min(STEP, tensor.elementCount));
  for (let at = 0; at < tensor.elementCount; at += STEP) {
    const count = Math.min(STEP, tensor.elementCount - at);
    const part = bytes.subarray(0, 4 * count);
    tensor.read(4 * at, part);
    const values = new Float32Array(count);
    decodeFloats('f32', part, values);
    if (values.some((value) => Number.isFinite(value) && Math.abs(value) > HALF_MAX)) return false;
  }
  return true;
}
