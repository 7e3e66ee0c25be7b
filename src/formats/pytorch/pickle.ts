/** One pickle, disassembled and followed without running it. */
import { ACTIONS } from './actions.ts';
import { PickleMachine, type NestedPickle, type PickleOptions } from './machine.ts';
import type { StorageNode, TensorNode, Value } from './values.ts';

export interface PickleRun {
  readonly root: Value;
  /** Place behind the STOP opcode. */
  readonly end: number;
  readonly opcodes: number;
  /** Every tensor that was described, found in the root or not. */
  readonly tensors: readonly TensorNode[];
  readonly storages: ReadonlyMap<string, StorageNode>;
  readonly nested: readonly NestedPickle[];
  /** More byte strings look like pickles than were listed. */
  readonly hasMoreNested: boolean;
}

/**
 * Follows one pickle up to its STOP.
 * @throws FormatError PYTORCH_PICKLE_…, PYTORCH_TENSOR, PYTORCH_STORAGE, PYTORCH_DTYPE, PYTORCH_SHAPE; a lenient
 *   reading goes on after what it can
 * @see Python's pickletools.py; torch/_weights_only_unpickler.py
 */
export function runPickle(options: PickleOptions): PickleRun {
  const machine = new PickleMachine(options);
  for (let op = machine.next(); op.name !== 'STOP'; op = machine.next()) ACTIONS[op.name](machine, op);
  const root = machine.pop();
  const { end, opcodes, tensors, storages, nested, hasMoreNested } = machine;
  return { root, end, opcodes, tensors, storages, nested, hasMoreNested };
}
