/** The stack machine of pickle, run on descriptions of values. It imports nothing, calls nothing and builds nothing. */
import type { ErrorCode, ErrorFields } from '../../core/errors.ts';
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import { callGlobal, type CallSite } from './calls.ts';
import type { FindingList } from './findings.ts';
import { toGlobalName, toSeverity } from './globals.ts';
import { findUtf8 } from './literals.ts';
import type { MemberContent } from './member.ts';
import { OpcodeReader, type Op } from './opcode-reader.ts';
import { PROTOCOL_MAX } from './opcodes.ts';
import type { Reading } from './reading.ts';
import {
  findNode,
  type GlobalNode,
  isNode,
  type Node,
  type StorageNode,
  type TensorNode,
  UNKNOWN,
  type Value,
} from './values.ts';

/** A byte string that itself begins like a pickle, or text that does so when it is written as Latin-1. */
export interface NestedPickle {
  readonly start: number;
  readonly end: number;
  readonly isText: boolean;
}

export interface PickleOptions {
  readonly reading: Reading;
  readonly content: MemberContent;
  /** Where the pickle begins in the content. */
  readonly at: number;
  readonly member: string | null;
  readonly findings: FindingList;
  readonly isNested?: boolean;
  /** Told of every opcode: tests compare the list with Python's pickletools. */
  readonly onOpcode?: (op: Op) => void;
}

/** PROTO as a byte, and as the UTF-8 of the character of that number. */
const BYTES_HEAD = Uint8Array.of(0x80);
const TEXT_HEAD = Uint8Array.of(0xc2, 0x80);

/** Heap that values take, measured on Node 20 and rounded up. */
const BYTES = { node: 96, slot: 8, pair: 56, memo: 8, farMemo: 128 } as const;

export class PickleMachine implements CallSite {
  readonly tensors: TensorNode[] = [];
  readonly storages = new Map<string, StorageNode>();
  readonly nested: NestedPickle[] = [];
  /** More byte strings look like pickles than are looked into. */
  hasMoreNested = false;
  opcodes = 0;
  readonly #options: PickleOptions;
  readonly #reader: OpcodeReader;
  readonly #stack: Value[] = [];
  /** Height of the stack at each MARK. */
  readonly #marks: number[] = [];
  /** Values by memo index, without holes; picklers count up. What lies beyond comes into the map. */
  readonly #memo: Value[] = [];
  readonly #farMemo = new Map<number, Value>();
  #heapBytes = 0;

  constructor(options: PickleOptions) {
    this.#options = options;
    this.#reader = new OpcodeReader(options.reading, options.content, options.at);
  }

  /** Reads the next opcode; what it does is told by the table of actions. @throws FormatError PYTORCH_PICKLE_… */
  next(): Op {
    const op = this.#reader.next();
    this.#options.onOpcode?.(op);
    this.opcodes++;
    if (++this.#options.reading.opcodes > FORMAT_LIMITS.pickleOpcodesMax) throw this.#overBudget(op.at, 'opcodes');
    if (this.#stack.length + this.#marks.length > FORMAT_LIMITS.pickleStackMax) throw this.#overBudget(op.at, 'stack');
    return op;
  }

  /** Place behind the last opcode that was read. */
  get end(): number {
    return this.#reader.at;
  }

  /** Place of the opcode that is being followed. */
  get at(): number {
    return this.#reader.op.at;
  }

  /** @throws FormatError unless the reading is lenient */
  note(code: ErrorCode, fields: ErrorFields = {}): void {
    const { reading, content, member } = this.#options;
    reading.note(code, content.toOffset(this.at), { ...fields, member, at: this.at - content.start });
  }

  misused(problem: string): void {
    this.note('PYTORCH_PICKLE_STACK', { problem, opcode: this.#reader.op.name });
  }

  #overBudget(at: number, what: string) {
    return this.#options.reading.fail('PYTORCH_PICKLE_BUDGET', this.#options.content.toOffset(at), { what });
  }

  /** Counts heap that a value takes. @throws FormatError PYTORCH_PICKLE_BUDGET */
  spend(bytes: number): void {
    this.#heapBytes += bytes;
    if (this.#heapBytes > FORMAT_LIMITS.pickleHeapBytesMax) throw this.#overBudget(this.at, 'values');
  }

  push(value: Value): void {
    this.#stack.push(value);
  }

  pushNode(node: Node): void {
    this.spend(BYTES.node);
    this.#stack.push(node);
  }

  pop(): Value {
    if (this.#stack.length <= this.#fence) {
      this.misused('the stack is empty');
      return UNKNOWN;
    }
    return this.#stack.pop()!;
  }

  peek(): Value {
    if (this.#stack.length <= this.#fence) {
      this.misused('the stack is empty');
      return UNKNOWN;
    }
    return this.#stack[this.#stack.length - 1];
  }

  mark(): void {
    this.#marks.push(this.#stack.length);
  }

  /** The values above the topmost MARK, which is removed. */
  popToMark(): Value[] {
    const height = this.#marks.pop();
    if (height === undefined) {
      this.misused('there is no MARK');
      return [];
    }
    const items = this.#stack.splice(height);
    this.spend(BYTES.slot * items.length);
    return items;
  }

  /** POP removes a MARK when nothing lies above it. */
  popOrMark(): void {
    if (this.#marks.length > 0 && this.#fence === this.#stack.length) this.#marks.pop();
    else this.pop();
  }

  get #fence(): number {
    return this.#marks.length === 0 ? 0 : this.#marks[this.#marks.length - 1];
  }

  put(index: number | undefined): void {
    if (index === undefined || index < 0) {
      this.note('PYTORCH_PICKLE_OPCODE', { problem: 'no memo index' });
      return;
    }
    const value = this.peek();
    if (index > this.#memo.length || this.#farMemo.has(index)) {
      if (!this.#farMemo.has(index)) this.spend(BYTES.farMemo);
      this.#farMemo.set(index, value);
      return;
    }
    if (index === this.#memo.length) this.spend(BYTES.memo);
    this.#memo[index] = value;
  }

  /** MEMOIZE counts the entries, whatever their indexes. */
  memoize(): void {
    this.put(this.#memo.length + this.#farMemo.size);
  }

  get(index: number | undefined): void {
    if (index !== undefined && this.#farMemo.has(index)) this.push(this.#farMemo.get(index)!);
    else if (index !== undefined && index >= 0 && index < this.#memo.length) this.push(this.#memo[index]);
    else {
      this.misused('nothing lies under that memo index');
      this.push(UNKNOWN);
    }
  }

  /** Text of at most the length that is kept; longer text as a length. */
  pushText(op: Op, decode: (bytes: Buffer) => string | undefined): void {
    const length = op.end - op.start;
    this.#lookInside(op, TEXT_HEAD);
    if (length > FORMAT_LIMITS.pickleTextBytesMax) {
      this.pushNode({ kind: 'long-text', length });
      return;
    }
    this.spend(2 * length + 16);
    const text = decode(this.#reader.view(op.start, op.end));
    if (text === undefined) this.note('PYTORCH_PICKLE_OPCODE', { problem: 'not text' });
    this.push(text ?? UNKNOWN);
  }

  pushBytes(op: Op): void {
    this.#lookInside(op, BYTES_HEAD);
    this.pushNode({ kind: 'bytes', length: op.end - op.start });
  }

  #lookInside({ start, end }: Op, head: Uint8Array): void {
    if (end - start < head.length + 2) return;
    const bytes = this.#reader.view(start, start + head.length + 1);
    if (bytes[head.length] > PROTOCOL_MAX || !head.every((byte, i) => byte === bytes[i])) return;
    if (this.nested.length < FORMAT_LIMITS.picklesMax) this.nested.push({ start, end, isText: head === TEXT_HEAD });
    else this.hasMoreNested = true;
  }

  /** A short argument; undefined when it is too long to be one. */
  short(op: Op): Buffer | undefined {
    const isShort = op.end - op.start <= FORMAT_LIMITS.pickleTextBytesMax;
    return isShort ? this.#reader.view(op.start, op.end) : undefined;
  }

  pushNumber(value: number | bigint | boolean | undefined): void {
    if (value === undefined) this.note('PYTORCH_PICKLE_OPCODE', { problem: 'not a number' });
    if (typeof value === 'bigint') this.spend(BYTES.node);
    this.push(value ?? UNKNOWN);
  }

  line(start: number, end: number): string | undefined {
    return end - start > FORMAT_LIMITS.pickleTextBytesMax ? undefined : findUtf8(this.#reader.view(start, end));
  }

  /** Records a name; without both parts, what will be imported is decided while the pickle runs. */
  toGlobal(module: Value | undefined, name: Value | undefined): GlobalNode {
    const isKnown = typeof module === 'string' && typeof name === 'string';
    const node: GlobalNode = isKnown
      ? { kind: 'global', name: toGlobalName(module, name), severity: toSeverity(module, name) }
      : { kind: 'global', name: '?', severity: 'dangerous' };
    this.spend(BYTES.node + 2 * node.name.length);
    this.find(node);
    return node;
  }

  /** Adds a finding for the opcode that is being followed. */
  find({ name, severity }: Pick<GlobalNode, 'name' | 'severity'>): void {
    const { content, findings, member, isNested = false } = this.#options;
    const { at } = this;
    const { name: opcode } = this.#reader.op;
    findings.add({ member, at: at - content.start, offset: content.toOffset(at), opcode, name, severity, isNested });
  }

  /** REDUCE, NEWOBJ, OBJ, INST: describes what `callee` would give. */
  call(callee: Value, args: readonly Value[]): void {
    this.spend(2 * BYTES.node);
    const target = findNode(callee, 'global') ?? toResultOfCall(callee);
    if (target.severity !== 'allowlisted') this.find(target);
    const { name, severity } = target;
    const known = severity === 'allowlisted' ? callGlobal(this, name, args) : undefined;
    this.push(known ?? { kind: 'call', name, severity, args, state: null, entries: [], items: [] });
  }

  /** The items of a tuple that are arguments. */
  toArguments(value: Value): readonly Value[] {
    const tuple = findNode(value, 'tuple');
    if (tuple === undefined) this.misused('arguments are no tuple');
    return tuple?.items ?? [];
  }

  setEntries(target: Value, flat: readonly Value[]): void {
    if (flat.length % 2 !== 0) this.misused('a key without a value');
    const node = findNode(target, 'dict') ?? findNode(target, 'call');
    // A loader that sets items of a tensor or a storage writes outside their memory (CVE-2026-24747).
    if (node === undefined) this.misused('items are set on what is no dict');
    this.spend(BYTES.pair * (flat.length >> 1));
    for (let i = 0; i + 1 < flat.length; i += 2) node?.entries.push([flat[i], flat[i + 1]]);
  }

  appendItems(target: Value, items: readonly Value[]): void {
    const node = findNode(target, 'list') ?? findNode(target, 'call');
    if (node === undefined) this.misused('items are appended to what is no list');
    this.spend(BYTES.slot * items.length);
    for (const item of items) node?.items.push(item);
  }

  build(target: Value, state: Value): void {
    const node = isNode(target) ? target : undefined;
    if (node?.kind === 'call') {
      if (node.severity !== 'allowlisted') this.find(node);
      node.state = state;
    } else if (node?.kind === 'global') {
      // Attributes of a class or module are replaced for everything that runs later.
      this.find({ name: node.name, severity: 'dangerous' });
    } else if (node?.kind !== 'dict') {
      this.find({ name: node?.kind ?? typeof target, severity: 'unknown' });
      this.misused('a state is given to what has none');
    }
  }
}

/** The result of a call that is called again, or a value that cannot be called. */
function toResultOfCall(callee: Value): Pick<GlobalNode, 'name' | 'severity'> {
  const call = findNode(callee, 'call');
  if (call === undefined) return { name: '?', severity: 'dangerous' };
  const name = call.name.endsWith('()') ? call.name : `${call.name}()`;
  return { name, severity: call.severity === 'dangerous' ? 'dangerous' : 'unknown' };
}
